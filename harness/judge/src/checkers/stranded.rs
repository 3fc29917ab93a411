//! Stranded: with every service verified healthy, the cluster still did not become quiescent by the deadline. Where
//! something was not healthy, it cannot be told.

use super::Desk;
use crate::history::RowState;
use crate::verdict::Finding;

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "stranded";
    let history = desk.case.history;
    let Some(quiescence) = &history.quiescence else {
        return Finding::unknown(NAME, "the run did not get as far as waiting for quiescence");
    };
    if quiescence.reached {
        return Finding::valid(NAME, format!("quiescent after {} ms", quiescence.waited_ms));
    }
    let mut evidence = vec![format!("last seen: {}", quiescence.last_seen)];
    let pending: Vec<usize> = (0..history.rows.len()).filter(|at| history.rows[*at].state == RowState::Pending).collect();
    for row in pending.iter().map(|at| &history.rows[*at]) {
        let order = row.order_id.as_deref().unwrap_or("an order that it does not tell");
        let error = row.last_error.as_deref().map(|error| format!(", last error: {error}")).unwrap_or_default();
        evidence.push(format!("outbox row {} of {order}{error}", row.message_id));
    }
    if quiescence.healthy {
        let summary = format!("not quiescent {} ms after everything was healthy", quiescence.waited_ms);
        return Finding::invalid(NAME, summary).counting(pending.len()).with(evidence);
    }
    let summary = format!("not quiescent after {} ms, and not everything was healthy", quiescence.waited_ms);
    Finding::unknown(NAME, summary).counting(pending.len()).with(evidence)
}
