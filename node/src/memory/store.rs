//! The store in memory: what outlives the nodes, and a node's handle to it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use super::expiry::Expiries;
use super::lock;
use super::outbox::{NewRow, Outbox, Record, millis, released};
use super::projection::{Owner, Projection};
use super::settled::Settled;
use super::wire::{Broken, Operation, Wire, Wires};
use crate::order::{CustomerId, MessageId, NodeId, OrderId};
use crate::ports::{
    Acceptance, Accepted, AppliedBatch, ApplyItem, Backlog, Claims, Clock, Failure, Grave, Hold, Ledger, Link, Page, Progress,
    Projected, RowFate, RowKey, Store, StoreError,
};
use crate::settings::{Settings, StoreLimits};

/// What an entry costs beside its text, in bytes: an estimate, as a limit needs it.
const OVERHEAD: u64 = 96;

/// Why the whole store refuses, as the real one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Out of memory: what drains still works.
    Full,
    /// Nothing may be written.
    ReadOnly,
    /// It loads its data: nothing is answered.
    Loading,
}

/// How a command stands to a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    /// Makes room, or is needed for it.
    Drain,
    Write,
}

/// What has a time to live.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Mortal {
    Record(OrderId),
    Inbox(NodeId, MessageId),
}

/// All that the store holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Data {
    pub(super) records: HashMap<OrderId, Record>,
    pub(super) outbox: Outbox,
    pub(super) nodes: HashMap<NodeId, Projection>,
    expiries: Expiries<Mortal>,
    pub(super) bytes: u64,
}

/// The store at one moment, for rolling it back.
#[derive(Debug, Clone)]
pub struct Snapshot(Data);

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) data: Data,
    refusal: Option<Refusal>,
    limit: Option<u64>,
    wires: Wires,
}

/// The store that nodes share; clones are the same store.
#[derive(Debug)]
pub struct SharedStore<C>(Arc<Shared<C>>);

#[derive(Debug)]
struct Shared<C> {
    clock: C,
    state: Mutex<State>,
}

/// One node's handle.
#[derive(Debug)]
pub struct MemoryStore<C> {
    shared: SharedStore<C>,
    wire: Wire,
    pub(super) node: NodeId,
    subject: Arc<str>,
    pub(super) limits: StoreLimits,
}

impl<C> Clone for SharedStore<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Clock> SharedStore<C> {
    /// An empty store that goes by `clock`, and refuses to grow beyond `limit` bytes where that is given.
    pub fn new(clock: C, limit: Option<u64>) -> Self {
        Self(Arc::new(Shared { clock, state: Mutex::new(State { limit, ..State::default() }) }))
    }

    /// A handle for a node; its link is up unless the store is stopped.
    #[must_use]
    pub fn attach(&self, settings: &Settings, node: &NodeId) -> MemoryStore<C> {
        let wire = lock(&self.0.state).wires.add();
        let limits = settings.store_limits();
        MemoryStore { shared: self.clone(), wire, node: node.clone(), subject: settings.subject().into(), limits }
    }

    /// Stops it for all nodes; what it holds stays.
    pub fn stop(&self, why: &str) {
        lock(&self.0.state).wires.set(Some(why));
    }

    /// Starts it again.
    pub fn start(&self) {
        lock(&self.0.state).wires.set(None);
    }

    /// Refuses from now on, or no longer.
    pub fn refuse(&self, refusal: Option<Refusal>) {
        lock(&self.0.state).refusal = refusal;
    }

    /// Forgets everything; no link notices.
    pub fn flush(&self) {
        lock(&self.0.state).data = Data::default();
    }

    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(lock(&self.0.state).data.clone())
    }

    /// Back to a snapshot, as a restart that lost the latest writes: every link begins a new epoch.
    pub fn roll_back(&self, snapshot: &Snapshot) {
        let mut state = lock(&self.0.state);
        state.data = snapshot.0.clone();
        state.wires.renew("the store was restarted");
    }

    /// Runs one command on the state as it is at this moment of the store's clock (µs).
    pub(super) fn with<T>(&self, command: impl FnOnce(&mut State, i64) -> T) -> T {
        let mut state = lock(&self.0.state);
        let now = self.0.clock.now().as_microsecond();
        state.data.expire(now / 1000);
        command(&mut state, now)
    }
}

