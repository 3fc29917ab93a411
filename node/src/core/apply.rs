//! Applying deliveries: in batches, each one atomic step of the store, then acknowledged.

use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tracing::Span;

use super::Core;
use super::events::OrderApplied;
use crate::order::PlacedOrder;
use crate::ports::{
    ApplyItem, Bus, BusError, Clock, Delivery, Effect, ItemKind, Ports, Start, Store, StoreError, StreamState, Subscription,
    backoff, jitter,
};
use crate::state::Phase;
use crate::trace;

/// First and largest pause after a failed session or batch.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Longest note kept of a parked payload, in bytes.
const NOTE_LENGTH: usize = 2000;

/// Why a session of applying ended.
#[derive(Debug, thiserror::Error)]
enum SessionEnd {
    #[error("{0}")]
    Bus(#[from] BusError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("a dependency went away or came back")]
    Epoch,
    #[error("all up to {acknowledged} is acknowledged, and the store has it only up to {floor}")]
    Behind { acknowledged: u64, floor: u64 },
    #[error("{floor} is applied, and all up to {purged} left the stream")]
    Purged { floor: u64, purged: u64 },
    #[error("the consumer was changed: {0}")]
    Altered(String),
}

/// Why this node's consumer is made anew.
enum Anew {
    Behind { acknowledged: u64, floor: u64 },
    Altered { altered: String, floor: u64 },
}

impl<P: Ports> Core<P> {
    /// Applies what the stream delivers, until draining begins.
    pub async fn run_apply(self: Arc<Self>) {
        let mut failures = 0;
        loop {
            let (mut store, mut bus) = (self.store.link(), self.bus.link());
            let epochs = async { Some((store.wait_up().await?, bus.wait_up().await?)) };
            let epochs = tokio::select! {
                biased;
                () = self.life.reached(Phase::Draining) => None,
                epochs = epochs => epochs,
            };
            let Some((store_epoch, bus_epoch)) = epochs else { return };
            let end = tokio::select! {
                biased;
                () = store.wait_end_of(store_epoch) => SessionEnd::Epoch,
                () = bus.wait_end_of(bus_epoch) => SessionEnd::Epoch,
                end = self.session() => end,
            };
            if self.life.phase() == Phase::Draining {
                return;
            }
            // Something was applied, or found to be in order, since the last interruption.
            if !self.interrupted.is_on() {
                failures = 0;
            }
            if !matches!(end, SessionEnd::Epoch) {
                self.interrupted.note(|| tracing::warn!(error = %end, "applying was interrupted; beginning again"));
            }
            let pause = backoff(&self.rng, RETRY.0, RETRY.1, failures);
            tracing::debug!(failures, pause_ms = crate::ports::whole_millis(pause), error = %end, "applying again after a pause");
            if !self.pause(pause).await {
                return;
            }
            failures = failures.saturating_add(1);
        }
    }

    /// Applies until something fails; a fresh session looks at the floor before it goes on.
    async fn session(&self) -> SessionEnd {
        self.life.reached(Phase::Serving).await;
        match self.apply_deliveries().await {
            Ok(()) => SessionEnd::Epoch,
            Err(end) => end,
        }
    }

    async fn apply_deliveries(&self) -> Result<(), SessionEnd> {
        let (stream, start, anew) = self.compare_floors().await?;
        let mut subscription = self.bus.subscribe(start).await?;
        self.tell_anew(anew);
        let limit = usize::from(self.settings.apply_batch);
        let mut compare = pin!(self.clock.sleep(self.settings.ack_wait));
        let mut purged = None;
        loop {
            let deliveries = tokio::select! {
                biased;
                () = self.life.reached(Phase::Draining) => return Ok(()),
                () = &mut compare => {
                    purged = self.find_lost_writes(&stream, purged).await?;
                    compare.set(self.clock.sleep(self.settings.ack_wait));
                    continue;
                }
                deliveries = subscription.next(limit) => deliveries?,
            };
            self.apply_batch(&stream, &mut subscription, deliveries).await?;
        }
    }

