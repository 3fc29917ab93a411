//! One order of a history, with all that the history tells of it.

use std::sync::Arc;

use super::Row;
use super::index::{Confirmation, History, MessageSeen, Op, OrderIx, ProjectedOrder, PublishedMessage, ReadBack, StoredRecord};
use super::lists::{ByOrder, Found};

/// An order id of this run, and where it was met.
#[derive(Debug, Clone, Copy)]
pub struct Order<'h> {
    pub(super) history: &'h History,
    pub number: OrderIx,
}

impl<'h> Order<'h> {
    #[must_use]
    pub fn id(self) -> &'h str {
        self.history.order_id(self.number)
    }

    /// In the order of their invocation.
    #[must_use]
    pub fn ops(self) -> Found<'h, Op> {
        self.history.lists.ops.found(self.number, &self.history.ops)
    }

    /// In the order of their invocation.
    #[must_use]
    pub fn read_back(self) -> Found<'h, ReadBack> {
        self.history.lists.read_back.found(self.number, &self.history.read_back)
    }

    #[must_use]
    pub fn published(self) -> Found<'h, PublishedMessage> {
        self.history.lists.published.found(self.number, &self.history.published)
    }

    #[must_use]
    pub fn seen(self) -> Found<'h, MessageSeen> {
        self.history.lists.seen.found(self.number, &self.history.seen)
    }

    #[must_use]
    pub fn projected(self) -> Found<'h, ProjectedOrder> {
        self.history.lists.projected.found(self.number, &self.history.projected)
    }

    #[must_use]
    pub fn records(self) -> Found<'h, StoredRecord> {
        self.history.lists.records.found(self.number, &self.history.records)
    }

    #[must_use]
    pub fn rows(self) -> Found<'h, Row> {
        self.history.lists.rows.found(self.number, &self.history.rows)
    }

    /// A history of this order alone, without the operations that `keep` refuses by their number: what the checkers say of
    /// it is this order's doing.
    #[must_use]
    pub fn alone(self, keep: impl Fn(u64) -> bool) -> History {
        let whole = self.history;
        let confirms = whole.confirms.iter().filter(|confirm| confirm.order == self.number);
        let mut part = History {
            nodes: whole.nodes.clone(),
            phases: whole.phases.clone(),
            ops: self.ops().iter().filter(|op| keep(op.number)).map(|op| Op { order: 0, ..*op }).collect(),
            // They have no effect, so no other checker's finding depends on them.
            read_back: self.read_back().iter().map(|read| ReadBack { order: 0, ..*read }).collect(),
            published: self.published().iter().map(|message| PublishedMessage { order: 0, ..*message }).collect(),
            seen: self.seen().iter().map(|seen| MessageSeen { order: 0, ..*seen }).collect(),
            projected: self.projected().iter().map(|entry| ProjectedOrder { order: 0, ..*entry }).collect(),
            records: self.records().iter().map(|record| StoredRecord { order: 0, ..*record }).collect(),
            rows: self.rows().iter().cloned().collect(),
            confirms: confirms.map(|confirm| Confirmation { order: 0, ..confirm.clone() }).collect(),
            faults: whole.faults.clone(),
            feeds: whole.feeds.clone(),
            quiescence: whole.quiescence.clone(),
            reads: whole.reads.clone(),
            end_us: whole.end_us,
            last_us: whole.last_us,
            orders: whole.orders.get(self.number as usize).copied().into_iter().collect(),
            texts: Arc::clone(&whole.texts),
            answers: Arc::clone(&whole.answers),
            ..History::empty(whole.header.clone())
        };
        let rows = vec![Some(0); part.rows.len()];
        part.lists = Lists::of(&part, &rows);
        part
    }
}

/// What tells of each order, in the history's lists.
#[derive(Debug, Clone, Default)]
pub(super) struct Lists {
    pub(super) ops: ByOrder,
    pub(super) read_back: ByOrder,
    pub(super) published: ByOrder,
    pub(super) seen: ByOrder,
    pub(super) projected: ByOrder,
    pub(super) records: ByOrder,
    pub(super) rows: ByOrder,
}

impl Lists {
    /// `rows` tells the order of each row of the outbox.
    pub(super) fn of(history: &History, rows: &[Option<OrderIx>]) -> Self {
        let orders = history.orders.len();
        Self {
            ops: ByOrder::of(orders, history.ops.iter().map(|op| Some(op.order))),
            read_back: ByOrder::of(orders, history.read_back.iter().map(|read| Some(read.order))),
            published: ByOrder::of(orders, history.published.iter().map(|message| Some(message.order))),
            seen: ByOrder::of(orders, history.seen.iter().map(|seen| Some(seen.order))),
            projected: ByOrder::of(orders, history.projected.iter().map(|entry| Some(entry.order))),
            records: ByOrder::of(orders, history.records.iter().map(|record| Some(record.order))),
            rows: ByOrder::of(orders, rows.iter().copied()),
        }
    }
}
