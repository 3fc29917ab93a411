//! What all checkers look at: the history held against its plan, split into claims.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::durability::Limits;
use crate::figures::backlog::{self, Backlog};
use crate::history::{History, NodeIx, Op, Outcome, Phase, ProjectedOrder, Sample, reads};
use crate::plan::Plan;
use crate::resets::Resets;
use crate::timeline::{self, Edges, FaultSpan};

/// An order id together with its content, and the operations that claimed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) order: usize,
    pub(crate) customer_id: String,
    pub(crate) amount_minor: u64,
    /// Indices into the history's operations, in the order of their invocation.
    pub(crate) ops: Vec<usize>,
    pub(crate) class: Class,
}

/// What the answers say about a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Some operation ended `ok`.
    Acknowledged,
    /// None ended `ok`, some may have taken effect.
    Indeterminate,
    /// All certainly had no effect.
    Failed,
}

impl Claim {
    /// Is this the claim's content?
    pub(crate) fn has_content(&self, customer_id: &str, amount_minor: Option<u64>) -> bool {
        self.customer_id == customer_id && amount_minor == Some(self.amount_minor)
    }
}

/// A run on the judge's desk.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) history: &'a History,
    pub(crate) samples: &'a [Sample],
    pub(crate) edges: Edges,
    pub(crate) spans: Vec<FaultSpan>,
    pub(crate) backlog: Backlog,
    pub(crate) resets: Resets,
    /// What faults destroyed from below, where the scenario declares it.
    pub(crate) limits: Limits,
    /// The nodes that must have every order: the plan's roster.
    pub(crate) required: Vec<NodeIx>,
    /// Services of the roster that the history never mentions.
    pub(crate) missing_nodes: Vec<String>,
    /// Sorted by order.
    pub(crate) claims: Vec<Claim>,
    claims_of: Vec<Range<usize>>,
    /// By node: was its whole projection read?
    projection_read: Vec<bool>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(plan: &'a Plan, history: &'a History, samples: &'a [Sample]) -> Self {
        let edges = Edges::of(plan, history);
        let spans = timeline::spans(plan, history);
        let backlog = backlog::measure(plan, history, samples, edges, &spans);
        let limits = Limits::of(plan, history, &spans, &backlog);
        let (claims, claims_of) = claims(history);
        let required = plan.roster.iter().filter_map(|name| history.node(name)).collect();
        let missing_nodes = plan.roster.iter().filter(|name| history.node(name).is_none()).cloned().collect();
        let projection_read = history.nodes.iter().map(|node| history.has_read(&reads::projection(node))).collect();
        let resets = Resets::of(plan, history);
        Self {
            plan,
            history,
            samples,
            edges,
            spans,
            backlog,
            resets,
            limits,
            required,
            missing_nodes,
            claims,
            claims_of,
            projection_read,
        }
    }

    /// All claims of one order.
    pub(crate) fn claims_of(&self, order: usize) -> &[Claim] {
        self.claims_of.get(order).and_then(|range| self.claims.get(range.clone())).unwrap_or_default()
    }

    pub(crate) fn ops(&self, claim: &Claim) -> impl Iterator<Item = &'a Op> {
        let history = self.history;
        claim.ops.iter().filter_map(move |at| history.ops.get(*at))
    }

    /// The final reads show a state that nothing changes any more.
    pub(crate) fn is_quiescent(&self) -> bool {
        self.history.quiescence.as_ref().is_some_and(|quiescence| quiescence.reached)
    }

    /// Was the node's whole projection read?
    pub(crate) fn has_projection(&self, node: NodeIx) -> bool {
        self.projection_read.get(usize::from(node)).copied().unwrap_or(false)
    }

    pub(crate) fn projected(&self, order: usize) -> impl Iterator<Item = &'a ProjectedOrder> {
        let history = self.history;
        let found = history.orders.get(order).map(|order| order.projected.as_slice()).unwrap_or_default();
        found.iter().filter_map(move |at| history.projected.get(*at))
    }

    /// Has the node applied this claim?
    pub(crate) fn is_applied(&self, claim: &Claim, node: NodeIx) -> bool {
        self.projected(claim.order)
            .any(|entry| entry.node == node && entry.applied > 0 && claim.has_content(&entry.customer_id, entry.amount_minor))
    }

    /// Final reads began here; what feeds showed later may be newer than the projections.
    pub(crate) fn final_reads_us(&self) -> u64 {
        self.history.phase_us(Phase::FinalReads).unwrap_or(u64::MAX)
    }

    /// The names of some nodes, for a sentence.
    pub(crate) fn names(&self, nodes: &[NodeIx]) -> String {
        nodes.iter().map(|node| self.history.node_name(*node)).collect::<Vec<_>>().join(", ")
    }
}

fn claims(history: &History) -> (Vec<Claim>, Vec<Range<usize>>) {
    let mut claims: Vec<Claim> = Vec::with_capacity(history.orders.len());
    let mut ranges = Vec::with_capacity(history.orders.len());
    for (number, order) in history.orders.iter().enumerate() {
        let start = claims.len();
        // A map, as a hot order may have very many operations.
        let mut by_content: BTreeMap<(&str, u64), usize> = BTreeMap::new();
        for &at in &order.ops {
            let op = &history.ops[at];
            let claim = *by_content.entry((&op.customer_id, op.amount_minor)).or_insert_with(|| {
                claims.push(Claim {
                    order: number,
                    customer_id: op.customer_id.clone(),
                    amount_minor: op.amount_minor,
                    ops: Vec::new(),
                    class: Class::Failed,
                });
                claims.len() - 1
            });
            claims[claim].ops.push(at);
            claims[claim].class = match (claims[claim].class, op.outcome()) {
                (Class::Acknowledged, _) | (_, Outcome::Ok) => Class::Acknowledged,
                (Class::Indeterminate, _) | (_, Outcome::Info) => Class::Indeterminate,
                (Class::Failed, Outcome::Fail) => Class::Failed,
            };
        }
        ranges.push(start..claims.len());
    }
    (claims, ranges)
}