impl State {
    fn permit(&self, access: Access) -> Result<(), StoreError> {
        let full = self.limit.is_some_and(|limit| self.data.bytes >= limit).then_some(Refusal::Full);
        let text = match (self.refusal.or(full), access) {
            (Some(Refusal::Full), Access::Write) => "OOM command not allowed: the store in memory is full",
            (Some(Refusal::ReadOnly), Access::Write | Access::Drain) => "READONLY the store in memory is read-only",
            (Some(Refusal::Loading), _) => "LOADING the store in memory loads its data",
            _ => return Ok(()),
        };
        Err(StoreError::Refused(text.to_owned()))
    }
}

impl Data {
    fn expire(&mut self, now: i64) {
        while let Some(mortal) = self.expiries.ended(now) {
            match mortal {
                Mortal::Record(id) => {
                    if let Some(record) = self.records.remove(&id) {
                        self.bytes = self.bytes.saturating_sub(cost_of_record(&id, &record));
                    }
                }
                Mortal::Inbox(node, id) => {
                    if self.nodes.get_mut(&node).is_some_and(|node| node.inbox.remove(&id).is_some()) {
                        self.bytes = self.bytes.saturating_sub(cost_of_mark(&id));
                    }
                }
            }
        }
    }

    pub(super) fn node(&mut self, node: &NodeId) -> &mut Projection {
        self.nodes.entry(node.clone()).or_default()
    }

    /// Starts, or starts anew, the time to live of a record.
    pub(super) fn end_record(&mut self, id: &OrderId, at: i64) {
        if let Some(record) = self.records.get_mut(id) {
            let before = record.ends_ms.replace(at);
            self.expiries.set(Mortal::Record(id.clone()), before, at);
        }
    }

    pub(super) fn mark(&mut self, node: &NodeId, id: MessageId, at: i64) {
        let before = self.node(node).inbox.insert(id.clone(), at);
        if before.is_none() {
            self.bytes += cost_of_mark(&id);
        }
        self.expiries.set(Mortal::Inbox(node.clone(), id), before, at);
    }
}

fn cost_of_record(id: &OrderId, record: &Record) -> u64 {
    OVERHEAD + (id.as_str().len() + record.content.len() + record.answer.len()) as u64
}

fn cost_of_row(id: &MessageId, payload: usize) -> u64 {
    2 * OVERHEAD + (3 * id.as_str().len() + payload) as u64
}

fn cost_of_mark(id: &MessageId) -> u64 {
    OVERHEAD + 2 * id.as_str().len() as u64
}

/// A projected order and its place in the log.
fn cost_of_order(item: &ApplyItem) -> u64 {
    let crate::ports::ItemKind::Order { placed, .. } = &item.kind else { return OVERHEAD };
    let order = &placed.order;
    2 * OVERHEAD
        + (3 * order.order_id.as_str().len() + order.customer_id.as_str().len() + placed.message_id.as_str().len()) as u64
}

impl<C: Clock> MemoryStore<C> {
    /// The wire that this handle speaks over.
    #[must_use]
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Sends one command over the wire; it takes effect in one step, at one moment.
    pub(super) async fn run<T>(
        &self,
        operation: Operation,
        access: Access,
        command: impl FnOnce(&mut State, i64) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let clock = &self.shared.0.clock;
        let arrived = self.wire.request(clock, operation).await.map_err(|broken| self.broken(broken))?;
        let answer = self.shared.with(|state, now| state.permit(access).and_then(|()| command(state, now)));
        self.wire.answer(clock, operation, arrived).await.map_err(|broken| self.broken(broken))?;
        answer
    }

    fn broken(&self, broken: Broken) -> StoreError {
        match broken {
            Broken::Unsent(why) => StoreError::Unsent(why),
            Broken::Lost(why) => {
                // A connection whose answers do not come is replaced.
                self.wire.renew("a command got no answer");
                StoreError::Lost(why)
            }
        }
    }

