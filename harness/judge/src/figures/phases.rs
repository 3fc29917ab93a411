//! The phases of each fault: before it, during it, after it. What another fault has its hand in belongs to neither side.

use crate::case::Case;

/// In the order of a fault's life.
pub(crate) const NAMES: [&str; 3] = ["before", "during", "after"];

/// One fault's phases on the run's clock, each from a moment until another; empty where there was none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Phases {
    /// Index into the plan's faults.
    pub(crate) fault: usize,
    /// By [`NAMES`]: before from the warm-up, or from the end of the last window of an earlier fault, until the injection call;
    /// during from there until it was proven healed; after from there until the next fault, or the end of the load.
    pub(crate) spans: [(u64, u64); 3],
}

impl Phases {
    /// The phase in which `t_us` lies.
    pub(crate) fn at(&self, t_us: u64) -> Option<usize> {
        self.spans.iter().position(|(from_us, until_us)| (*from_us..*until_us).contains(&t_us))
    }
}

/// Of each fault that was injected.
pub(crate) fn of(case: &Case<'_>) -> Vec<Phases> {
    let warm_us = case.edges.load_start_us + case.plan.load.warm_up_ms * 1_000;
    let end_us = case.edges.load_end_us;
    let injected: Vec<(usize, u64)> =
        case.spans.iter().enumerate().filter_map(|(fault, span)| Some((fault, span.inject_us?))).collect();
    let phases = injected.iter().map(|&(fault, inject_us)| {
        let others = || injected.iter().filter(move |(other, _)| *other != fault);
        let earlier = others().filter(|(_, other_us)| *other_us <= inject_us);
        let calm_us = earlier.map(|(other, _)| case.backlog.windows[*other].map_or(u64::MAX, |window| window.until_us)).max();
        let healed_us = case.spans[fault].healed_us.unwrap_or(end_us).max(inject_us);
        let is_alone = !others().any(|(other, _)| case.spans[*other].holds_within(healed_us, healed_us));
        let next_us = others().map(|(_, other_us)| *other_us).filter(|other_us| *other_us > healed_us).min();
        let after_until_us = if is_alone { next_us.unwrap_or(end_us).min(end_us) } else { healed_us };
        let before = (warm_us.max(calm_us.unwrap_or(0)).min(inject_us), inject_us);
        Phases { fault, spans: [before, (inject_us, healed_us), (healed_us, after_until_us.max(healed_us))] }
    });
    phases.collect()
}