    /// Where the projection is behind what this node acknowledged, the store lost writes: the consumer is made
    /// anew where the projection ends.
    async fn compare_floors(&self) -> Result<(String, Start, Option<Anew>), SessionEnd> {
        let stream = self.bus.state().await?;
        self.note_pending(&stream);
        let progress = self.store.progress().await?;
        self.tell_unheard(progress.position).await?;
        self.note_position(progress.position);
        let purged = stream.first_sequence.saturating_sub(1);
        let same = progress.stream.as_deref() == Some(stream.identity.as_str());
        // What lies before the first message cannot be applied any more, and what lies behind the last does not exist.
        let floor = if same { progress.floor.max(purged).min(stream.last_sequence.max(purged)) } else { purged };
        if !same || floor != progress.floor {
            self.store.follow(&stream.identity, floor).await?;
            match &progress.stream {
                Some(before) if !same => {
                    tracing::warn!(%before, now = %stream.identity, "the stream was made anew; the projection follows it from its beginning");
                }
                // What was applied out of order may be among them, so it is no proof of loss, but reason to look.
                Some(_) if purged > progress.floor => {
                    tracing::error!(
                        after = progress.floor,
                        through = purged,
                        "messages left the stream before this node had applied all of them"
                    );
                }
                Some(_) if progress.floor > floor => {
                    tracing::error!(
                        applied = progress.floor,
                        last = stream.last_sequence,
                        "the stream lost messages that this node has applied"
                    );
                }
                None if stream.ack_floor.is_some_and(|acknowledged| acknowledged > purged) => {
                    tracing::error!(
                        "the store has forgotten what this node applied; orders whose only trace was an outbox row are lost, the rest is rebuilt from the stream"
                    );
                }
                _ => {}
            }
        }
        let anew = match (stream.ack_floor, stream.altered) {
            _ if planted!(self, AckBeforeApply) => None,
            (Some(acknowledged), _) if acknowledged > floor => Some(Anew::Behind { acknowledged, floor }),
            (Some(_), Some(altered)) => Some(Anew::Altered { altered, floor }),
            _ => None,
        };
        let from = floor + 1;
        let start = if anew.is_some() { Start::Rewind { from } } else { Start::Resume { or_from: from } };
        self.pace.begin(floor);
        Ok((stream.identity, start, anew))
    }

    /// Told of when it is done: what cannot be done is tried again and again.
    fn tell_anew(&self, anew: Option<Anew>) {
        match anew {
            Some(Anew::Behind { acknowledged, floor }) => {
                self.metrics.rewinds.increment();
                tracing::warn!(acknowledged, floor, "the projection is behind what was acknowledged; the consumer is made anew");
            }
            Some(Anew::Altered { altered, floor }) => {
                tracing::warn!(altered, floor, "the consumer is not set up as this node needs it; it is made anew");
            }
            None => {}
        }
    }

    /// Fails where the store lost what this node acknowledged, or the consumer is another; beginning anew then mends it.
    /// The stream is asked first: what is acknowledged by then was applied before, so that a floor read afterwards must
    /// have it. Returns how much of the stream was purged ahead of the projection; `before` is what it was last time.
    async fn find_lost_writes(&self, identity: &str, before: Option<u64>) -> Result<Option<u64>, SessionEnd> {
        // Whoever does not answer now is asked again; that a dependency is away is noticed elsewhere.
        let Ok(stream) = self.bus.state().await else { return Ok(before) };
        self.note_pending(&stream);
        let Ok(progress) = self.store.progress().await else { return Ok(before) };
        if stream.identity != identity {
            return Ok(None);
        }
        let purged = stream.first_sequence.saturating_sub(1);
        let same = progress.stream.as_deref() == Some(identity);
        let floor = if same { progress.floor.max(purged) } else { purged };
        if planted!(self, AckBeforeApply) {
            return Ok(None);
        }
        if let Some(acknowledged) = stream.ack_floor.filter(|acknowledged| *acknowledged > floor) {
            return Err(SessionEnd::Behind { acknowledged, floor });
        }
        if let Some(altered) = stream.altered {
            return Err(SessionEnd::Altered(altered));
        }
        let ahead = (same && purged > progress.floor).then_some(purged);
        // What was delivered before the purge may still be on its way through this node, so it is given a round.
        if ahead.is_some() && ahead == before {
            return Err(SessionEnd::Purged { floor: progress.floor, purged });
        }
        // With something left to apply, only applying it shows that it can be.
        if same && progress.floor >= stream.last_sequence {
            self.interrupted.over(|| tracing::info!("applying goes on"));
        }
        Ok(ahead)
    }

    async fn apply_batch<S: Subscription>(
        &self,
        stream: &str,
        subscription: &mut S,
        mut deliveries: Vec<Delivery<S::Receipt>>,
    ) -> Result<(), SessionEnd> {
        if planted!(self, StopsApplying) && self.node.as_str().ends_with('2') && self.metrics.position.get() > 100 {
            return Ok(());
        }
        let redelivered = deliveries.iter().filter(|delivery| delivery.attempt > 1).count();
        self.metrics.redelivered.add(redelivered as u64);
        let items: Vec<ApplyItem> = deliveries.iter().map(|delivery| self.item(delivery)).collect();
        let mut spans = self.apply_spans(&items, &deliveries).into_iter();
        if planted!(self, AckBeforeApply) {
            for delivery in deliveries.drain(..) {
                subscription.ack(delivery.receipt).await?;
            }
        }
        let batch = self.store.apply(stream, &items).await?;
        self.metrics.parked.add(batch.newly_parked);
        self.pace.applied(items.iter().map(|item| item.sequence).max().unwrap_or(0));
        let mut applied = Vec::with_capacity(items.len());
        for (item, effect) in items.into_iter().zip(&batch.effects) {
            let span = spans.next().unwrap_or_else(Span::none);
            match (*effect, item.kind) {
                (Effect::Applied { position }, ItemKind::Order { placed, .. }) => {
                    let (sequence, applied_at_us) = (item.sequence, batch.applied_at_us);
                    applied.push((OrderApplied { placed: *placed, sequence, position, applied_at_us }, span));
                }
                // What was set aside before and comes again, e.g. after a rewind, was told of then.
                (Effect::Parked(reason), kind) if batch.newly_parked > 0 => self.tell_parked(item.sequence, reason, &kind),
                (Effect::Parked(_), _) => {}
                _ => self.metrics.skipped.increment(),
            }
        }
        // Positions have no gap, so what lies before this batch's own was applied by one whose answer was lost.
        self.tell_unheard(batch.position.saturating_sub(applied.len() as u64)).await?;
        self.tell(applied).await;
        self.told.set(batch.position);
        self.note_position(batch.position);
        for delivery in deliveries {
            subscription.ack(delivery.receipt).await?;
        }
        self.interrupted.over(|| tracing::info!("applying goes on"));
        Ok(())
    }

