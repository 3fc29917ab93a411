//! Which share of the operations was served: over all, and for each node in each phase of the faults.

use std::collections::BTreeMap;

use crate::case::Case;
use crate::history::{Op, Step};
use crate::numbers::rounded;
use crate::report::PhaseFigures;
use crate::timeline::FaultSpan;

/// The phase behind the last fault.
pub(crate) const AFTER: &str = "recovered";
/// Where several faults are in different phases, the one that comes first here is told.
const IN_FORCE: [&str; 3] = ["active", "inject", "heal"];
const BEFORE: &str = "before";
/// In the order of a fault's life.
const PHASES: [&str; 5] = [BEFORE, "inject", "active", "heal", AFTER];
/// The name under which all nodes stand together.
const ALL: &str = "all";

/// Over operations to nodes that no fault held at any moment of them, and over all.
pub(crate) fn measure(case: &Case<'_>) -> (Option<f64>, Option<f64>) {
    let (mut free, mut free_served, mut all_served) = (0_u64, 0_u64, 0_u64);
    for op in &case.history.ops {
        let served = u64::from(op.is_served());
        all_served += served;
        if !is_held(case, op) {
            free += 1;
            free_served += served;
        }
    }
    (share(free_served, free), share(all_served, case.history.ops.len() as u64))
}

fn is_held(case: &Case<'_>, op: &Op) -> bool {
    let node = case.history.node_name(op.node);
    let until_us = op.end.as_ref().map_or(case.edges.end_us, |end| end.t_us);
    case.spans.iter().any(|span| span.holds(node, op.intended_us, until_us))
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| rounded(part as f64 / whole as f64))
}

/// By node, and for all together: how much was served in each phase that there was. An operation belongs to the phase of its
/// intended start; a gap counts in each phase as far as it lies in it.
pub(crate) fn by_phase(case: &Case<'_>) -> BTreeMap<String, Vec<PhaseFigures>> {
    let segments = segments(case);
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for op in &case.history.ops {
        let phase = phase_at(&segments, op.intended_us);
        for name in [ALL, case.history.node_name(op.node)] {
            tallies.entry(name).or_default().add(phase, op);
        }
    }
    tallies.into_iter().map(|(name, tally)| (name.to_owned(), tally.figures(case, &segments))).collect()
}

/// From here on, until the next one, this phase is in force.
#[derive(Debug, Clone, Copy)]
struct Segment {
    from_us: u64,
    phase: &'static str,
}

/// In order of time, neighbours in different phases.
fn segments(case: &Case<'_>) -> Vec<Segment> {
    let stages: Vec<[u64; 4]> = case.spans.iter().enumerate().filter_map(|(number, span)| stages(case, number, span)).collect();
    let mut edges: Vec<u64> = stages.iter().flatten().copied().collect();
    edges.push(0);
    edges.sort_unstable();
    edges.dedup();
    let first_us = stages.iter().map(|stages| stages[0]).min();
    let mut segments: Vec<Segment> =
        edges.into_iter().map(|from_us| Segment { from_us, phase: phase(&stages, first_us, from_us) }).collect();
    segments.dedup_by_key(|segment| segment.phase);
    segments
}

/// When a fault was called, proven, called back, and proven to be gone.
fn stages(case: &Case<'_>, number: usize, span: &FaultSpan) -> Option<[u64; 4]> {
    let inject_us = span.inject_us?;
    let last = |wanted: Step| {
        let steps = case.history.faults.iter().filter(|step| step.fault == number && step.step == wanted);
        steps.map(|step| step.t_us).max()
    };
    let active_us = last(Step::EffectVerified).or_else(|| last(Step::Injected)).unwrap_or(inject_us).max(inject_us);
    let heal_us = span.heal_us.unwrap_or(u64::MAX).max(active_us);
    Some([inject_us, active_us, heal_us, span.healed_us.unwrap_or(u64::MAX).max(heal_us)])
}

fn phase(stages: &[[u64; 4]], first_us: Option<u64>, at_us: u64) -> &'static str {
    let of_fault = |[inject, active, heal, healed]: &[u64; 4]| {
        let phases = [("inject", *inject, *active), ("active", *active, *heal), ("heal", *heal, *healed)];
        phases.into_iter().find(|(_, from_us, until_us)| (*from_us..*until_us).contains(&at_us)).map(|(phase, ..)| phase)
    };
    let in_force: Vec<&str> = stages.iter().filter_map(of_fault).collect();
    let first = IN_FORCE.into_iter().find(|phase| in_force.contains(phase));
    first.unwrap_or(if first_us.is_some_and(|first_us| first_us <= at_us) { AFTER } else { BEFORE })
}

fn phase_at(segments: &[Segment], at_us: u64) -> &'static str {
    let at = segments.partition_point(|segment| segment.from_us <= at_us);
    segments.get(at.saturating_sub(1)).map_or(BEFORE, |segment| segment.phase)
}

#[derive(Debug, Default)]
struct Tally {
    /// By phase: operations, served ones.
    counts: BTreeMap<&'static str, (u64, u64)>,
    /// When a served operation ended.
    served_us: Vec<u64>,
}

impl Tally {
    fn add(&mut self, phase: &'static str, op: &Op) {
        let (operations, served) = self.counts.entry(phase).or_default();
        *operations += 1;
        if op.is_served() {
            *served += 1;
            self.served_us.extend(op.end.map(|end| end.t_us));
        }
    }

    fn figures(mut self, case: &Case<'_>, segments: &[Segment]) -> Vec<PhaseFigures> {
        self.served_us.sort_unstable();
        let gaps = gaps(&self.served_us, (case.edges.load_start_us, case.edges.load_end_us), segments);
        PHASES
            .into_iter()
            .filter_map(|phase| {
                let (operations, served) = *self.counts.get(phase)?;
                let longest_gap_ms = gaps.get(phase).copied().unwrap_or(0) as f64 / 1_000.0;
                Some(PhaseFigures {
                    phase: phase.to_owned(),
                    operations,
                    served,
                    share: share(served, operations),
                    longest_gap_ms,
                })
            })
            .collect()
    }
}

/// The longest part of each phase without a served operation, in microseconds; `served_us` is sorted.
fn gaps(served_us: &[u64], (start_us, end_us): (u64, u64), segments: &[Segment]) -> BTreeMap<&'static str, u64> {
    let mut longest: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut at = 0;
    let mut from_us = start_us;
    let moments = served_us.iter().copied().filter(|t_us| (start_us..end_us).contains(t_us)).chain([end_us]);
    for until_us in moments {
        while segments.get(at + 1).is_some_and(|next| next.from_us <= from_us) {
            at += 1;
        }
        // From the segment in which it begins to the one in which it ends.
        for (ahead, segment) in segments.iter().enumerate().skip(at).take_while(|(_, segment)| segment.from_us < until_us) {
            let left_us = segments.get(ahead + 1).map_or(u64::MAX, |next| next.from_us).min(until_us);
            let held = longest.entry(segment.phase).or_default();
            *held = (*held).max(left_us.saturating_sub(segment.from_us.max(from_us)));
        }
        from_us = until_us;
    }
    longest
}