    fn accept_now(&self, state: &mut State, acceptance: &Acceptance<'_>, now: i64) -> Result<Accepted, StoreError> {
        let (placed, order) = (acceptance.placed, acceptance.order());
        if let Some(entry) = state.data.nodes.get(&self.node).and_then(|node| node.order(&order.order_id)) {
            return Ok(Accepted::Applied(Box::new(entry.placed.clone())));
        }
        if let Some(record) = state.data.records.get(&order.order_id) {
            return Ok(Accepted::Recorded { content: record.content.clone(), answer: record.answer.clone() });
        }
        let depth = state.data.outbox.depth();
        if depth >= self.limits.outbox {
            return Ok(Accepted::BacklogFull(depth));
        }
        if state.data.outbox.rows.contains_key(&placed.message_id) {
            return Err(StoreError::Failed("a row has this message id already".to_owned()));
        }
        state.permit(Access::Write)?;
        let record = Record { content: order.canonical(), answer: acceptance.payload.clone(), ends_ms: None };
        let row = NewRow {
            message_id: &placed.message_id,
            payload: acceptance.payload,
            subject: &self.subject,
            owner: self.node.as_str(),
            token: acceptance.token,
            lease: self.limits.lease,
        };
        let data = &mut state.data;
        data.bytes += cost_of_record(&order.order_id, &record) + cost_of_row(&placed.message_id, acceptance.payload.len());
        data.records.insert(order.order_id.clone(), record);
        data.outbox.insert(&row, now / 1000);
        Ok(Accepted::New)
    }

    pub(super) fn apply_now(
        &self,
        state: &mut State,
        stream: &str,
        items: &[ApplyItem],
        now: i64,
    ) -> Result<AppliedBatch, StoreError> {
        let node = state.data.node(&self.node);
        if node.stream.as_deref() != Some(stream) {
            return Err(StoreError::OtherStream);
        }
        let before = node.position();
        let mut inbox = BTreeSet::new();
        let batch = node.apply(items, now, &mut inbox);
        if batch.position > before || batch.newly_parked > 0 {
            state.data.bytes += items.iter().map(cost_of_order).sum::<u64>();
        }
        let ends = now / 1000 + millis(self.limits.inbox_ttl);
        let owner = if planted_in!(self.limits, WrongInbox) { acceptor(items) } else { None };
        for id in inbox {
            state.data.mark(owner.unwrap_or(&self.node), id, ends);
        }
        Ok(batch)
    }
}

/// The node that accepted the first order of a batch.
fn acceptor(items: &[ApplyItem]) -> Option<&NodeId> {
    items.iter().find_map(|item| match &item.kind {
        crate::ports::ItemKind::Order { placed, .. } => Some(&placed.accepted_by),
        crate::ports::ItemKind::Parked { .. } => None,
    })
}

impl<C: Clock> Store for MemoryStore<C> {
    fn link(&self) -> Link {
        self.wire.link()
    }

    async fn accept(&self, acceptance: Acceptance<'_>) -> Result<Accepted, StoreError> {
        self.run(Operation::Accept, Access::Read, |state, now| self.accept_now(state, &acceptance, now)).await
    }

    async fn remove(&self, rows: &[RowKey]) -> Result<Vec<RowFate>, StoreError> {
        self.run(Operation::Remove, Access::Drain, |state, now| {
            let data = &mut state.data;
            let fates = data.outbox.fates(rows.iter());
            let gone = data.outbox.remove(rows, &fates);
            for (id, row) in &gone {
                data.bytes = data.bytes.saturating_sub(cost_of_row(id, row.payload.len()));
            }
            for id in released(rows, &fates) {
                data.end_record(id, now / 1000 + millis(self.limits.record_ttl));
            }
            Ok(fates)
        })
        .await
    }

    async fn postpone(&self, failures: &[Failure]) -> Result<Vec<RowFate>, StoreError> {
        self.run(Operation::Postpone, Access::Drain, |state, now| {
            #[cfg(feature = "planted-bugs")]
            if planted_in!(self.limits, LeaseWithoutFencing) {
                return Ok(state.data.outbox.postpone_unfenced(failures, self.node.as_str(), now / 1000));
            }
            let fates = state.data.outbox.fates(failures.iter().map(|failure| &failure.row));
            state.data.outbox.postpone(failures, &fates, now / 1000);
            Ok(fates)
        })
        .await
    }