    fn tell_parked(&self, sequence: u64, reason: &str, message: &ItemKind) {
        let line = self.parked_lines.lock().unwrap_or_else(PoisonError::into_inner).line(self.clock.elapsed());
        if let Some(untold) = line {
            tracing::error!(sequence, reason, ?message, untold, "a message was set aside");
        }
    }

    /// One span an item, where anybody wants spans.
    fn apply_spans<R>(&self, items: &[ApplyItem], deliveries: &[Delivery<R>]) -> Vec<Span> {
        if !tracing::span_enabled!(tracing::Level::DEBUG) {
            return Vec::new();
        }
        let span = |(item, delivery): (&ApplyItem, &Delivery<R>)| match &item.kind {
            ItemKind::Order { placed, .. } => trace::apply_span(&self.node, placed, delivery.trace),
            ItemKind::Parked { .. } => Span::none(),
        };
        items.iter().zip(deliveries).map(span).collect()
    }

    fn item<R>(&self, delivery: &Delivery<R>) -> ApplyItem {
        let kind = match read(delivery, &self.subject) {
            Ok(placed) if planted!(self, ParksGoodOrders) && Self::is_chosen(&placed.order.order_id, 50) => {
                ItemKind::Parked { note: "no good reason".to_owned() }
            }
            Ok(placed) if planted!(self, FloatAmounts) => ItemKind::Order { placed: Box::new(floated(placed)), unguarded: false },
            Ok(placed) => ItemKind::Order { placed: Box::new(placed), unguarded: self.skips_inbox(delivery.attempt) },
            Err(why) => {
                let payload = String::from_utf8_lossy(&delivery.payload);
                let mut note = format!("{why}: {} {payload}", delivery.subject);
                note.truncate(note.floor_char_boundary(NOTE_LENGTH));
                ItemKind::Parked { note }
            }
        };
        ApplyItem { sequence: delivery.sequence, settles_from: delivery.settles_from, kind }
    }

    fn note_pending(&self, stream: &StreamState) {
        let before = stream.first_sequence.saturating_sub(1).max(stream.ack_floor.unwrap_or(0));
        self.metrics.pending.set(stream.last_sequence.saturating_sub(before));
    }

    /// Keeps the feed in step with a position counter that other runs of this node may have moved.
    pub(super) fn note_position(&self, position: u64) {
        self.metrics.position.set(position);
        self.feed.note_position(position);
    }

    /// Keeps the gauge of the backlog.
    pub async fn run_gauges(self: Arc<Self>) {
        while self.pause(jitter(&self.rng, Duration::from_secs(1))).await {
            if self.store.link().is_up()
                && let Ok(backlog) = self.store.backlog().await
            {
                self.metrics.outbox_depth.set(backlog.depth);
                self.metrics.outbox_oldest_age.set(backlog.oldest_age);
            }
        }
    }
}

/// The order with its amount as a float of 32 bits has it: exact for small ones alone.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "that is the bug")]
fn floated(mut placed: PlacedOrder) -> PlacedOrder {
    let units = placed.order.amount.minor() as f32 / 100.0;
    if let Some(amount) = crate::order::Amount::from_minor((units * 100.0) as u64) {
        placed.order.amount = amount;
    }
    placed
}

/// The order that a delivery carries, or why it carries none.
fn read<R>(delivery: &Delivery<R>, subject: &str) -> Result<PlacedOrder, String> {
    if delivery.subject != subject {
        return Err("not on the subject of orders".to_owned());
    }
    let placed = PlacedOrder::from_json(&delivery.payload).map_err(|error| error.to_string())?;
    match &delivery.message_id {
        Some(id) if id == placed.message_id.as_str() => Ok(placed),
        Some(id) => Err(format!("Nats-Msg-Id is {id}, which is not the order's message id")),
        None => Err("without Nats-Msg-Id".to_owned()),
    }
}
