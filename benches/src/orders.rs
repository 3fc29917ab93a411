//! Orders, and a node's core on services in memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::Parser as _;
use jiff::Timestamp;
use node::cli::Cli;
use node::core::{Behaviours, Core, PlaceOrder, RelayInbox, behaviours};
use node::mediator::Mediator;
use node::memory::{MemoryPorts, MemoryServices, MemoryStore};
use node::order::{Amount, CustomerId, MessageId, NewOrder, NodeId, OrderId, PlacedOrder};
use node::ports::{ApplyItem, ItemKind, Projected};
use node::state::Phase;
use node::system::{OsRng, SystemClock};

/// A body as clients send it.
pub const BODY: &[u8] = br#"{"orderId": "order-001", "customerId": "customer-123", "amount": 99.99}"#;

type Ports = MemoryPorts<SystemClock, OsRng>;

/// A core that serves, behind the node's own pipeline.
pub struct Bench {
    pub mediator: Mediator<Arc<Core<Ports>>, Behaviours>,
    /// Nobody publishes what is accepted: its row stays.
    _relay: RelayInbox,
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bench").finish_non_exhaustive()
    }
}

fn services() -> (MemoryServices<SystemClock>, node::settings::Settings, NodeId) {
    let services = MemoryServices::new(SystemClock::default(), None);
    let settings = Cli::parse_from(["node", "--outbox-limit", "1000000000"]).settings;
    (services, settings, NodeId::new("bench").expect("a node id"))
}

impl Bench {
    /// One with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        let (services, settings, node) = services();
        let (core, relay, wires) = services.core(node, settings, OsRng);
        // With a bus to publish to, an order would wait for a place in the relay that nobody empties.
        wires.bus.cut("nothing is published here");
        core.life.enter(Phase::Serving);
        let core = Arc::new(core);
        let behaviours = behaviours(&core.metrics, Duration::from_secs(5));
        Self { mediator: Mediator::new(core, behaviours), _relay: relay }
    }
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

/// A store with nothing in it, for applying to.
#[must_use]
pub fn store() -> MemoryStore<SystemClock> {
    let (services, settings, node) = services();
    services.attach(&settings, &node).store
}

fn new_order(number: u64) -> NewOrder {
    NewOrder {
        order_id: OrderId::new(&format!("order-{number:09}")).expect("an order id"),
        customer_id: CustomerId::new(&format!("customer-{:03}", number % 997)).expect("a customer id"),
        amount: Amount::from_minor(100 + number % 100_000).expect("an amount"),
    }
}

/// The request for one of many orders.
#[must_use]
pub fn place(number: u64) -> PlaceOrder {
    new_order(number).into()
}

/// One of many orders, accepted.
#[must_use]
pub fn placed(number: u64) -> PlacedOrder {
    PlacedOrder {
        order: new_order(number),
        message_id: MessageId::from_random(number.wrapping_mul(0x9e37_79b9_7f4a_7c15), !number),
        accepted_by: NodeId::new("cluster-node-1").expect("a node id"),
        accepted_at: Timestamp::from_microsecond(1_764_000_000_123_456).expect("a time"),
    }
}

/// The same in a projection.
#[must_use]
pub fn projected(number: u64) -> Projected {
    Projected { placed: placed(number), sequence: number, position: number, applied: 1, applied_at_us: 1_764_000_000_125_000 }
}

/// Payloads as they are delivered, from `first` on.
#[must_use]
pub fn payloads(first: u64, count: u64) -> Vec<(u64, Bytes)> {
    (first..first + count).map(|number| (number, placed(number).to_json())).collect()
}

/// The deliveries as the apply step takes them.
#[must_use]
pub fn items(payloads: &[(u64, Bytes)]) -> Vec<ApplyItem> {
    let item = |(sequence, payload): &(u64, Bytes)| {
        let placed = Box::new(PlacedOrder::from_json(payload).expect("an order"));
        ApplyItem { sequence: *sequence, settles_from: *sequence, kind: ItemKind::Order { placed, unguarded: false } }
    };
    payloads.iter().map(item).collect()
}
