//! A history as the checkers use it: split by order, with what was found of each.
//!
//! A history may tell of ten million operations. So what it has by the million is small and flat: texts, times and answers are
//! numbers, which [`History::text`], [`History::wall`] and [`History::answer`] tell, and equal numbers are equal things.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::orders::{Lists, Order};
use super::read::Torn;
use super::text::{Text, Texts};
use super::wall::Wall;
use super::{ContainerLife, FaultStep, FeedState, Header, Keys, OpKind, Outcome, Phase, Quiescence, Row, ServiceLog};
use crate::numbers::fit;

/// Index into [`History::nodes`].
pub type NodeIx = u16;

/// Which order of the history, from 0; [`History::order`] tells of it.
pub type OrderIx = u32;

/// An answer of the history, which [`History::answer`] tells. Equal ones are the same in every field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AnswerIx(NonZeroU32);

impl AnswerIx {
    pub(super) fn at(place: usize) -> Self {
        Self(NonZeroU32::MIN.saturating_add(fit(place)))
    }

    pub(super) fn place(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// A placed order as a node described it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Told {
    pub order_id: Text,
    pub customer_id: Text,
    /// `None` where the amount on the wire is not an exact number of minor units.
    pub amount_minor: Option<u64>,
    pub message_id: Text,
    pub accepted_by: Text,
    pub accepted_at: Wall,
}

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Op {
    pub number: u64,
    pub node: NodeIx,
    pub order: OrderIx,
    pub intended_us: u64,
    pub sent_us: u64,
    pub customer_id: Text,
    pub amount_minor: u64,
    pub kind: OpKind,
    /// `None`: the history does not tell how it ended, so it is `info`.
    pub end: Option<OpEnd>,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OpEnd {
    pub t_us: u64,
    pub outcome: Outcome,
    pub status: Option<u16>,
    pub replayed: bool,
    pub answer: Option<AnswerIx>,
    pub error: Option<Text>,
}

impl Op {
    /// An operation without an end may have taken effect.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.end.map_or(Outcome::Info, |end| end.outcome)
    }

    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.end.and_then(|end| end.status)
    }

    /// The answer that the client got, where it tells an order.
    #[must_use]
    pub fn answer(&self) -> Option<AnswerIx> {
        self.end.and_then(|end| end.answer)
    }

    /// It was refused as a conflict, by an answer of the contract's form.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.outcome() == Outcome::Fail && self.status() == Some(409)
    }

    /// The cluster did what the contract promises for it: it took effect, was replayed, or was refused as a conflict.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.outcome() == Outcome::Ok || self.is_conflict()
    }
}

/// An order was read back from a node's projection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReadBack {
    pub number: u64,
    pub node: NodeIx,
    pub order: OrderIx,
    pub intended_us: u64,
    pub sent_us: u64,
    /// `ok`: found or not found; `info`: given up; nothing is concluded from either, as a read has no effect.
    pub end: Option<OpEnd>,
    /// How often the node says that it applied the order; `None` where it did not find it.
    pub applied: Option<u64>,
}

impl ReadBack {
    /// The answer was one of the contract's for a read, in its form.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.end.is_some_and(|end| end.outcome == Outcome::Ok)
    }

    /// The node did not know the order.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.is_answered() && self.status() == Some(404)
    }

    /// The order as the node showed it.
    #[must_use]
    pub fn found(&self) -> Option<AnswerIx> {
        self.end.filter(|end| end.outcome == Outcome::Ok && end.status == Some(200))?.answer
    }

    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.end.and_then(|end| end.status)
    }
}

/// A feed showed an order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MessageSeen {
    pub t_us: u64,
    pub node: NodeIx,
    pub position: u64,
    pub order: OrderIx,
    pub message_id: Text,
    pub sequence: u64,
    pub applied_at: Wall,
}

/// An order in a node's final projection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProjectedOrder {
    pub node: NodeIx,
    pub position: u64,
    pub order: OrderIx,
    pub customer_id: Text,
    pub amount_minor: Option<u64>,
    pub message_id: Text,
    pub applied: u64,
    pub applied_at: Wall,
}

/// A message of the stream that carries an order of this run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PublishedMessage {
    pub sequence: u64,
    pub message_id: Text,
    pub stored_at: Wall,
    pub order: OrderIx,
    pub answer: AnswerIx,
}

/// An idempotency record of this run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StoredRecord {
    pub order: OrderIx,
    pub customer_id: Text,
    pub amount_minor: Option<u64>,
    pub message_id: Text,
}

/// What was met of other runs, or of nobody's: counted, and not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Foreign {
    pub published: u64,
    /// Messages whose payload is no order.
    pub unreadable: u64,
    pub seen: u64,
    pub projected: u64,
    pub ledger: u64,
    pub records: u64,
    pub rows: u64,
}

/// A customer's line in a node's ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerLine {
    pub node: NodeIx,
    pub customer_id: Text,
    pub orders: u64,
    pub total_minor: Option<u64>,
}

/// A feed was connected, lost, or set back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedChange {
    pub t_us: u64,
    pub node: NodeIx,
    pub state: FeedState,
}

/// A GET right after an order was seen on a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    pub t_us: u64,
    pub node: NodeIx,
    pub order: OrderIx,
    pub status: u16,
    pub applied: Option<u64>,
}

/// One reading of a node's counters.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub t_us: u64,
    pub node: NodeIx,
    pub values: BTreeMap<String, f64>,
}

