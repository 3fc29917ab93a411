//! How long until each node has seen an order.

use std::collections::BTreeMap;

use super::clock::Clocks;
use super::histogram::Latencies;
use super::latency::ByPhase;
use super::phases::Phases;
use super::series::OverTime;
use crate::case::{Case, Claim, Class};
use crate::fate::Fate;
use crate::history::{FeedState, NodeIx, Outcome};
use crate::report::interval_log::Timings;
use crate::report::{ByNode, Distribution, Propagation};

/// A cut is noticed, and so recorded, only after the feed was silent for a while.
const NOTICED_AFTER_US: u64 = 5_000_000;

/// All propagation figures, and those of the steady state.
pub(crate) struct Measured {
    pub(crate) figures: Propagation,
    pub(crate) steady: Latencies,
    pub(crate) by_phase: ByPhase,
    pub(crate) per_pair: BTreeMap<String, BTreeMap<String, Distribution>>,
}

/// When a claim began and when it was acknowledged, in microseconds.
struct Birth {
    /// The node that it was sent to.
    node: NodeIx,
    intended_us: u64,
    acknowledged_us: Option<u64>,
}

/// When a node saw an order.
enum Sight {
    At(u64),
    /// The feed was cut meanwhile; the node's own clock says no later than this, if it can be placed.
    Cut(Option<u64>),
    Never,
}

/// Measures every claim that took effect. `steady` is the interval of the steady state.
pub(crate) fn measure(
    case: &Case<'_>,
    fates: &[Fate],
    steady: Option<(u64, u64)>,
    phases: &[Phases],
    over_time: &mut OverTime,
    timings: &mut Timings,
) -> Measured {
    let clocks = Clocks::of(case.history);
    let cuts = FeedCuts::of(case);
    let mut figures = Propagation::default();
    let mut by_phase = ByPhase::new(phases);
    let mut pairs: BTreeMap<(NodeIx, NodeIx), Latencies> = BTreeMap::new();
    let (mut from_start, mut from_ack) = (PerNode::new(case), PerNode::new(case));
    let (mut everywhere, mut outside, mut in_steady) = (Latencies::new(), Latencies::new(), Latencies::new());
    for (claim, fate) in case.claims.iter().zip(fates) {
        let took_effect = claim.class == Class::Acknowledged || matches!(fate, Fate::Applied | Fate::Lost(_) | Fate::Excused(..));
        if claim.class == Class::Failed || !took_effect {
            continue;
        }
        let Some(birth) = birth(case, claim) else {
            continue;
        };
        let sights: Vec<(NodeIx, Sight)> =
            case.required.iter().map(|node| (*node, sight(case, claim, *node, &birth, &cuts, &clocks))).collect();
        let last_us = last_sight(case, &sights);
        match last_us {
            Some(last_us) => everywhere.add(last_us.saturating_sub(birth.intended_us)),
            None => everywhere.add_censored(),
        }
        let until_us = last_us.unwrap_or(case.edges.end_us);
        let is_outside = !case.backlog.windows.iter().flatten().any(|window| window.meets(birth.intended_us, until_us));
        let in_baseline = steady.is_some_and(|(from_us, to_us)| from_us <= birth.intended_us && until_us < to_us);
        for (node, sight) in &sights {
            let seen_us = match sight {
                Sight::At(t_us) => *t_us,
                Sight::Cut(placed) => {
                    figures.feed_cut += 1;
                    figures.unplaced += u64::from(placed.is_none());
                    let Some(placed) = placed else { continue };
                    *placed
                }
                Sight::Never => {
                    from_start.censor(*node);
                    by_phase.add(phases, birth.intended_us, None);
                    pairs.entry((birth.node, *node)).or_insert_with(Latencies::new).add_censored();
                    if birth.acknowledged_us.is_some() {
                        from_ack.censor(*node);
                    }
                    if is_outside {
                        outside.add_censored();
                    }
                    continue;
                }
            };
            let took_us = seen_us.saturating_sub(birth.intended_us);
            from_start.add(*node, took_us);
            let timed = timings.timed(*node, birth.intended_us, took_us);
            timings.propagation.extend(timed);
            by_phase.add(phases, birth.intended_us, Some(took_us));
            pairs.entry((birth.node, *node)).or_insert_with(Latencies::new).add(took_us);
            over_time.add(birth.intended_us, took_us);
            if is_outside {
                outside.add(took_us);
            }
            if in_baseline {
                in_steady.add(took_us);
            }
            if let Some(acknowledged_us) = birth.acknowledged_us {
                figures.clamped += u64::from(seen_us < acknowledged_us);
                from_ack.add(*node, seen_us.saturating_sub(acknowledged_us));
            }
        }
    }
    figures.from_start = from_start.figures(case);
    figures.from_ack = from_ack.figures(case);
    figures.everywhere = everywhere.distribution();
    figures.outside_faults = outside.distribution();
    let mut per_pair: BTreeMap<String, BTreeMap<String, Distribution>> = BTreeMap::new();
    for ((from, to), latencies) in &pairs {
        let of_node = per_pair.entry(case.history.node_name(*from).to_owned()).or_default();
        of_node.insert(case.history.node_name(*to).to_owned(), latencies.distribution());
    }
    Measured { figures, steady: in_steady, by_phase, per_pair }
}

