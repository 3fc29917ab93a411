//! Sorts the entries of a history into its index, in the order of the file.

use std::collections::HashMap;

use super::index::{
    Confirmation, FeedChange, LedgerLine, MessageSeen, OpEnd, Order, ProjectedOrder, PublishedMessage, ReadEnd, Reading,
    StoredRecord,
};
use super::read::Torn;
use super::{Complete, Entry, Header, History, Invoke, NodeIx, Op, Projection, Published, Row, Seen, reads};

/// Takes entries one by one.
pub(super) struct Builder {
    history: History,
    /// What every order and customer id of this run begins with.
    prefix: String,
    order_index: HashMap<String, usize>,
    op_index: HashMap<u64, usize>,
    node_index: HashMap<String, NodeIx>,
    /// How many entries each final read has delivered so far.
    found: HashMap<String, u64>,
}

impl Builder {
    pub(super) fn new(header: Header) -> Self {
        let prefix = format!("{}-", header.nonce);
        let history = History::empty(header);
        let node_index = (0..).zip(&history.nodes).map(|(at, name)| (name.clone(), at)).collect();
        Self { history, prefix, order_index: HashMap::new(), op_index: HashMap::new(), node_index, found: HashMap::new() }
    }

    pub(super) fn finish(mut self, torn: Option<Torn>) -> History {
        self.history.torn = torn;
        self.history
    }

    pub(super) fn add(&mut self, entry: Entry) {
        match entry {
            // The reader lets no second header through.
            Entry::Header(_) => {}
            Entry::Phase { t_us, phase } => {
                self.at(t_us);
                self.history.phases.push((t_us, phase));
            }
            Entry::Invoke(invoke) => self.invoke(invoke),
            Entry::Complete(complete) => self.complete(complete),
            Entry::Unstarted { t_us, intended_us, node } => {
                self.at(t_us);
                let node = self.node(&node);
                self.history.unstarted.push((intended_us, node));
            }
            Entry::Fault(step) => {
                self.at(step.t_us);
                self.history.faults.push(step);
            }
            Entry::Quiescence(quiescence) => {
                self.at(quiescence.t_us);
                self.history.quiescence = Some(quiescence);
            }
            Entry::Interrupted { t_us } => {
                self.at(t_us);
                self.history.interrupted_us = Some(t_us);
            }
            Entry::Aborted { t_us, guard, seen } => {
                self.at(t_us);
                self.history.aborted.get_or_insert((guard, seen));
            }
            Entry::Trouble { t_us, what } => {
                self.at(t_us);
                self.history.troubles.push(what);
            }
            Entry::End { t_us } => {
                self.at(t_us);
                self.history.end_us = Some(t_us);
            }
            other => self.observed(other),
        }
    }

    /// What observers wrote.
    fn observed(&mut self, entry: Entry) {
        match entry {
            Entry::Seen(seen) => self.seen(seen),
            Entry::Feed { t_us, node, state, detail: _ } => {
                self.at(t_us);
                let node = self.node(&node);
                self.history.feeds.push(FeedChange { t_us, node, state });
            }
            Entry::Confirm { t_us, node, order_id, status, applied } => {
                self.at(t_us);
                let node = self.node(&node);
                if let Some(order) = self.order(&order_id) {
                    self.history.confirms.push(Confirmation { t_us, node, order, status, applied });
                }
            }
            Entry::Counters { t_us, node, values } => {
                self.at(t_us);
                let node = self.node(&node);
                self.history.counters.push(Reading { t_us, node, values });
            }
            other => self.finally_read(other),
        }
    }

    /// What final reads wrote.
    fn finally_read(&mut self, entry: Entry) {
        match entry {
            Entry::Projection(projection) => self.projection(projection),
            Entry::Ledger { node, customer_id, orders, total_minor } => {
                self.count(reads::ledger(&node));
                if !customer_id.starts_with(&self.prefix) {
                    self.history.foreign.ledger += 1;
                    return;
                }
                let node = self.node(&node);
                self.history.ledger.push(LedgerLine { node, customer_id, orders, total_minor });
            }
            Entry::Published(published) => self.published(published),
            Entry::Record { order_id, customer_id, amount_minor, message_id } => {
                self.count(reads::RECORDS.to_owned());
                let Some(order) = self.order(&order_id) else {
                    self.history.foreign.records += 1;
                    return;
                };
                self.history.orders[order].records.push(self.history.records.len());
                self.history.records.push(StoredRecord { order, customer_id, amount_minor, message_id });
            }
            Entry::Row(row) => self.row(row),
            Entry::Parked { node, count } => {
                self.count(reads::parked(&node));
                let node = self.node(&node);
                self.history.parked.push((node, count));
            }
            Entry::Log(log) => self.history.logs.push(log),
            Entry::Container(life) => self.history.lives.push(life),
            Entry::FinalRead { t_us, what, entries, error } => {
                self.at(t_us);
                let found = self.found.get(&what).copied().unwrap_or(0);
                self.history.reads.insert(what, ReadEnd { t_us, entries, found, error });
            }
            _ => {}
        }
    }

