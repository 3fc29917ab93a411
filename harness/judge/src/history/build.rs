//! Sorts the entries of a history into its index, in the order of the file.

use std::collections::HashMap;
use std::sync::Arc;

use super::answers::Answers;
use super::index::{
    Confirmation, FeedChange, LedgerLine, MessageSeen, OpEnd, OrderIx, ProjectedOrder, PublishedMessage, ReadBack, ReadEnd,
    Reading, StoredRecord,
};
use super::line::Line;
use super::op_numbers::{OpNumbers, Place};
use super::orders::Lists;
use super::read::Torn;
use super::text::Interner;
use super::wall::Wall;
use super::{Complete, Entry, Header, History, Invoke, NodeIx, Op, OpKind, Projection, Published, Record, Row, Seen, reads};
use crate::numbers::fit;

/// Takes entries one by one.
pub(super) struct Builder {
    history: History,
    /// What every order and customer id of this run begins with.
    prefix: String,
    interner: Interner,
    answers: Answers,
    /// By text: the number of the order with this id plus 1, or 0.
    order_of: Vec<u32>,
    op_numbers: OpNumbers,
    node_index: HashMap<String, NodeIx>,
    /// By row.
    row_orders: Vec<Option<OrderIx>>,
    /// How many entries each final read has delivered so far; by node for projections, which have the most.
    found: HashMap<String, u64>,
    found_projected: Vec<u64>,
}

impl Builder {
    pub(super) fn new(header: Header) -> Self {
        let prefix = format!("{}-", header.nonce);
        let history = History::empty(header);
        let node_index = (0..).zip(&history.nodes).map(|(at, name)| (name.clone(), at)).collect();
        Self {
            history,
            prefix,
            interner: Interner::default(),
            answers: Answers::default(),
            order_of: Vec::new(),
            op_numbers: OpNumbers::default(),
            node_index,
            row_orders: Vec::new(),
            found: HashMap::new(),
            found_projected: Vec::new(),
        }
    }

    pub(super) fn finish(self, torn: Option<Torn>) -> History {
        let Self { mut history, interner, answers, row_orders, .. } = self;
        history.lists = Lists::of(&history, &row_orders);
        history.texts = Arc::new(interner.texts);
        history.answers = Arc::new(answers.all);
        history.torn = torn;
        history
    }

    /// Takes one of the frequent lines.
    pub(super) fn add_line(&mut self, line: Line<'_>) {
        match line {
            Line::Invoke(invoke) => self.invoke(&invoke),
            Line::Complete(complete) => self.complete(&complete),
            Line::Seen(seen) => self.seen(&seen),
            Line::Projection(projection) => self.projection(&projection),
            Line::Published(published) => self.published(&published),
            Line::Record(record) => self.record(&record),
        }
    }

    pub(super) fn add(&mut self, entry: Entry) {
        match entry {
            // The reader lets no second header through.
            Entry::Header(_) => {}
            Entry::Phase { t_us, phase } => {
                self.at(t_us);
                self.history.phases.push((t_us, phase));
            }
            Entry::Invoke(invoke) => self.invoke(&invoke),
            Entry::Complete(complete) => self.complete(&complete),
            Entry::Unstarted { t_us, intended_us, node } => {
                self.at(t_us);
                let node = self.node(&node);
                self.history.unstarted.push((intended_us, node));
            }
            Entry::Fault(step) => {
                self.at(step.t_us);
                self.history.faults.push(step);
            }
            Entry::Quiescence(quiescence) => {
                self.at(quiescence.t_us);
                self.history.quiescence = Some(quiescence);
            }
            Entry::Interrupted { t_us } => {
                self.at(t_us);
                self.history.interrupted_us = Some(t_us);
            }
            Entry::Aborted { t_us, guard, seen } => {
                self.at(t_us);
                self.history.aborted.get_or_insert((guard, seen));
            }
            Entry::Trouble { t_us, what } => {
                self.at(t_us);
                self.history.troubles.push(what);
            }
            Entry::End { t_us } => {
                self.at(t_us);
                self.history.end_us = Some(t_us);
            }
            other => self.observed(other),
        }
    }