/// The operation that took the order in, where an answer tells; else the first that may have.
fn birth(case: &Case<'_>, claim: &Claim) -> Option<Birth> {
    let placed = case.ops(claim).find(|op| op.outcome() == Outcome::Ok && op.end.as_ref().is_some_and(|end| !end.replayed));
    let first = case.ops(claim).filter(|op| op.outcome() != Outcome::Fail).min_by_key(|op| op.intended_us);
    let op = placed.or(first)?;
    let (node, intended_us) = (op.node, op.intended_us);
    let ends = case.ops(claim).filter(|op| op.outcome() == Outcome::Ok).filter_map(|op| op.end.as_ref());
    Some(Birth { node, intended_us, acknowledged_us: ends.map(|end| end.t_us).min() })
}

fn sight(case: &Case<'_>, claim: &Claim, node: NodeIx, birth: &Birth, cuts: &FeedCuts, clocks: &Clocks) -> Sight {
    let history = case.history;
    let seen = history.order(claim.order).seen().iter();
    let first = seen.filter(|seen| seen.node == node).min_by_key(|seen| seen.t_us);
    if let Some(first) = first {
        if !cuts.meet(node, birth.intended_us, first.t_us) {
            return Sight::At(first.t_us);
        }
        return Sight::Cut(clocks.latest_us(history, node, first.applied_at).map(|placed| placed.min(first.t_us)));
    }
    let entry = case.projected(claim.order).find(|entry| entry.node == node && entry.applied > 0);
    let Some(entry) = entry else {
        return Sight::Never;
    };
    let placed = clocks.latest_us(history, node, entry.applied_at);
    let until_us = placed.map_or(case.edges.end_us, |placed| placed.saturating_add(NOTICED_AFTER_US));
    // Only a cut explains a missing sight: a connected feed that showed nothing has not propagated the order.
    if cuts.meet(node, birth.intended_us, until_us) { Sight::Cut(placed) } else { Sight::Never }
}

/// `None` while some node never saw it, or none can say when.
fn last_sight(case: &Case<'_>, sights: &[(NodeIx, Sight)]) -> Option<u64> {
    if !case.missing_nodes.is_empty() {
        return None;
    }
    sights
        .iter()
        .map(|(_, sight)| match sight {
            Sight::At(t_us) => Some(*t_us),
            Sight::Cut(placed) => *placed,
            Sight::Never => None,
        })
        .try_fold(0, |latest, t_us| t_us.map(|t_us| latest.max(t_us)))
}

struct PerNode {
    overall: Latencies,
    nodes: BTreeMap<NodeIx, Latencies>,
}

impl PerNode {
    fn new(case: &Case<'_>) -> Self {
        Self { overall: Latencies::new(), nodes: case.required.iter().map(|node| (*node, Latencies::new())).collect() }
    }

    fn add(&mut self, node: NodeIx, us: u64) {
        self.overall.add(us);
        if let Some(latencies) = self.nodes.get_mut(&node) {
            latencies.add(us);
        }
    }

    fn censor(&mut self, node: NodeIx) {
        self.overall.add_censored();
        if let Some(latencies) = self.nodes.get_mut(&node) {
            latencies.add_censored();
        }
    }

    fn figures(&self, case: &Case<'_>) -> ByNode {
        let name = |node: &NodeIx| case.history.node_name(*node).to_owned();
        let per_node = self.nodes.iter().map(|(node, latencies)| (name(node), latencies.distribution())).collect();
        ByNode { overall: self.overall.distribution(), per_node }
    }
}

/// When each node's feed was cut: sorted intervals.
struct FeedCuts(BTreeMap<NodeIx, Vec<(u64, u64)>>);

impl FeedCuts {
    fn of(case: &Case<'_>) -> Self {
        let mut cuts: BTreeMap<NodeIx, Vec<(u64, u64)>> = BTreeMap::new();
        // A feed is cut from the start until it is first connected.
        let mut lost_since: BTreeMap<NodeIx, Option<u64>> = BTreeMap::new();
        for change in &case.history.feeds {
            let since = lost_since.entry(change.node).or_insert(Some(0));
            match (change.state, *since) {
                (FeedState::Connected, Some(from_us)) => {
                    cuts.entry(change.node).or_default().push((from_us, change.t_us));
                    *since = None;
                }
                (FeedState::Lost | FeedState::Reset { .. }, None) => *since = Some(change.t_us),
                (FeedState::Connected, None) | (FeedState::Lost | FeedState::Reset { .. }, Some(_)) => {}
            }
        }
        for (node, since) in lost_since {
            if let Some(from_us) = since {
                cuts.entry(node).or_default().push((from_us, u64::MAX));
            }
        }
        Self(cuts)
    }

    fn meet(&self, node: NodeIx, from_us: u64, until_us: u64) -> bool {
        let Some(cuts) = self.0.get(&node) else {
            return false;
        };
        let next = cuts.partition_point(|(_, end_us)| *end_us < from_us);
        cuts.get(next).is_some_and(|(start_us, _)| *start_us <= until_us)
    }
}