/// How a final read ended, and how many entries the history really holds of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadEnd {
    pub t_us: u64,
    pub entries: u64,
    pub found: u64,
    pub error: Option<String>,
}

/// A whole run, indexed.
#[derive(Debug, Clone)]
pub struct History {
    pub header: Header,
    /// Service names: those of the header first, in its order, then any other that was met.
    pub nodes: Vec<String>,
    pub phases: Vec<(u64, Phase)>,
    /// Operations that place, replay or conflict.
    pub ops: Vec<Op>,
    /// Operations that read back.
    pub read_back: Vec<ReadBack>,
    pub unstarted: Vec<(u64, NodeIx)>,
    pub faults: Vec<FaultStep>,
    pub seen: Vec<MessageSeen>,
    pub feeds: Vec<FeedChange>,
    pub confirms: Vec<Confirmation>,
    pub counters: Vec<Reading>,
    pub quiescence: Option<Quiescence>,
    pub projected: Vec<ProjectedOrder>,
    pub ledger: Vec<LedgerLine>,
    pub published: Vec<PublishedMessage>,
    pub records: Vec<StoredRecord>,
    /// Rows of this run, and those that tell no order.
    pub rows: Vec<Row>,
    /// By node.
    pub parked: Vec<(NodeIx, u64)>,
    /// By family.
    pub keys: Vec<Keys>,
    /// By the names in [`super::reads`].
    pub reads: BTreeMap<String, ReadEnd>,
    pub logs: Vec<ServiceLog>,
    pub lives: Vec<ContainerLife>,
    pub interrupted_us: Option<u64>,
    /// The guard that gave the run up, and what it saw.
    pub aborted: Option<(String, String)>,
    pub troubles: Vec<String>,
    pub end_us: Option<u64>,
    /// The latest time that any line tells.
    pub last_us: u64,
    pub torn: Option<Torn>,
    pub foreign: Foreign,
    /// Lines that contradict each other: the recorder's fault, not the cluster's.
    pub oddities: Vec<String>,
    /// By order, its id.
    pub(super) orders: Vec<Text>,
    pub(super) lists: Lists,
    pub(super) texts: Arc<Texts>,
    pub(super) answers: Arc<Vec<Told>>,
}

impl History {
    /// One in which nothing has happened yet.
    pub(crate) fn empty(header: Header) -> Self {
        Self {
            nodes: header.nodes.iter().map(|node| node.name.clone()).collect(),
            header,
            phases: Vec::new(),
            ops: Vec::new(),
            read_back: Vec::new(),
            unstarted: Vec::new(),
            faults: Vec::new(),
            seen: Vec::new(),
            feeds: Vec::new(),
            confirms: Vec::new(),
            counters: Vec::new(),
            quiescence: None,
            projected: Vec::new(),
            ledger: Vec::new(),
            published: Vec::new(),
            records: Vec::new(),
            rows: Vec::new(),
            parked: Vec::new(),
            keys: Vec::new(),
            reads: BTreeMap::new(),
            logs: Vec::new(),
            lives: Vec::new(),
            interrupted_us: None,
            aborted: None,
            troubles: Vec::new(),
            end_us: None,
            last_us: 0,
            torn: None,
            foreign: Foreign::default(),
            oddities: Vec::new(),
            orders: Vec::new(),
            lists: Lists::default(),
            texts: Arc::default(),
            answers: Arc::default(),
        }
    }

    /// All orders, in the order in which they were met.
    #[must_use]
    pub fn orders(&self) -> impl ExactSizeIterator<Item = Order<'_>> + Clone {
        (0..fit(self.orders.len())).map(|number| self.order(number))
    }

    #[must_use]
    pub fn order(&self, number: OrderIx) -> Order<'_> {
        Order { history: self, number }
    }

    #[must_use]
    pub fn order_id(&self, order: OrderIx) -> &str {
        self.orders.get(order as usize).map_or("?", |id| self.text(*id))
    }

    #[must_use]
    pub fn text(&self, text: Text) -> &str {
        self.texts.get(text)
    }

    /// A wall-clock time, to the letter as it was written down.
    #[must_use]
    pub fn wall(&self, wall: Wall) -> String {
        wall.written(&self.texts)
    }

    /// Microseconds since 1970; `None` for what is no RFC 3339 time.
    #[must_use]
    pub fn wall_us(&self, wall: Wall) -> Option<i64> {
        wall.us(&self.texts)
    }

    #[must_use]
    pub fn answer(&self, answer: AnswerIx) -> &Told {
        &self.answers[answer.place()]
    }

    #[must_use]
    pub fn node(&self, name: &str) -> Option<NodeIx> {
        self.nodes.iter().position(|node| node == name).and_then(|at| NodeIx::try_from(at).ok())
    }

    #[must_use]
    pub fn node_name(&self, node: NodeIx) -> &str {
        self.nodes.get(usize::from(node)).map_or("?", String::as_str)
    }

    /// When the run entered a phase.
    #[must_use]
    pub fn phase_us(&self, phase: Phase) -> Option<u64> {
        self.phases.iter().find(|(_, entered)| *entered == phase).map(|(t_us, _)| *t_us)
    }

    /// Does the history hold a final read of this name, complete and without error?
    #[must_use]
    pub fn has_read(&self, what: &str) -> bool {
        self.reads.get(what).is_some_and(|read| read.error.is_none() && read.entries == read.found)
    }
}
