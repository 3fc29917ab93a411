//! What a case is given: handles for nodes, faults of their ways, and a look behind the ports.

use bytes::Bytes;
use clap::Parser as _;
use node::cli::Cli;
use node::memory::Operation;
use node::order::{Amount, CustomerId, MessageId, NewOrder, NodeId, OrderId, PlacedOrder};
use node::ports::{Acceptance, Accepted, ApplyItem, Bus, ItemKind, Link, RowKey, Store};
use node::settings::Settings;

/// Settings of every case; those of a case come behind them. Patience is long, so that a busy machine is not taken for a
/// cut way.
const SETTINGS: [&str; 14] = [
    "node",
    "--lease=1s",
    "--ack-wait=1s",
    "--identity-lease=1s",
    "--redis-timeout=3s",
    "--publish-timeout=3s",
    "--probe-timeout=3s",
    "--probe-interval=100ms",
    "--recover-interval=50ms",
    "--sweep-interval=50ms",
    "--subject-prefix=conformance",
    "--key-prefix=conformance",
    "--stream=conformance",
    "--node-id=unused",
];

/// Settings from flags; of two of one name the later one counts.
pub(crate) fn settings(flags: &[String]) -> Settings {
    let mut kept: Vec<String> = Vec::new();
    for flag in SETTINGS.iter().map(|flag| (*flag).to_owned()).chain(flags.iter().cloned()) {
        let name = flag.split('=').next().unwrap_or_default().to_owned();
        kept.retain(|known| known.split('=').next() != Some(name.as_str()));
        kept.push(flag);
    }
    Cli::try_parse_from(kept).expect("flags of the node").settings
}

/// One way to the store or the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    Store,
    Bus,
}

/// Services, and nodes' ways to them.
pub(crate) trait World: Sized + Send + Sync + 'static {
    type Store: Store;
    type Bus: Bus;

    async fn new() -> Self;
    /// Settings of a node, with the names of this world.
    fn settings(&self, node: &str, flags: &[&str]) -> Settings;
    /// A handle whose link is up. Its way is this node's until the next handle is opened.
    async fn store(&self, node: &str, flags: &[&str]) -> Self::Store;
    async fn bus(&self, node: &str, flags: &[&str]) -> Self::Bus;

    fn cut(&self, node: &str, way: Way);
    fn mend(&self, node: &str, way: Way);
    /// Runs a command whose answer does not come, although it takes effect; the link is up again afterwards.
    async fn losing_answer<T>(
        &self,
        node: &str,
        way: Way,
        link: Link,
        operation: Operation,
        command: impl Future<Output = T>,
    ) -> T;
    /// Runs acknowledgements that do not arrive; the link is up again afterwards, maybe under another epoch.
    async fn losing_acks<T>(&self, node: &str, link: Link, count: usize, acks: impl Future<Output = T>) -> T;

    /// Ids in the outbox' index.
    async fn index(&self) -> Vec<String>;
    /// Failed attempts and the last error of a row.
    async fn row(&self, id: &MessageId) -> Option<(u64, String)>;
    /// Last errors of dead rows by message id.
    async fn dead(&self) -> Vec<(String, String)>;
    async fn unindex(&self, id: &MessageId);
    async fn index_without_row(&self, id: &MessageId);
    /// Does the record exist, and will it end?
    async fn record(&self, id: &OrderId) -> Option<bool>;
    async fn is_marked(&self, node: &str, id: &MessageId) -> bool;
    /// Stream identity and sequence, with a slash between, to note.
    async fn parked(&self, node: &str) -> Vec<(String, String)>;
    /// How many ranges are settled above a gap.
    async fn ahead(&self, node: &str) -> u64;
    async fn set_total(&self, node: &str, customer: &CustomerId, minor: u64);
    async fn forget_projection(&self, node: &str);

    async fn publish(&self, subject: &str, id: Option<&str>, payload: &[u8]);
    async fn purge(&self);
    async fn purge_before(&self, sequence: u64);
    async fn delete_message(&self, sequence: u64);
    async fn delete_stream(&self);
    async fn delete_consumer(&self, node: &str);
    /// Message ids of the whole stream, in their order.
    async fn stream_ids(&self) -> Vec<String>;
}

pub(crate) fn node(id: &str) -> NodeId {
    NodeId::new(id).expect("a node id")
}

pub(crate) fn order_id(id: &str) -> OrderId {
    OrderId::new(id).expect("an order id")
}

pub(crate) fn customer(id: &str) -> CustomerId {
    CustomerId::new(id).expect("a customer id")
}

/// An order as `by` would place it; message ids follow from the order id and `by`.
pub(crate) fn placed(id: &str, by: &str, minor: u64) -> PlacedOrder {
    PlacedOrder {
        order: NewOrder {
            order_id: order_id(id),
            customer_id: customer("customer-1"),
            amount: Amount::from_minor(minor).expect("an amount"),
        },
        message_id: MessageId::new(&format!("{id}-by-{by}")).expect("a message id"),
        accepted_by: node(by),
        accepted_at: jiff::Timestamp::from_second(1_790_000_000).expect("a time"),
    }
}

pub(crate) async fn accept(store: &impl Store, placed: &PlacedOrder, token: &str) -> Accepted {
    let payload: Bytes = placed.to_json();
    store.accept(Acceptance { placed, payload: &payload, token }).await.expect("an answer")
}

pub(crate) fn row(placed: &PlacedOrder, token: &str) -> RowKey {
    RowKey { message_id: placed.message_id.clone(), order_id: Some(placed.order.order_id.clone()), token: token.to_owned() }
}

pub(crate) fn item(sequence: u64, placed: &PlacedOrder) -> ApplyItem {
    ApplyItem { sequence, settles_from: sequence, kind: ItemKind::Order { placed: Box::new(placed.clone()), unguarded: false } }
}
