//! The store: records, outbox, projection, ledger and the node's identity, each changed in atomic steps.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

use super::Link;
use crate::order::{CustomerId, MessageId, NewOrder, OrderId, PlacedOrder, Total};

/// Why the store did not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The command was never handed to a connection: nothing was written.
    #[error("store not reached: {0}")]
    Unsent(String),
    /// The store refused before its first write: nothing was written.
    #[error("store refused: {0}")]
    Refused(String),
    /// The command was sent and no answer came: it may have been executed.
    #[error("no answer from the store: {0}")]
    Lost(String),
    /// The store answered with an error that proves nothing.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The batch belongs to another stream than the one the projection is at.
    #[error("the projection is at another stream")]
    OtherStream,
}

impl StoreError {
    /// Is it proven that nothing was written?
    #[must_use]
    pub fn proves_nothing_written(&self) -> bool {
        matches!(self, Self::Unsent(_) | Self::Refused(_))
    }
}

/// An order about to be accepted.
#[derive(Debug)]
pub struct Acceptance<'a> {
    pub placed: &'a PlacedOrder,
    pub payload: &'a Bytes,
    /// Fences the row for its acceptor.
    pub token: &'a str,
}

/// What accepting found or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// Record, row and index are written.
    New,
    /// The idempotency record: canonical content and the first answer. Nothing written.
    Recorded { content: String, answer: Bytes },
    /// This node has applied the order. Nothing written.
    Applied(Box<PlacedOrder>),
    /// The backlog is at its limit. Nothing written.
    BacklogFull(u64),
}

/// Names a row and fences the change of it.
#[derive(Debug, Clone)]
pub struct RowKey {
    pub message_id: MessageId,
    /// Whose record gets its time to live when the row goes; `None` where the row holds no order.
    pub order_id: Option<OrderId>,
    pub token: String,
}

/// What became of a row that was to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFate {
    Changed,
    /// No such row.
    Missing,
    /// Another token holds it.
    Fenced,
}

/// A row to be tried again later.
#[derive(Debug, Clone)]
pub struct Failure {
    pub row: RowKey,
    pub error: String,
    pub retry_in: Duration,
}

/// A row that can never be published.
#[derive(Debug, Clone)]
pub struct Grave {
    pub row: RowKey,
    pub reason: String,
}

/// A due row under our token.
#[derive(Debug, Clone)]
pub struct ClaimedRow {
    pub message_id: MessageId,
    pub payload: Bytes,
    pub subject: String,
    /// Failed attempts so far.
    pub attempts: u32,
    /// Who held it before.
    pub previous_owner: String,
}

/// What one claim brought.
#[derive(Debug, Default)]
pub struct Claims {
    pub rows: Vec<ClaimedRow>,
    /// Index entries dropped because they had no row.
    pub dropped: u64,
    /// There may be more that is due.
    pub more: bool,
}

/// The size of the outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    pub depth: u64,
    /// Age of the oldest of some rows that are due first; nothing without rows.
    pub oldest_age: Duration,
}

/// One delivery, as the apply step takes it.
#[derive(Debug, Clone)]
pub struct ApplyItem {
    pub sequence: u64,
    /// First sequence that this delivery settles: those between it and `sequence` do not exist.
    pub settles_from: u64,
    pub kind: ItemKind,
}

#[derive(Debug, Clone)]
pub enum ItemKind {
    Order {
        placed: Box<PlacedOrder>,
        /// Only a planted bug sets it: apply without looking whether it was applied.
        unguarded: bool,
    },
    /// No order: to be set aside with a note.
    Parked { note: String },
}

/// What applying one delivery did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Applied {
        position: u64,
    },
    /// It was applied before.
    Skipped,
    /// Set aside: no order, an order id that was applied with other content, or a ledger at its limit.
    Parked(&'static str),
}

