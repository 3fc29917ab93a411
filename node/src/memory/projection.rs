//! One node's own part of the store: projection, ledger, position, inbox and floor.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::settled::Settled;
use crate::order::{CustomerId, MessageId, OrderId, PlacedOrder, Total};
use crate::ports::{AppliedBatch, ApplyItem, Effect, ItemKind, Ledger, Page, Projected};

/// Largest total of a ledger, in minor units: the scripts' numbers are exact up to here.
const LEDGER_LIMIT: u64 = (1 << 53) - 1;
const NO_ORDER: &str = "no order";
const OTHER_CONTENT: &str = "order id was applied with other content";
const AT_LIMIT: &str = "ledger is at its limit";

/// Who holds a node's name.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    pub(super) instance: String,
    pub(super) token: String,
    pub(super) until_ms: i64,
}

/// One node's part.
#[derive(Debug, Clone, Default)]
pub(super) struct Projection {
    pub(super) owner: Option<Owner>,
    pub(super) stream: Option<String>,
    pub(super) settled: Settled,
    orders: HashMap<OrderId, Projected>,
    /// Order ids in the order of application; the first has position 1.
    log: Vec<OrderId>,
    ledgers: HashMap<CustomerId, Ledger>,
    /// Stream identity and sequence to note.
    pub(super) parked: BTreeMap<(String, u64), String>,
    pub(super) inbox: HashMap<MessageId, i64>,
}

impl Projection {
    /// Only who holds the name and the inbox marks, which end by themselves, are kept.
    pub(super) fn forget(&mut self) {
        *self = Self { owner: self.owner.take(), inbox: std::mem::take(&mut self.inbox), ..Self::default() };
    }

    pub(super) fn position(&self) -> u64 {
        self.log.len() as u64
    }

    pub(super) fn order(&self, id: &OrderId) -> Option<&Projected> {
        self.orders.get(id)
    }

    pub(super) fn ledger(&self, id: &CustomerId) -> Option<Ledger> {
        // A total alone, without orders, is damage and no ledger.
        self.ledgers.get(id).copied().filter(|ledger| ledger.orders > 0)
    }

    pub(super) fn set_total(&mut self, id: &CustomerId, minor: u64) {
        self.ledgers.entry(id.clone()).or_insert(Ledger { orders: 0, total: Total(0) }).total = Total(minor);
    }

    pub(super) fn page(&self, after: u64, limit: usize) -> Page {
        let last = self.position();
        let stop = last.min(after.saturating_add(limit as u64));
        let index = |position: u64| usize::try_from(position).unwrap_or(usize::MAX);
        let ids = self.log.get(index(after)..index(stop)).unwrap_or_default();
        let entries = (after + 1..).zip(ids).filter_map(|(position, id)| {
            // The log has the position of this application; the entry has that of the latest.
            self.orders.get(id).map(|entry| Projected { position, ..entry.clone() })
        });
        Page { entries: entries.collect(), end: stop.max(after), last }
    }

    /// Applies a batch of its stream. The message ids that were applied go to `inbox`.
    pub(super) fn apply(&mut self, items: &[ApplyItem], now_us: i64, inbox: &mut BTreeSet<MessageId>) -> AppliedBatch {
        let mut effects = Vec::with_capacity(items.len());
        let mut newly_parked = 0;
        for item in items {
            let (effect, note) = match &item.kind {
                ItemKind::Parked { note } => (Effect::Parked(NO_ORDER), Some(note.clone())),
                ItemKind::Order { placed, unguarded } => self.take(placed, *unguarded, item.sequence, now_us, inbox),
            };
            if let Some(note) = note {
                let key = (self.stream.clone().unwrap_or_default(), item.sequence);
                newly_parked += u64::from(!self.parked.contains_key(&key));
                self.parked.entry(key).or_insert(note);
            }
            self.settled.add(item.settles_from, item.sequence);
            effects.push(effect);
        }
        AppliedBatch { effects, position: self.position(), applied_at_us: now_us, newly_parked }
    }

    /// Takes one order; a note where it is set aside.
    fn take(
        &mut self,
        placed: &PlacedOrder,
        unguarded: bool,
        sequence: u64,
        now_us: i64,
        inbox: &mut BTreeSet<MessageId>,
    ) -> (Effect, Option<String>) {
        let order = &placed.order;
        let set_aside = |why| (Effect::Parked(why), Some(format!("{why}: {} {}", order.order_id, placed.to_compact())));
        let before = self.orders.get(&order.order_id);
        let applied = before.map_or(0, |entry| entry.applied) + 1;
        match before {
            Some(entry) if !unguarded && entry.placed.order == *order => return (Effect::Skipped, None),
            Some(_) if !unguarded => return set_aside(OTHER_CONTENT),
            _ => {}
        }
        let ledger = self.ledgers.get(&order.customer_id).copied().unwrap_or(Ledger { orders: 0, total: Total(0) });
        let total = ledger.total.0.saturating_add(order.amount.minor());
        if total > LEDGER_LIMIT {
            return set_aside(AT_LIMIT);
        }
        self.ledgers.insert(order.customer_id.clone(), Ledger { orders: ledger.orders + 1, total: Total(total) });
        self.log.push(order.order_id.clone());
        let position = self.position();
        let entry = Projected { placed: placed.clone(), sequence, position, applied, applied_at_us: now_us };
        self.orders.insert(order.order_id.clone(), entry);
        inbox.insert(placed.message_id.clone());
        (Effect::Applied { position }, None)
    }
}
