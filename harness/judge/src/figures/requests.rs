//! How long operations took, from their intended start and from sending, and what the load really was.

use std::collections::BTreeMap;

use super::histogram::Latencies;
use crate::case::Case;
use crate::checkers::LATE_MS;
use crate::history::{NodeIx, Op, OpEnd, Outcome, ReadBack};
use crate::numbers::rounded;
use crate::report::{ByNode, LoadFigures, Requests};

/// How long an operation kept its client waiting, until its answer or until it was given up; `None` for one that never
/// reached a node, or whose end is not known.
pub(crate) fn waited_us(op: &Op, from_us: u64) -> Option<u64> {
    waited_for(op.end?, from_us)
}

/// The same for an order that was read back.
pub(crate) fn waited_to_read_us(read: &ReadBack, from_us: u64) -> Option<u64> {
    waited_for(read.end?, from_us)
}

fn waited_for(end: OpEnd, from_us: u64) -> Option<u64> {
    let reached = end.status.is_some() || end.outcome != Outcome::Fail;
    reached.then(|| end.t_us.saturating_sub(from_us))
}

#[derive(Default)]
struct Split(BTreeMap<NodeIx, Latencies>);

impl Split {
    fn add(&mut self, node: NodeIx, waited_us: Option<u64>) {
        let latencies = self.0.entry(node).or_insert_with(Latencies::new);
        match waited_us {
            Some(us) => latencies.add(us),
            None => latencies.add_censored(),
        }
    }
}

pub(crate) fn measure(case: &Case<'_>) -> Requests {
    let mut requests = Requests::default();
    let (mut from_start, mut service) = (Split::default(), Split::default());
    let (mut from_start_all, mut service_all) = (Latencies::new(), Latencies::new());
    for op in &case.history.ops {
        let waited = waited_us(op, op.intended_us);
        if waited.is_none() && op.end.is_some() {
            requests.unreached += 1;
            continue;
        }
        let served = waited_us(op, op.sent_us);
        from_start.add(op.node, waited);
        service.add(op.node, served);
        for (all, value) in [(&mut from_start_all, waited), (&mut service_all, served)] {
            match value {
                Some(us) => all.add(us),
                None => all.add_censored(),
            }
        }
    }
    requests.from_start = by_node(case, &from_start_all, &from_start);
    requests.service_ms = by_node(case, &service_all, &service);
    requests
}

fn by_node(case: &Case<'_>, overall: &Latencies, split: &Split) -> ByNode {
    let name = |node: &NodeIx| case.history.node_name(*node).to_owned();
    let per_node = split.0.iter().map(|(node, latencies)| (name(node), latencies.distribution())).collect();
    ByNode { overall: overall.distribution(), per_node }
}

pub(crate) fn load(case: &Case<'_>) -> LoadFigures {
    let ops = &case.history.ops;
    let mut lateness = Latencies::new();
    let late_us = LATE_MS * 1_000;
    let mut late = 0;
    let reads = &case.history.read_back;
    let starts = ops.iter().map(|op| (op.intended_us, op.sent_us));
    for (intended_us, sent_us) in starts.chain(reads.iter().map(|read| (read.intended_us, read.sent_us))) {
        let late_by = sent_us.saturating_sub(intended_us);
        lateness.add(late_by);
        late += u64::from(late_by > late_us);
    }
    let (mut served, mut acknowledged) = (0_u64, 0_u64);
    for op in ops {
        served += u64::from(op.is_served());
        acknowledged += u64::from(op.outcome() == Outcome::Ok);
    }
    served += reads.iter().filter(|read| read.is_answered()).count() as u64;
    let started = (ops.len() + reads.len()) as u64;
    let ended = ops.iter().map(|op| op.end.is_some()).chain(reads.iter().map(|read| read.end.is_some()));
    let offered = case.plan.offered().unwrap_or(started);
    let per_s = |count: u64| rounded(count as f64 * 1_000.0 / case.plan.load.duration_ms.max(1) as f64);
    LoadFigures {
        closed: case.plan.load.is_closed(),
        offered,
        offered_per_s: per_s(offered),
        sent_per_s: per_s(started),
        acknowledged_per_s: per_s(acknowledged),
        started,
        completed: ended.filter(|ended| *ended).count() as u64,
        unstarted: case.history.unstarted.len() as u64,
        late,
        late_start_p99_ms: lateness.at_ms(0.99),
        served_per_s: per_s(served),
    }
}
