//! Which share of the operations was served.

use crate::case::Case;
use crate::history::Op;
use crate::numbers::rounded;

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