#[derive(Debug)]
pub struct AppliedBatch {
    /// One a delivery, in their order.
    pub effects: Vec<Effect>,
    /// The node's position counter afterwards.
    pub position: u64,
    /// When, in microseconds by the store's clock.
    pub applied_at_us: i64,
    /// How many were set aside for the first time.
    pub newly_parked: u64,
}

/// How far this node's projection is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Identity of the stream that it follows.
    pub stream: Option<String>,
    /// All up to here is applied.
    pub floor: u64,
    pub position: u64,
}

/// An order in this node's projection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projected {
    pub placed: PlacedOrder,
    pub sequence: u64,
    pub position: u64,
    pub applied: u64,
    pub applied_at_us: i64,
}

/// A part of the projection in the order of application.
#[derive(Debug, Clone, Default)]
pub struct Page {
    pub entries: Vec<Projected>,
    /// The last position that was looked at.
    pub end: u64,
    /// The position counter at that moment.
    pub last: u64,
}

/// A customer's ledger on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ledger {
    pub orders: u64,
    pub total: Total,
}

/// Who holds a node's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    Ours,
    /// Ours, taken from another process that calls itself the same instance; the token that it had.
    Replaced {
        token: String,
    },
    /// The instance that holds it.
    Theirs(String),
}

/// The store's promises. Every method is one atomic step unless it says otherwise; none retries.
pub trait Store: Send + Sync + 'static {
    /// Is it reachable, and under which epoch?
    fn link(&self) -> Link;

    fn accept(&self, acceptance: Acceptance<'_>) -> impl Future<Output = Result<Accepted, StoreError>> + Send;

    /// Removes published rows that our tokens hold and starts the time to live of their records.
    fn remove(&self, rows: &[RowKey]) -> impl Future<Output = Result<Vec<RowFate>, StoreError>> + Send;
    /// Counts a failed attempt and makes the row due again later.
    fn postpone(&self, failures: &[Failure]) -> impl Future<Output = Result<Vec<RowFate>, StoreError>> + Send;
    /// Moves rows that can never be published to where an operator finds them.
    fn bury(&self, graves: &[Grave]) -> impl Future<Output = Result<Vec<RowFate>, StoreError>> + Send;
    /// Leases up to `limit` due rows under `token`.
    fn claim(&self, token: &str, limit: usize) -> impl Future<Output = Result<Claims, StoreError>> + Send;
    /// One bounded step in the search for rows that lost their index; returns where to go on (`None`: round done)
    /// and how many were indexed again.
    fn sweep(&self, cursor: u64) -> impl Future<Output = Result<(Option<u64>, u64), StoreError>> + Send;
    fn backlog(&self) -> impl Future<Output = Result<Backlog, StoreError>> + Send;

    /// Applies a batch to projection, ledger, position, inbox and floor.
    fn apply(&self, stream: &str, items: &[ApplyItem]) -> impl Future<Output = Result<AppliedBatch, StoreError>> + Send;
    fn progress(&self) -> impl Future<Output = Result<Progress, StoreError>> + Send;
    /// The projection now follows `stream` and has all up to `floor`.
    fn follow(&self, stream: &str, floor: u64) -> impl Future<Output = Result<(), StoreError>> + Send;

    fn order(&self, id: &OrderId) -> impl Future<Output = Result<Option<Projected>, StoreError>> + Send;
    fn page(&self, after: u64, limit: usize) -> impl Future<Output = Result<Page, StoreError>> + Send;
    fn customer(&self, id: &CustomerId) -> impl Future<Output = Result<Option<Ledger>, StoreError>> + Send;

    /// Takes or renews the node's identity for `instance`; `token` tells two processes of one instance apart.
    fn hold(&self, instance: &str, token: &str) -> impl Future<Output = Result<Hold, StoreError>> + Send;
    /// Writes something that means nothing, under the limits that an order is written under.
    fn try_write(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Gives the identity up, if `token` holds it.
    fn release(&self, token: &str) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl Acceptance<'_> {
    #[must_use]
    pub fn order(&self) -> &NewOrder {
        &self.placed.order
    }
}
