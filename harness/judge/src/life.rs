//! The life of one order as the history tells it, stage by stage: the evidence that a finding names.

use crate::case::Case;
use crate::history::{
    Found, MessageSeen, NodeIx, Op, Order, OrderIx, Outcome, ProjectedOrder, PublishedMessage, Row, RowState, StoredRecord, reads,
};
use crate::verdict::{NAMED, OrderLife, Stage, shortened};

/// How long after its last known moment a fault still counts as being over an order: one lease.
const AFTERMATH_US: u64 = 5_000_000;

/// The lives of the first few of `orders`.
pub(crate) fn lives(case: &Case<'_>, orders: impl IntoIterator<Item = OrderIx>) -> Vec<OrderLife> {
    orders.into_iter().take(NAMED).map(|order| life(case, order)).collect()
}

/// All that is known of an order.
pub(crate) fn life(case: &Case<'_>, number: OrderIx) -> OrderLife {
    let order = case.history.order(number);
    let applied = applied_on(order);
    let (stage, reached) = reached(case, order, &applied);
    OrderLife { order_id: order.id().to_owned(), stage, reached, steps: steps(case, order), faults: faults(case, order) }
}

fn applied_on(order: Order<'_>) -> Vec<NodeIx> {
    let projected = order.projected().iter().filter(|entry| entry.applied > 0);
    let mut nodes: Vec<NodeIx> = projected.map(|entry| entry.node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

fn reached(case: &Case<'_>, order: Order<'_>, applied: &[NodeIx]) -> (Stage, String) {
    let history = case.history;
    let lacking: Vec<NodeIx> = case.required.iter().copied().filter(|node| !applied.contains(node)).collect();
    if !applied.is_empty() {
        let lacking = if lacking.is_empty() { String::new() } else { format!(", missing on {}", case.names(&lacking)) };
        return (Stage::Applied, format!("applied on {}{lacking}", case.names(applied)));
    }
    if let Some(seen) = order.seen().first() {
        return (Stage::Applied, format!("seen on {}, in no projection", history.node_name(seen.node)));
    }
    if let Some(message) = order.published().first() {
        return (Stage::Published, format!("published as sequence {}, applied nowhere", message.sequence));
    }
    let never = if history.has_read(reads::STREAM) { "not in the stream" } else { "the stream was not read" };
    if let Some(row) = order.rows().first() {
        return (Stage::Stored, format!("in the outbox ({}), {never}", row_state(row.state)));
    }
    if !order.records().is_empty() {
        let row = if history.has_read(reads::OUTBOX) { "no outbox row is left" } else { "the outbox was not read" };
        return (Stage::Stored, format!("recorded as accepted, {row}, {never}"));
    }
    let ops = || order.ops().iter();
    let record = if history.has_read(reads::RECORDS) { "no record" } else { "the records were not read" };
    if let Some(op) = ops().find(|op| op.outcome() == Outcome::Ok) {
        let node = history.node_name(op.node);
        return (Stage::Answered, format!("answered {} by {node}, {record}, {never}", status(op)));
    }
    if let Some(op) = ops().find(|op| op.status().is_some()) {
        return (Stage::Answered, format!("answered {} by {}", status(op), history.node_name(op.node)));
    }
    if order.ops().is_empty() {
        return (Stage::Intended, "never attempted".to_owned());
    }
    (Stage::Sent, format!("sent, no answer, {record}, {never}"))
}

fn steps(case: &Case<'_>, order: Order<'_>) -> Vec<String> {
    let history = case.history;
    let record = |record: &StoredRecord| {
        let content = content(history.text(record.customer_id), record.amount_minor);
        format!("record: message {}, {content}", history.text(record.message_id))
    };
    let row = |row: &Row| {
        let error = row.last_error.as_deref().map(|error| format!(", last error: {error}")).unwrap_or_default();
        format!("outbox row {}: {}{error}", row.message_id, row_state(row.state))
    };
    let message = |message: &PublishedMessage| {
        let answer = history.answer(message.answer);
        let content = content(history.text(answer.customer_id), answer.amount_minor);
        let (id, stored_at) = (history.text(message.message_id), history.wall(message.stored_at));
        format!("published: sequence {}, message {id}, {content}, stored {stored_at}", message.sequence)
    };
    let sight = |seen: &MessageSeen| {
        let node = history.node_name(seen.node);
        format!("{} seen on {node} at position {}", at(case, seen.t_us), seen.position)
    };
    let entry = |entry: &ProjectedOrder| {
        let node = history.node_name(entry.node);
        let content = content(history.text(entry.customer_id), entry.amount_minor);
        format!("{node} holds it at position {}, applied {} times, {content}", entry.position, entry.applied)
    };
    let mut steps = first(order.ops(), "operations", |op| op_step(case, op));
    steps.extend(first(order.records(), "records", record));
    steps.extend(first(order.rows(), "outbox rows", row));
    steps.extend(first(order.published(), "messages", message));
    steps.extend(first(order.seen(), "sights", sight));
    steps.extend(first(order.projected(), "entries of projections", entry));
    steps
}

/// The first few, and how many more there are: a hot order may have a hundred thousand.
fn first<T>(found: Found<'_, T>, what: &str, told: impl Fn(&T) -> String) -> Vec<String> {
    let more = found.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("and {more} more {what}"));
    found.iter().take(NAMED).map(|step| shortened(told(step))).chain(more).collect()
}

fn op_step(case: &Case<'_>, op: &Op) -> String {
    let history = case.history;
    let node = history.node_name(op.node);
    let content = content(history.text(op.customer_id), Some(op.amount_minor));
    let end = match &op.end {
        None => "no end recorded".to_owned(),
        Some(end) => {
            let error = end.error.map(|error| format!(" ({})", history.text(error))).unwrap_or_default();
            let replayed = if end.replayed { ", replayed" } else { "" };
            let message = end.answer.map(|answer| history.text(history.answer(answer).message_id));
            let message = message.map(|id| format!(", message {id}")).unwrap_or_default();
            format!("{} {}{replayed}{message}{error}", at(case, end.t_us), status(op))
        }
    };
    format!("op {} to {node}, {content}: intended {}, sent {}, {end}", op.number, at(case, op.intended_us), at(case, op.sent_us))
}

/// The faults whose window meets the order's life, from its first intended start to its last known moment.
fn faults(case: &Case<'_>, order: Order<'_>) -> Vec<String> {
    let ops = || order.ops().iter();
    let from_us = ops().map(|op| op.intended_us).min().unwrap_or(0);
    let ended = ops().filter_map(|op| op.end.as_ref()).map(|end| end.t_us).max().unwrap_or(from_us);
    let seen = order.seen().iter().map(|seen| seen.t_us).max().unwrap_or(from_us);
    let until_us = ended.max(seen) + AFTERMATH_US;
    let windows = case.backlog.windows.iter().zip(case.plan.faults.iter().zip(&case.spans));
    windows
        .filter(|(window, _)| window.is_some_and(|window| window.meets(from_us, until_us)))
        .map(|(_, (fault, span))| fault.label_on(&span.services))
        .collect()
}

fn at(case: &Case<'_>, t_us: u64) -> String {
    format!("{:+.3} s", case.edges.ms(t_us) / 1_000.0)
}

fn status(op: &Op) -> String {
    match (op.status(), op.outcome()) {
        (Some(status), _) => status.to_string(),
        (None, Outcome::Ok) => "ok".to_owned(),
        (None, Outcome::Fail) => "failed".to_owned(),
        (None, Outcome::Info) => "no answer".to_owned(),
    }
}

/// A claim's content as people read it.
pub(crate) fn content(customer_id: &str, amount_minor: Option<u64>) -> String {
    let amount = amount_minor.map_or("an inexact amount".to_owned(), money);
    format!("{customer_id} for {amount}")
}

/// Minor units as an amount, e.g. `12.30`.
pub(crate) fn money(minor: u64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

fn row_state(state: RowState) -> &'static str {
    match state {
        RowState::Pending => "pending",
        RowState::Unindexed => "a row without an index entry",
        RowState::IndexOnly => "an index entry without a row",
        RowState::Dead => "dead",
    }
}