    fn invoke(&mut self, invoke: Invoke) {
        self.at(invoke.t_us);
        let node = self.node(&invoke.node);
        let Some(order) = self.order(&invoke.order_id) else {
            self.odd(format!("operation {} sent the order id {} of another run", invoke.op, invoke.order_id));
            return;
        };
        let at = self.history.ops.len();
        if self.op_index.insert(invoke.op, at).is_some() {
            self.odd(format!("operation {} was invoked twice", invoke.op));
        }
        self.history.orders[order].ops.push(at);
        self.history.ops.push(Op {
            number: invoke.op,
            node,
            order,
            intended_us: invoke.intended_us,
            sent_us: invoke.t_us,
            customer_id: invoke.customer_id,
            amount_minor: invoke.amount_minor,
            kind: invoke.kind,
            end: None,
        });
    }

    fn complete(&mut self, complete: Complete) {
        self.at(complete.t_us);
        let op = self.op_index.get(&complete.op).and_then(|at| self.history.ops.get_mut(*at));
        let Some(op) = op else {
            self.odd(format!("operation {} ended without being invoked", complete.op));
            return;
        };
        if op.end.is_some() {
            self.odd(format!("operation {} ended twice", complete.op));
            return;
        }
        op.end = Some(OpEnd {
            t_us: complete.t_us,
            outcome: complete.outcome,
            status: complete.status,
            replayed: complete.replayed,
            answer: complete.answer,
            error: complete.error,
        });
    }

    fn seen(&mut self, seen: Seen) {
        self.at(seen.t_us);
        let node = self.node(&seen.node);
        let Some(order) = self.order(&seen.order_id) else {
            self.history.foreign.seen += 1;
            return;
        };
        self.history.orders[order].seen.push(self.history.seen.len());
        self.history.seen.push(MessageSeen {
            t_us: seen.t_us,
            node,
            position: seen.position,
            order,
            message_id: seen.message_id,
            sequence: seen.sequence,
            applied_at: seen.applied_at,
        });
    }

    fn projection(&mut self, projection: Projection) {
        self.count(reads::projection(&projection.node));
        let node = self.node(&projection.node);
        let Some(order) = self.order(&projection.order_id) else {
            self.history.foreign.projected += 1;
            return;
        };
        self.history.orders[order].projected.push(self.history.projected.len());
        self.history.projected.push(ProjectedOrder {
            node,
            position: projection.position,
            order,
            customer_id: projection.customer_id,
            amount_minor: projection.amount_minor,
            message_id: projection.message_id,
            applied: projection.applied,
            applied_at: projection.applied_at,
        });
    }

    fn published(&mut self, published: Published) {
        self.count(reads::STREAM.to_owned());
        let Some(answer) = published.answer else {
            self.history.foreign.unreadable += 1;
            return;
        };
        let Some(order) = self.order(&answer.order_id) else {
            self.history.foreign.published += 1;
            return;
        };
        self.history.orders[order].published.push(self.history.published.len());
        self.history.published.push(PublishedMessage {
            sequence: published.sequence,
            message_id: published.message_id,
            stored_at: published.stored_at,
            order,
            answer,
        });
    }

    fn row(&mut self, row: Row) {
        self.count(reads::OUTBOX.to_owned());
        match row.order_id.as_deref().map(|id| self.order(id)) {
            Some(None) => self.history.foreign.rows += 1,
            Some(Some(order)) => {
                self.history.orders[order].rows.push(self.history.rows.len());
                self.history.rows.push(row);
            }
            None => self.history.rows.push(row),
        }
    }

    /// The order with this id, if the id is of this run.
    fn order(&mut self, id: &str) -> Option<usize> {
        if let Some(order) = self.order_index.get(id) {
            return Some(*order);
        }
        if !id.starts_with(&self.prefix) {
            return None;
        }
        let order = self.history.orders.len();
        self.history.orders.push(Order { id: id.to_owned(), ..Order::default() });
        self.order_index.insert(id.to_owned(), order);
        Some(order)
    }

    fn node(&mut self, name: &str) -> NodeIx {
        if let Some(node) = self.node_index.get(name) {
            return *node;
        }
        let node = NodeIx::try_from(self.history.nodes.len()).unwrap_or(NodeIx::MAX);
        self.history.nodes.push(name.to_owned());
        self.node_index.insert(name.to_owned(), node);
        node
    }

    fn at(&mut self, t_us: u64) {
        self.history.last_us = self.history.last_us.max(t_us);
    }

    fn count(&mut self, what: String) {
        *self.found.entry(what).or_default() += 1;
    }

    fn odd(&mut self, what: String) {
        // A few tell as much as thousands.
        if self.history.oddities.len() < 20 {
            self.history.oddities.push(what);
        }
    }
}
