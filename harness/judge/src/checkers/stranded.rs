//! Stranded: with every service verified healthy, the cluster still did not become quiescent by the deadline, and
//! something of this run was not settled. Where something was not healthy, or all that is left is other people's, it
//! cannot be told.

use super::Desk;
use crate::case::{Case, Claim, Class};
use crate::fate;
use crate::history::{NodeIx, OrderIx, Row, RowState};
use crate::life::lives;
use crate::numbers::many;
use crate::verdict::{Evidence, Finding};

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "stranded";
    let history = desk.case.history;
    let Some(quiescence) = &history.quiescence else {
        return Finding::unknown(NAME, "the run did not get as far as waiting for quiescence");
    };
    if quiescence.reached {
        return Finding::valid(NAME, format!("quiescent after {} ms", quiescence.waited_ms));
    }
    let last_seen = vec![format!("last seen: {}", quiescence.last_seen)];
    let rows: Vec<&Row> = history.rows.iter().filter(|row| is_waiting(row)).collect();
    let row_lines: Evidence = rows.iter().map(|row| row_line(row)).collect();
    if !quiescence.healthy {
        let summary = format!("not quiescent after {} ms, and not everything was healthy", quiescence.waited_ms);
        return Finding::unknown(NAME, summary).counting(rows.len()).with(last_seen).with(row_lines);
    }
    let unapplied: Vec<(OrderIx, Vec<NodeIx>)> =
        desk.case.claims.iter().filter_map(|claim| unapplied(desk.case, claim)).collect();
    // A row that does not tell its order may be anybody's.
    let own_rows = rows.iter().filter(|row| row.order_id.is_some()).count();
    let waited = format!("not quiescent {} ms after everything was healthy", quiescence.waited_ms);
    if own_rows == 0 && unapplied.is_empty() {
        let summary = format!("{waited}, though all that this run left is settled: {}", quiescence.last_seen);
        return Finding::unknown(NAME, summary).counting(rows.len()).with(last_seen).with(row_lines);
    }
    let missing_lines: Evidence = unapplied
        .iter()
        .map(|(order, nodes)| format!("{} is not applied on {}", history.order_id(*order), desk.case.names(nodes)))
        .collect();
    let summary = format!(
        "{waited}: {} left in the outbox, {} not applied everywhere",
        many(own_rows, "row"),
        many(unapplied.len(), "order")
    );
    Finding::invalid(NAME, summary)
        .counting(own_rows.max(unapplied.len()))
        .with(last_seen)
        .with(row_lines)
        .with(missing_lines)
        .with_orders(lives(desk.case, unapplied.into_iter().map(|(order, _)| order)))
}

/// A dead row waits for nothing, and an index entry alone for no order.
fn is_waiting(row: &Row) -> bool {
    matches!(row.state, RowState::Pending | RowState::Unindexed)
}

fn row_line(row: &Row) -> String {
    let order = row.order_id.as_deref().unwrap_or("an order that it does not tell");
    let error = row.last_error.as_deref().map(|error| format!(", last error: {error}")).unwrap_or_default();
    format!("outbox row {} of {order}{error}", row.message_id)
}

/// The required nodes that were read and lack a claim that took effect.
fn unapplied(case: &Case<'_>, claim: &Claim) -> Option<(OrderIx, Vec<NodeIx>)> {
    let took_effect = match claim.class {
        Class::Acknowledged => true,
        Class::Indeterminate => fate::has_own_trace(case, claim),
        Class::Failed => false,
    };
    let lacks = |node: &NodeIx| case.has_projection(*node) && !case.is_applied(claim, *node);
    let nodes: Vec<NodeIx> = case.required.iter().copied().filter(lacks).collect();
    (took_effect && !nodes.is_empty()).then_some((claim.order, nodes))
}
