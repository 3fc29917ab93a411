//! Stray: an index entry without a row, a row without an index entry, a dead row, a parked message; and, once quiescent,
//! any row at all. They are reported, whatever was applied: what they cost is judged as loss.

use super::Desk;
use crate::history::{RowState, reads};
use crate::verdict::Finding;

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "stray";
    let case = desk.case;
    let history = case.history;
    let mut evidence = Vec::new();
    for row in &history.rows {
        let what = match row.state {
            RowState::Pending if case.is_quiescent() => "a row that was left",
            RowState::Pending => continue,
            RowState::Unindexed => "a row without an index entry",
            RowState::IndexOnly => "an index entry without a row",
            RowState::Dead => "a dead row",
        };
        let order = row.order_id.as_deref().unwrap_or("an order that it does not tell");
        let error = row.last_error.as_deref().map(|error| format!(", last error: {error}")).unwrap_or_default();
        evidence.push(format!("{what}: message {} of {order}{error}", row.message_id));
    }
    let rows = evidence.len();
    let mut parked = 0;
    for (node, count) in history.parked.iter().filter(|(_, count)| *count > 0) {
        parked += count;
        evidence.push(format!("{count} parked messages on {}", history.node_name(*node)));
    }
    if !history.has_read(reads::OUTBOX) {
        return Finding::unknown(NAME, "the outbox was not read").with(evidence);
    }
    if evidence.is_empty() {
        return Finding::valid(NAME, "nothing was left over");
    }
    let count = rows + usize::try_from(parked).unwrap_or(usize::MAX);
    Finding::valid(NAME, format!("{rows} outbox rows and {parked} parked messages were left over")).counting(count).with(evidence)
}
