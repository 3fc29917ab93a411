//! A history of one order alone, with some of its operations: what the checkers say of it is this order's doing.

use crate::history::{History, Order};

/// Everything that concerns other orders is left out, and so are operations that `keep` refuses by their number.
pub(super) fn alone(history: &History, order: usize, keep: impl Fn(u64) -> bool) -> History {
    let of = &history.orders[order];
    let mut part = History {
        header: history.header.clone(),
        nodes: history.nodes.clone(),
        phases: history.phases.clone(),
        orders: vec![Order { id: of.id.clone(), ..Order::default() }],
        faults: history.faults.clone(),
        feeds: history.feeds.clone(),
        quiescence: history.quiescence.clone(),
        reads: history.reads.clone(),
        end_us: history.end_us,
        last_us: history.last_us,
        ..History::empty(history.header.clone())
    };
    let alone = &mut part.orders[0];
    for op in of.ops.iter().map(|at| &history.ops[*at]).filter(|op| keep(op.number)) {
        alone.ops.push(part.ops.len());
        part.ops.push(crate::history::Op { order: 0, ..op.clone() });
    }
    for message in of.published.iter().map(|at| &history.published[*at]) {
        alone.published.push(part.published.len());
        part.published.push(crate::history::PublishedMessage { order: 0, ..message.clone() });
    }
    for seen in of.seen.iter().map(|at| &history.seen[*at]) {
        alone.seen.push(part.seen.len());
        part.seen.push(crate::history::MessageSeen { order: 0, ..seen.clone() });
    }
    for held in of.projected.iter().map(|at| &history.projected[*at]) {
        alone.projected.push(part.projected.len());
        part.projected.push(crate::history::ProjectedOrder { order: 0, ..held.clone() });
    }
    for record in of.records.iter().map(|at| &history.records[*at]) {
        alone.records.push(part.records.len());
        part.records.push(crate::history::StoredRecord { order: 0, ..record.clone() });
    }
    for row in of.rows.iter().map(|at| &history.rows[*at]) {
        alone.rows.push(part.rows.len());
        part.rows.push(row.clone());
    }
    let confirms = history.confirms.iter().filter(|confirm| confirm.order == order);
    part.confirms = confirms.map(|confirm| crate::history::Confirmation { order: 0, ..confirm.clone() }).collect();
    part
}