    /// What observers wrote.
    fn observed(&mut self, entry: Entry) {
        match entry {
            Entry::Seen(seen) => self.seen(&seen),
            Entry::Feed { t_us, node, state, detail: _ } => {
                self.at(t_us);
                let node = self.node(&node);
                self.history.feeds.push(FeedChange { t_us, node, state });
            }
            Entry::Confirm { t_us, node, order_id, status, applied } => {
                self.at(t_us);
                let node = self.node(&node);
                if let Some(order) = self.order(&order_id) {
                    self.history.confirms.push(Confirmation { t_us, node, order, status, applied });
                }
            }
            Entry::Counters { t_us, node, values } => {
                self.at(t_us);
                let node = self.node(&node);
                self.history.counters.push(Reading { t_us, node, values });
            }
            other => self.finally_read(other),
        }
    }

    /// What final reads wrote.
    fn finally_read(&mut self, entry: Entry) {
        match entry {
            Entry::Projection(projection) => self.projection(&projection),
            Entry::Ledger { node, customer_id, orders, total_minor } => {
                self.count(&reads::ledger(&node));
                if !customer_id.starts_with(&self.prefix) {
                    self.history.foreign.ledger += 1;
                    return;
                }
                let node = self.node(&node);
                let customer_id = self.interner.intern(&customer_id);
                self.history.ledger.push(LedgerLine { node, customer_id, orders, total_minor });
            }
            Entry::Published(published) => self.published(&published),
            Entry::Record(record) => self.record(&record),
            Entry::Row(row) => self.row(row),
            Entry::Parked { node, count } => {
                self.count(&reads::parked(&node));
                let node = self.node(&node);
                self.history.parked.push((node, count));
            }
            Entry::Keys(keys) => {
                self.count(&reads::keys(&keys.family));
                self.history.keys.push(keys);
            }
            Entry::Log(log) => self.history.logs.push(log),
            Entry::Container(life) => self.history.lives.push(life),
            Entry::FinalRead { t_us, what, entries, error } => {
                self.at(t_us);
                let found = self.found(&what);
                self.history.reads.insert(what, ReadEnd { t_us, entries, found, error });
            }
            _ => {}
        }
    }

    fn invoke<S: AsRef<str>>(&mut self, invoke: &Invoke<S>) {
        self.at(invoke.t_us);
        let node = self.node(invoke.node.as_ref());
        let Some(order) = self.order(invoke.order_id.as_ref()) else {
            self.odd(format!("operation {} sent the order id {} of another run", invoke.op, invoke.order_id.as_ref()));
            return;
        };
        let is_read = invoke.kind == OpKind::Read;
        let place =
            if is_read { Place::ReadBack(fit(self.history.read_back.len())) } else { Place::Op(fit(self.history.ops.len())) };
        if self.op_numbers.insert(invoke.op, place).is_some() {
            self.odd(format!("operation {} was invoked twice", invoke.op));
        }
        if is_read {
            let (number, intended_us, sent_us) = (invoke.op, invoke.intended_us, invoke.t_us);
            self.history.read_back.push(ReadBack { number, node, order, intended_us, sent_us, end: None, applied: None });
            return;
        }
        self.history.ops.push(Op {
            number: invoke.op,
            node,
            order,
            intended_us: invoke.intended_us,
            sent_us: invoke.t_us,
            customer_id: self.interner.intern(invoke.customer_id.as_ref()),
            amount_minor: invoke.amount_minor,
            kind: invoke.kind,
            end: None,
        });
    }

    fn complete<S: AsRef<str>>(&mut self, complete: &Complete<S>) {
        self.at(complete.t_us);
        let (ops, reads) = (&mut self.history.ops, &mut self.history.read_back);
        let end = match self.op_numbers.get(complete.op) {
            Some(Place::Op(at)) => ops.get_mut(at as usize).map(|op| &mut op.end),
            Some(Place::ReadBack(at)) => reads.get_mut(at as usize).map(|read| {
                read.applied = read.applied.or(complete.applied);
                &mut read.end
            }),
            None => None,
        };
        let Some(end) = end else {
            self.odd(format!("operation {} ended without being invoked", complete.op));
            return;
        };
        if end.is_some() {
            self.odd(format!("operation {} ended twice", complete.op));
            return;
        }
        *end = Some(OpEnd {
            t_us: complete.t_us,
            outcome: complete.outcome,
            status: complete.status,
            replayed: complete.replayed,
            answer: complete.answer.as_ref().map(|answer| self.answers.intern(answer, &mut self.interner)),
            error: complete.error.as_ref().map(|error| self.interner.intern(error.as_ref())),
        });
    }

