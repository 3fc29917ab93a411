//! The stream that nodes share, and a node's handle to it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::consumer::{Consumer, Delivered};
use super::lock;
use super::log::{Log, LogSettings, Message};
use super::subscription::MemorySubscription;
use super::wire::{Broken, Operation, Wire, Wires};
use crate::order::{MessageId, NodeId};
use crate::ports::{Bus, BusError, Clock, Link, PublishAck, PublishError, Start, StreamState};
use crate::settings::Settings;
use crate::trace::TraceParent;

/// The stream; clones are the same stream.
#[derive(Debug)]
pub struct SharedStream<C>(Arc<Shared<C>>);

#[derive(Debug)]
struct Shared<C> {
    clock: C,
    state: Mutex<State>,
    /// Counts what may give a waiting subscription something to take.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    log: Option<Log>,
    incarnations: u64,
    wires: Wires,
}

/// One node's handle.
#[derive(Debug)]
pub struct MemoryBus<C> {
    stream: SharedStream<C>,
    wire: Wire,
    consumer: String,
    ack_wait: Duration,
    /// What this node would make the stream with.
    own: LogSettings,
}

impl<C> Clone for SharedStream<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Clock> SharedStream<C> {
    /// A place for a stream that goes by `clock`; the first node that attaches makes it.
    pub fn new(clock: C) -> Self {
        Self(Arc::new(Shared { clock, state: Mutex::default(), changes: watch::channel(0).0 }))
    }

    /// A handle for a node; its link is up unless the stream is stopped.
    #[must_use]
    pub fn attach(&self, settings: &Settings, node: &NodeId) -> MemoryBus<C> {
        let mut state = lock(&self.0.state);
        if state.log.is_none() {
            self.make(&mut state, LogSettings::new(settings));
        }
        let (wire, own) = (state.wires.add(), LogSettings::new(settings));
        MemoryBus { stream: self.clone(), wire, consumer: node.to_string(), ack_wait: settings.ack_wait, own }
    }

    fn make(&self, state: &mut State, settings: LogSettings) {
        state.incarnations += 1;
        // Two may be made within one tick of a clock.
        let identity = format!("{:.6}+{}", self.0.clock.now(), state.incarnations);
        state.log = Some(Log::new(identity, settings));
    }

    /// Stops it for all nodes; what it holds stays.
    pub fn stop(&self, why: &str) {
        lock(&self.0.state).wires.set(Some(why));
    }

    /// Starts it again.
    pub fn start(&self) {
        lock(&self.0.state).wires.set(None);
    }

    /// Deletes the stream with its consumers; the nodes notice and make it anew, under another identity.
    pub fn delete(&self) {
        self.change(|state| {
            if let Some(log) = state.log.take() {
                self.make(state, log.settings);
                state.wires.renew("the stream was made anew");
            }
        });
    }

    /// Deletes a node's consumer.
    pub fn delete_consumer(&self, node: &NodeId) {
        self.change(|state| state.log.as_mut().and_then(|log| log.consumers.remove(node.as_str())));
    }

    /// Removes every message; sequences go on.
    pub fn purge(&self) {
        self.purge_before(u64::MAX);
    }

    /// Removes the messages before a sequence.
    pub fn purge_before(&self, sequence: u64) {
        self.change(|state| state.log.as_mut().map(|log| log.purge(sequence)));
    }

    /// Removes one message; says whether it was there.
    #[must_use]
    pub fn delete_message(&self, sequence: u64) -> bool {
        self.change(|state| state.log.as_mut().is_some_and(|log| log.delete(sequence)))
    }

    /// Publishes as any program could, over no wire.
    pub fn publish(&self, subject: &str, id: Option<&str>, payload: Bytes) -> Result<PublishAck, PublishError> {
        self.publish_within(subject, id, None, payload)
    }

    fn publish_within(
        &self,
        subject: &str,
        id: Option<&str>,
        trace: Option<TraceParent>,
        payload: Bytes,
    ) -> Result<PublishAck, PublishError> {
        let stored_at = self.0.clock.now();
        let message = Message { subject: subject.to_owned(), id: id.map(str::to_owned), trace, payload, stored_at };
        let elapsed = self.0.clock.elapsed();
        self.change(|state| match &mut state.log {
            Some(log) => log.store(message, elapsed),
            None => Err(PublishError::Retry("no stream has the subject".to_owned())),
        })
    }

    pub(super) fn clock(&self) -> &C {
        &self.0.clock
    }

