//! A place where a node stops for ever, between two steps of the protocol: whoever drops the node there has crashed it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use node::order::{CustomerId, MessageId, OrderId};
use node::ports::{
    Acceptance, Accepted, AppliedBatch, ApplyItem, Backlog, Bus, BusError, Claims, Delivery, Failure, Grave, Hold, Ledger, Link,
    Page, Progress, Projected, PublishAck, PublishError, RowFate, RowKey, Start, Store, StoreError, StreamState, Subscription,
};
use node::trace::TraceParent;
use tokio::sync::watch;

use crate::space::DEADLINE;

/// Before which step a node stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Publish,
    Remove,
    Ack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Closed(Step),
    Reached,
}

/// Open until it is closed; a node that reaches it then goes no further.
#[derive(Debug, Clone)]
pub(crate) struct Gate(Arc<watch::Sender<State>>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(watch::channel(State::Open).0))
    }
}

impl Gate {
    pub(crate) fn close(&self, step: Step) {
        self.0.send_replace(State::Closed(step));
    }

    /// Waits until the node stands before the gate.
    pub(crate) async fn reached(&self) {
        let mut states = self.0.subscribe();
        let reached = tokio::time::timeout(DEADLINE, states.wait_for(|state| *state == State::Reached)).await;
        assert!(reached.is_ok(), "the node came to no gate in {DEADLINE:?}: {:?}", self.0.borrow());
    }

    async fn pass(&self, step: Step) {
        let stops = self.0.send_if_modified(|state| {
            let stops = *state == State::Closed(step);
            if stops {
                *state = State::Reached;
            }
            stops
        });
        if stops {
            std::future::pending::<()>().await;
        }
    }
}

/// A store, a bus or a subscription behind a gate.
#[derive(Debug)]
pub(crate) struct Gated<T> {
    pub(crate) inner: T,
    pub(crate) gate: Gate,
}

impl<S: Store> Store for Gated<S> {
    fn link(&self) -> Link {
        self.inner.link()
    }
    async fn accept(&self, acceptance: Acceptance<'_>) -> Result<Accepted, StoreError> {
        self.inner.accept(acceptance).await
    }
    async fn remove(&self, rows: &[RowKey]) -> Result<Vec<RowFate>, StoreError> {
        self.gate.pass(Step::Remove).await;
        self.inner.remove(rows).await
    }
    async fn postpone(&self, failures: &[Failure]) -> Result<Vec<RowFate>, StoreError> {
        self.inner.postpone(failures).await
    }
    async fn bury(&self, graves: &[Grave]) -> Result<Vec<RowFate>, StoreError> {
        self.inner.bury(graves).await
    }
    async fn claim(&self, token: &str, limit: usize) -> Result<Claims, StoreError> {
        self.inner.claim(token, limit).await
    }
    async fn sweep(&self, cursor: u64) -> Result<(Option<u64>, u64), StoreError> {
        self.inner.sweep(cursor).await
    }
    async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.inner.backlog().await
    }
    async fn apply(&self, stream: &str, items: &[ApplyItem]) -> Result<AppliedBatch, StoreError> {
        self.inner.apply(stream, items).await
    }
    async fn progress(&self) -> Result<Progress, StoreError> {
        self.inner.progress().await
    }
    async fn follow(&self, stream: &str, floor: u64) -> Result<(), StoreError> {
        self.inner.follow(stream, floor).await
    }
    async fn order(&self, id: &OrderId) -> Result<Option<Projected>, StoreError> {
        self.inner.order(id).await
    }
    async fn page(&self, after: u64, limit: usize) -> Result<Page, StoreError> {
        self.inner.page(after, limit).await
    }
    async fn customer(&self, id: &CustomerId) -> Result<Option<Ledger>, StoreError> {
        self.inner.customer(id).await
    }
    async fn hold(&self, instance: &str, token: &str) -> Result<Hold, StoreError> {
        self.inner.hold(instance, token).await
    }
    async fn try_write(&self) -> Result<(), StoreError> {
        self.inner.try_write().await
    }
    async fn release(&self, token: &str) -> Result<(), StoreError> {
        self.inner.release(token).await
    }
}

impl<B: Bus> Bus for Gated<B> {
    type Subscription = Gated<B::Subscription>;

    fn link(&self) -> Link {
        self.inner.link()
    }
    async fn publish(
        &self,
        subject: &str,
        id: &MessageId,
        trace: Option<TraceParent>,
        payload: Bytes,
    ) -> Result<PublishAck, PublishError> {
        self.gate.pass(Step::Publish).await;
        self.inner.publish(subject, id, trace, payload).await
    }
    #[cfg(feature = "planted-bugs")]
    async fn publish_blindly(&self, subject: &str, id: &MessageId, payload: Bytes) {
        self.gate.pass(Step::Publish).await;
        self.inner.publish_blindly(subject, id, payload).await;
    }
    async fn message_id_at(&self, sequence: u64) -> Result<Option<String>, BusError> {
        self.inner.message_id_at(sequence).await
    }
    fn duplicate_window(&self) -> Option<Duration> {
        self.inner.duplicate_window()
    }
    async fn state(&self) -> Result<StreamState, BusError> {
        self.inner.state().await
    }
    async fn subscribe(&self, start: Start) -> Result<Self::Subscription, BusError> {
        let inner = self.inner.subscribe(start).await?;
        Ok(Gated { inner, gate: self.gate.clone() })
    }
    async fn flush(&self) -> Result<(), BusError> {
        self.inner.flush().await
    }
}

impl<S: Subscription> Subscription for Gated<S> {
    type Receipt = S::Receipt;

    async fn next(&mut self, limit: usize) -> Result<Vec<Delivery<S::Receipt>>, BusError> {
        self.inner.next(limit).await
    }
    async fn ack(&mut self, receipt: S::Receipt) -> Result<(), BusError> {
        self.gate.pass(Step::Ack).await;
        self.inner.ack(receipt).await
    }
}