    fn seen<S: AsRef<str>>(&mut self, seen: &Seen<S>) {
        self.at(seen.t_us);
        let node = self.node(seen.node.as_ref());
        let Some(order) = self.order(seen.order_id.as_ref()) else {
            self.history.foreign.seen += 1;
            return;
        };
        self.history.seen.push(MessageSeen {
            t_us: seen.t_us,
            node,
            position: seen.position,
            order,
            message_id: self.interner.intern(seen.message_id.as_ref()),
            sequence: seen.sequence,
            applied_at: Wall::of(seen.applied_at.as_ref(), &mut self.interner),
        });
    }

    fn projection<S: AsRef<str>>(&mut self, projection: &Projection<S>) {
        let node = self.node(projection.node.as_ref());
        let place = usize::from(node);
        if self.found_projected.len() <= place {
            self.found_projected.resize(place + 1, 0);
        }
        self.found_projected[place] += 1;
        let Some(order) = self.order(projection.order_id.as_ref()) else {
            self.history.foreign.projected += 1;
            return;
        };
        self.history.projected.push(ProjectedOrder {
            node,
            position: projection.position,
            order,
            customer_id: self.interner.intern(projection.customer_id.as_ref()),
            amount_minor: projection.amount_minor,
            message_id: self.interner.intern(projection.message_id.as_ref()),
            applied: projection.applied,
            applied_at: Wall::of(projection.applied_at.as_ref(), &mut self.interner),
        });
    }

    fn published<S: AsRef<str>>(&mut self, published: &Published<S>) {
        self.count(reads::STREAM);
        let Some(answer) = &published.answer else {
            self.history.foreign.unreadable += 1;
            return;
        };
        let Some(order) = self.order(answer.order_id.as_ref()) else {
            self.history.foreign.published += 1;
            return;
        };
        self.history.published.push(PublishedMessage {
            sequence: published.sequence,
            message_id: self.interner.intern(published.message_id.as_ref()),
            stored_at: Wall::of(published.stored_at.as_ref(), &mut self.interner),
            order,
            answer: self.answers.intern(answer, &mut self.interner),
        });
    }

    fn record<S: AsRef<str>>(&mut self, record: &Record<S>) {
        self.count(reads::RECORDS);
        let Some(order) = self.order(record.order_id.as_ref()) else {
            self.history.foreign.records += 1;
            return;
        };
        self.history.records.push(StoredRecord {
            order,
            customer_id: self.interner.intern(record.customer_id.as_ref()),
            amount_minor: record.amount_minor,
            message_id: self.interner.intern(record.message_id.as_ref()),
        });
    }

    fn row(&mut self, row: Row) {
        self.count(reads::OUTBOX);
        let order = row.order_id.as_deref().map(|id| self.order(id));
        if order == Some(None) {
            self.history.foreign.rows += 1;
            return;
        }
        self.row_orders.push(order.flatten());
        self.history.rows.push(row);
    }

    /// The order with this id, if the id is of this run.
    fn order(&mut self, id: &str) -> Option<OrderIx> {
        if !id.starts_with(&self.prefix) {
            return None;
        }
        let text = self.interner.intern(id);
        let place = text.number() as usize;
        if self.order_of.len() <= place {
            self.order_of.resize(place + 1, 0);
        }
        if self.order_of[place] == 0 {
            self.history.orders.push(text);
            self.order_of[place] = fit(self.history.orders.len());
        }
        self.order_of[place].checked_sub(1)
    }

    fn node(&mut self, name: &str) -> NodeIx {
        if let Some(node) = self.node_index.get(name) {
            return *node;
        }
        let node = NodeIx::try_from(self.history.nodes.len()).unwrap_or(NodeIx::MAX);
        self.history.nodes.push(name.to_owned());
        self.node_index.insert(name.to_owned(), node);
        node
    }

    fn at(&mut self, t_us: u64) {
        self.history.last_us = self.history.last_us.max(t_us);
    }

    fn count(&mut self, what: &str) {
        if let Some(count) = self.found.get_mut(what) {
            *count += 1;
        } else {
            self.found.insert(what.to_owned(), 1);
        }
    }

    fn found(&self, what: &str) -> u64 {
        let projected = self.history.nodes.iter().zip(&self.found_projected).find(|(node, _)| reads::projection(node) == what);
        projected.map(|(_, count)| *count).or_else(|| self.found.get(what).copied()).unwrap_or(0)
    }

    fn odd(&mut self, what: String) {
        // A few tell as much as thousands.
        if self.history.oddities.len() < 20 {
            self.history.oddities.push(what);
        }
    }
}