    /// Changes something that subscriptions may wait for.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut lock(&self.0.state));
        self.0.changes.send_modify(|count| *count += 1);
        changed
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&mut Log) -> T) -> Result<T, BusError> {
        lock(&self.0.state).log.as_mut().map(look).ok_or_else(|| BusError::Failed("there is no stream".to_owned()))
    }

    /// Is there something to take, and when is the next redelivery?
    pub(super) fn due(&self, consumer: &str, number: u64) -> Result<(bool, Option<Duration>), BusError> {
        let elapsed = self.0.clock.elapsed();
        self.look(|log| {
            let Log { consumers, messages, .. } = log;
            let consumer = running(consumers.get_mut(consumer), number)?;
            Ok((consumer.is_due(messages, elapsed), consumer.next_redelivery()))
        })?
    }

    pub(super) fn take(&self, consumer: &str, number: u64, limit: usize) -> Result<Vec<(Delivered, Message)>, BusError> {
        let elapsed = self.0.clock.elapsed();
        self.look(|log| {
            let Log { consumers, messages, .. } = log;
            let taken = running(consumers.get_mut(consumer), number)?.take(messages, limit, elapsed);
            Ok(taken.into_iter().filter_map(|taken| Some((taken, messages.get(&taken.sequence)?.clone()))).collect())
        })?
    }

    pub(super) fn ack(&self, consumer: &str, sequence: u64) {
        let acked = self.look(|log| log.consumers.get_mut(consumer).is_some_and(|consumer| consumer.ack(sequence)));
        if matches!(acked, Ok(true)) {
            self.change(|_| ());
        }
    }
}

/// The consumer, if it is the one that the pull began on.
fn running(consumer: Option<&mut Consumer>, number: u64) -> Result<&mut Consumer, BusError> {
    consumer.filter(|consumer| consumer.number == number).ok_or_else(|| BusError::Failed("the consumer is gone".to_owned()))
}

impl<C: Clock> MemoryBus<C> {
    /// The wire that this handle speaks over.
    #[must_use]
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    fn takes(&self, subject: &str) -> bool {
        self.stream.look(|log| log.settings.take(subject)).unwrap_or(true)
    }

    async fn run<T>(&self, operation: Operation, command: impl FnOnce() -> T) -> Result<T, Broken> {
        let arrived = self.wire.request(self.stream.clock(), operation).await?;
        let answer = command();
        self.wire.answer(self.stream.clock(), operation, arrived).await?;
        Ok(answer)
    }

    fn subscribe_now(&self, start: Start) -> Result<u64, BusError> {
        let number = self.stream.look(|log| {
            let from = match start {
                Start::Resume { or_from } => match log.consumers.get(&self.consumer) {
                    Some(consumer) => return consumer.number,
                    None => or_from,
                },
                Start::Rewind { from } => from,
            };
            log.consumers_made += 1;
            let consumer = Consumer::new(log.consumers_made, self.ack_wait, from, log);
            tracing::info!(consumer = %self.consumer, from, "made the consumer");
            log.consumers.insert(self.consumer.clone(), consumer);
            log.consumers_made
        });
        // A pull of the consumer before this one has to see that it ended.
        self.stream.change(|_| ());
        number
    }
}

impl From<Broken> for BusError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Unsent(why) => Self::Down(why),
            Broken::Lost(why) => Self::Failed(why),
        }
    }
}

impl<C: Clock> Bus for MemoryBus<C> {
    type Subscription = MemorySubscription<C>;

    fn link(&self) -> Link {
        self.wire.link()
    }

    async fn publish(
        &self,
        subject: &str,
        id: &MessageId,
        trace: Option<TraceParent>,
        payload: Bytes,
    ) -> Result<PublishAck, PublishError> {
        let publish = || self.stream.publish_within(subject, Some(id.as_str()), trace, payload);
        match self.run(Operation::Publish, publish).await {
            // A subject of this node's own is only not taken yet, by a stream that is set up in another way.
            Ok(Err(PublishError::Retry(why))) if !self.own.take(subject) && !self.takes(subject) => {
                Err(PublishError::ForGood(why))
            }
            Ok(answer) => answer,
            Err(Broken::Unsent(why) | Broken::Lost(why)) => Err(PublishError::Retry(why)),
        }
    }

    #[cfg(feature = "planted-bugs")]
    async fn publish_blindly(&self, subject: &str, id: &MessageId, payload: Bytes) {
        let _ = self.publish(subject, id, None, payload).await;
    }

    async fn message_id_at(&self, sequence: u64) -> Result<Option<String>, BusError> {
        let look = || self.stream.look(|log| log.messages.get(&sequence).and_then(|message| message.id.clone()));
        self.run(Operation::Look, look).await?
    }

    fn duplicate_window(&self) -> Option<Duration> {
        self.wire.link().is_up().then(|| self.stream.look(|log| log.settings.duplicate_window).ok()).flatten()
    }

    async fn state(&self) -> Result<StreamState, BusError> {
        let look = |log: &mut Log| StreamState {
            identity: log.identity.clone(),
            first_sequence: log.first,
            last_sequence: log.last,
            ack_floor: log.consumers.get(&self.consumer).map(Consumer::ack_floor),
            altered: None,
        };
        self.run(Operation::Look, || self.stream.look(look)).await?
    }

    async fn subscribe(&self, start: Start) -> Result<MemorySubscription<C>, BusError> {
        let (link, changes) = (self.wire.link(), self.stream.0.changes.subscribe());
        let epoch = link.epoch();
        let number = self.run(Operation::Subscribe, || self.subscribe_now(start)).await??;
        let (stream, wire, consumer) = (self.stream.clone(), self.wire.clone(), self.consumer.clone());
        Ok(MemorySubscription { stream, wire, link, epoch, consumer, number, changes })
    }

    async fn flush(&self) -> Result<(), BusError> {
        let state = self.wire.link().state();
        if state.up { Ok(()) } else { Err(BusError::Down(state.detail.unwrap_or_default())) }
    }
}
