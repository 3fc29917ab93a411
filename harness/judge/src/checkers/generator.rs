//! Generator: the load was what the plan says. Beyond a share of late or missing starts the generator, not the cluster,
//! was the limit, and the figures are worth nothing.

use super::Desk;
use crate::verdict::Finding;

/// An operation sent later than this after its intended start is late.
pub const LATE_MS: u64 = 100;

/// The share of the schedule that may be late, unstarted or missing.
pub const LATE_SHARE_MAX: f64 = 0.01;

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "generator";
    let load = &desk.figures.load;
    if load.offered == 0 || load.started == 0 {
        return Finding::unknown(NAME, "no operation was started");
    }
    if load.closed {
        return Finding::valid(NAME, "the closed model has no schedule: each client went on when it had its answer");
    }
    let missing = load.offered.saturating_sub(load.started + load.unstarted);
    let bad = load.late + load.unstarted + missing;
    let share = bad as f64 / load.offered as f64;
    let evidence = vec![
        format!("{} operations offered, {} started", load.offered, load.started),
        format!("{} sent more than {LATE_MS} ms late, {} never begun, {missing} missing", load.late, load.unstarted),
    ];
    if share > LATE_SHARE_MAX {
        let summary = format!(
            "the generator, not the cluster, was the limit: {:.1} % of the schedule was late or not begun",
            share * 100.0
        );
        return Finding::unknown(NAME, summary).counting(usize::try_from(bad).unwrap_or(usize::MAX)).with(evidence);
    }
    Finding::valid(NAME, format!("{:.2} % of the schedule was late or not begun", share * 100.0)).with(evidence)
}
