//! What all checkers look at: the history held against its plan, split into claims.

use std::collections::HashMap;

use crate::durability::Limits;
use crate::figures::backlog::{self, Backlog};
use crate::history::{History, NodeIx, Op, OrderIx, Outcome, Phase, ProjectedOrder, Sample, Text, reads};
use crate::numbers::fit;
use crate::plan::Plan;
use crate::resets::Resets;
use crate::timeline::{self, Edges, FaultSpan};

/// An order id together with its content; [`Case::ops`] has the operations that claimed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) order: OrderIx,
    pub(crate) customer_id: Text,
    pub(crate) amount_minor: u64,
    pub(crate) class: Class,
    /// Where its operations stand among those of all claims.
    ops: (u32, u32),
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
    pub(crate) fn has_content(&self, customer_id: Text, amount_minor: Option<u64>) -> bool {
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
    /// By order: where its claims begin; and at last, where all end.
    claims_from: Vec<u32>,
    /// Indices into the history's operations, claim by claim.
    claimed: Vec<u32>,
    /// By node: was its whole projection read?
    projection_read: Vec<bool>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(plan: &'a Plan, history: &'a History, samples: &'a [Sample]) -> Self {
        let edges = Edges::of(plan, history);
        let spans = timeline::spans(plan, history);
        let backlog = backlog::measure(plan, history, samples, edges, &spans);
        let limits = Limits::of(plan, history, &spans, &backlog);
        let Claims { all: claims, from: claims_from, ops: claimed } = Claims::of(history);
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
            claims_from,
            claimed,
            projection_read,
        }
    }

    /// All claims of one order.
    pub(crate) fn claims_of(&self, order: OrderIx) -> &[Claim] {
        let bounds = self.claims_from.get(order as usize).zip(self.claims_from.get(order as usize + 1));
        bounds.and_then(|(from, until)| self.claims.get(*from as usize..*until as usize)).unwrap_or_default()
    }

    /// In the order of their invocation.
    pub(crate) fn ops(&self, claim: &Claim) -> impl Iterator<Item = &'a Op> + Clone {
        let history = self.history;
        let claimed = self.claimed.get(claim.ops.0 as usize..claim.ops.1 as usize).unwrap_or_default();
        claimed.iter().filter_map(move |at| history.ops.get(*at as usize))
    }

    /// The final reads show a state that nothing changes any more.
    pub(crate) fn is_quiescent(&self) -> bool {
        self.history.quiescence.as_ref().is_some_and(|quiescence| quiescence.reached)
    }

    /// Was the node's whole projection read?
    pub(crate) fn has_projection(&self, node: NodeIx) -> bool {
        self.projection_read.get(usize::from(node)).copied().unwrap_or(false)
    }

    pub(crate) fn projected(&self, order: OrderIx) -> impl Iterator<Item = &'a ProjectedOrder> + Clone + use<'a> {
        self.history.order(order).projected().iter()
    }

    /// Has the node applied this claim?
    pub(crate) fn is_applied(&self, claim: &Claim, node: NodeIx) -> bool {
        self.projected(claim.order)
            .any(|entry| entry.node == node && entry.applied > 0 && claim.has_content(entry.customer_id, entry.amount_minor))
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

/// All claims, order by order.
#[derive(Default)]
struct Claims {
    all: Vec<Claim>,
    from: Vec<u32>,
    ops: Vec<u32>,
}

impl Claims {
    fn of(history: &History) -> Self {
        let mut claims = Self::default();
        let mut claimed = Vec::new();
        for order in history.orders() {
            claims.from.push(fit(claims.all.len()));
            // A map, as a hot order may have very many contents.
            let mut by_content: HashMap<(Text, u64), usize> = HashMap::new();
            for (at, op) in order.ops().numbered() {
                let claim =
                    *by_content.entry((op.customer_id, op.amount_minor)).or_insert_with(|| claims.begin(order.number, op));
                let class = &mut claims.all[claim].class;
                *class = match (*class, op.outcome()) {
                    (Class::Acknowledged, _) | (_, Outcome::Ok) => Class::Acknowledged,
                    (Class::Indeterminate, _) | (_, Outcome::Info) => Class::Indeterminate,
                    (Class::Failed, Outcome::Fail) => Class::Failed,
                };
                claimed.push((claim, fit(at)));
            }
            claimed.sort_by_key(|(claim, _)| *claim);
            for (claim, at) in claimed.drain(..) {
                let place = fit(claims.ops.len());
                let bounds = &mut claims.all[claim].ops;
                *bounds = if bounds.1 == 0 { (place, place + 1) } else { (bounds.0, place + 1) };
                claims.ops.push(at);
            }
        }
        claims.from.push(fit(claims.all.len()));
        claims
    }

    fn begin(&mut self, order: OrderIx, op: &Op) -> usize {
        let Op { customer_id, amount_minor, .. } = *op;
        self.all.push(Claim { order, customer_id, amount_minor, class: Class::Failed, ops: (0, 0) });
        self.all.len() - 1
    }
}