    async fn bury(&self, graves: &[Grave]) -> Result<Vec<RowFate>, StoreError> {
        self.run(Operation::Bury, Access::Drain, |state, _| {
            let fates = state.data.outbox.fates(graves.iter().map(|grave| &grave.row));
            state.data.outbox.bury(graves, &fates);
            Ok(fates)
        })
        .await
    }

    async fn claim(&self, token: &str, limit: usize) -> Result<Claims, StoreError> {
        self.run(Operation::Claim, Access::Drain, |state, now| {
            Ok(state.data.outbox.claim(self.node.as_str(), token, self.limits.lease, limit, now / 1000))
        })
        .await
    }

    async fn sweep(&self, cursor: u64) -> Result<(Option<u64>, u64), StoreError> {
        self.run(Operation::Sweep, Access::Drain, |state, now| Ok(state.data.outbox.sweep(cursor, now / 1000))).await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.run(Operation::Read, Access::Read, |state, now| Ok(state.data.outbox.backlog(now / 1000))).await
    }

    async fn apply(&self, stream: &str, items: &[ApplyItem]) -> Result<AppliedBatch, StoreError> {
        #[cfg(feature = "planted-bugs")]
        if planted_in!(self.limits, ApplyInTwoSteps) {
            return self.apply_in_two_steps(stream, items).await;
        }
        self.run(Operation::Apply, Access::Write, |state, now| self.apply_now(state, stream, items, now)).await
    }

    async fn progress(&self) -> Result<Progress, StoreError> {
        self.run(Operation::Read, Access::Read, |state, _| {
            let node = state.data.nodes.get(&self.node);
            Ok(node.map_or_else(Progress::default, |node| Progress {
                stream: node.stream.clone(),
                floor: node.settled.floor,
                position: node.position(),
            }))
        })
        .await
    }

    async fn follow(&self, stream: &str, floor: u64) -> Result<(), StoreError> {
        self.run(Operation::Follow, Access::Write, |state, _| {
            let node = state.data.node(&self.node);
            node.stream = Some(stream.to_owned());
            node.settled = Settled::up_to(floor);
            Ok(())
        })
        .await
    }

    async fn order(&self, id: &OrderId) -> Result<Option<Projected>, StoreError> {
        self.run(Operation::Read, Access::Read, |state, _| {
            Ok(state.data.nodes.get(&self.node).and_then(|node| node.order(id)).cloned())
        })
        .await
    }

    async fn page(&self, after: u64, limit: usize) -> Result<Page, StoreError> {
        self.run(Operation::Read, Access::Read, |state, _| {
            let empty = || Page { end: after, ..Page::default() };
            Ok(state.data.nodes.get(&self.node).map_or_else(empty, |node| node.page(after, limit)))
        })
        .await
    }

    async fn customer(&self, id: &CustomerId) -> Result<Option<Ledger>, StoreError> {
        self.run(Operation::Read, Access::Read, |state, _| Ok(state.data.nodes.get(&self.node).and_then(|node| node.ledger(id))))
            .await
    }

    async fn hold(&self, instance: &str, token: &str) -> Result<Hold, StoreError> {
        self.run(Operation::Hold, Access::Drain, |state, now| {
            let owner = &mut state.data.node(&self.node).owner;
            let now = now / 1000;
            let foreign = match owner {
                Some(held) if held.until_ms >= now && held.token != token => {
                    if held.instance != instance {
                        return Ok(Hold::Theirs(held.instance.clone()));
                    }
                    Some(std::mem::take(&mut held.token))
                }
                _ => None,
            };
            let until_ms = now + millis(self.limits.identity_lease);
            *owner = Some(Owner { instance: instance.to_owned(), token: token.to_owned(), until_ms });
            Ok(foreign.map_or(Hold::Ours, |token| Hold::Replaced { token }))
        })
        .await
    }

    async fn try_write(&self) -> Result<(), StoreError> {
        self.run(Operation::Hold, Access::Write, |_, _| Ok(())).await
    }

    async fn release(&self, token: &str) -> Result<(), StoreError> {
        self.run(Operation::Hold, Access::Drain, |state, _| {
            let owner = &mut state.data.node(&self.node).owner;
            if owner.as_ref().is_some_and(|held| held.token == token) {
                *owner = None;
            }
            Ok(())
        })
        .await
    }
}
