//! Publishing: accepted orders at once, in windows.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument as _;

use super::settle::{SettleQueue, Settlement, send};
use super::{Core, Outgoing};
use crate::ports::{Bus, Clock, Failure, Grave, Ports, PublishError, RowKey, backoff, within};
use crate::state::Phase;
use crate::trace;

/// Accepted orders that may wait for the relay: a burst of a second, and 16 MiB at most.
const QUEUE: usize = 32_768;
/// With so many, the relay stands back for nobody, as further ones could find no place.
const FULL: usize = QUEUE / 4 * 3;
/// Settlements that may wait for the store.
const SETTLEMENTS: usize = 4096;
/// How long an order waits for a place in the relay before it is accepted without one.
const PATIENCE: Duration = Duration::from_millis(100);
/// First delay before a failed publish is tried again.
const FIRST_RETRY: Duration = Duration::from_millis(200);

/// An accepted order that waits for the relay.
#[derive(Debug)]
struct Queued {
    /// When it had its place, by [`Clock::elapsed`]: before its lease began.
    since: Duration,
    outgoing: Outgoing,
}

/// A place in the queue.
#[derive(Debug)]
pub(super) struct Place<'a> {
    permit: mpsc::Permit<'a, Queued>,
    since: Duration,
}

impl Place<'_> {
    pub(super) fn send(self, outgoing: Outgoing) {
        self.permit.send(Queued { since: self.since, outgoing });
    }
}

/// The sending end of the relay.
#[derive(Debug)]
pub struct RelayQueue(mpsc::Sender<Queued>);

/// The receiving end of the relay.
#[derive(Debug)]
pub struct RelayInbox(mpsc::Receiver<Queued>);

pub(super) fn queue() -> (RelayQueue, RelayInbox) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (RelayQueue(sender), RelayInbox(receiver))
}

impl RelayQueue {
    /// A place for an order that is about to be accepted. A relay that is behind holds new orders up a little, so that
    /// the backlog does not grow where clients can wait; without a place the order's row falls due and is recovered.
    pub(super) async fn place(&self, clock: &impl Clock) -> Option<Place<'_>> {
        let permit = match self.0.try_reserve() {
            Ok(permit) => permit,
            Err(TrySendError::Full(())) => within(clock, PATIENCE, self.0.reserve()).await?.ok()?,
            Err(TrySendError::Closed(())) => return None,
        };
        Some(Place { permit, since: clock.elapsed() })
    }
}

/// A panic of a part is a panic of the whole: half a relay would only look alive.
fn pass_on(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

impl<P: Ports> Core<P> {
    /// Publishes accepted orders and due rows, and settles them, until draining is over.
    pub async fn run_relay(self: Arc<Self>, mut inbox: RelayInbox) {
        let (sender, receiver) = mpsc::channel(SETTLEMENTS);
        let mut parts = JoinSet::new();
        parts.spawn(Arc::clone(&self).settle(receiver));
        parts.spawn(Arc::clone(&self).recover(sender.clone()));
        {
            let mut publishing = pin!(self.publish_accepted(&mut inbox.0, &sender));
            loop {
                tokio::select! {
                    biased;
                    Some(ended) = parts.join_next() => pass_on(ended),
                    () = &mut publishing => break,
                }
            }
        }
        // Recovery ends by itself when draining begins; with the last sender gone the settling ends.
        drop(sender);
        while let Some(ended) = parts.join_next().await {
            pass_on(ended);
        }
    }

    async fn publish_accepted(&self, inbox: &mut mpsc::Receiver<Queued>, settle: &SettleQueue) {
        let window = usize::from(self.settings.publish_window);
        let mut publishing = FuturesUnordered::new();
        // Never for so long that a lease could end by it.
        let limit = self.settings.burst_hold.min(self.settings.lease / 5);
        loop {
            let hold = self.waiting.hold(self.clock.elapsed(), limit).filter(|_| inbox.len() < FULL);
            tokio::select! {
                biased;
                () = self.life.reached(Phase::Draining) => break,
                Some(settlement) = publishing.next() => send(settle, settlement).await,
                () = self.clock.sleep(hold.unwrap_or_default()), if hold.is_some() => {}
                Some(Queued { since, outgoing }) = inbox.recv(), if hold.is_none() && publishing.len() < window => {
                    // What waited for longer than its lease is due, and somebody else's by now.
                    if self.clock.elapsed().saturating_sub(since) < self.settings.lease {
                        publishing.push(self.publish(outgoing));
                    } else {
                        self.metrics.relay_overflow.increment();
                    }
                }
            }
        }
        // What was accepted before is still relayed as far as time allows; the caller has the deadline.
        loop {
            while publishing.len() < window
                && let Ok(Queued { outgoing, .. }) = inbox.try_recv()
            {
                publishing.push(self.publish(outgoing));
            }
            let Some(settlement) = publishing.next().await else { break };
            send(settle, settlement).await;
        }
    }

    /// Publishes one row and says what is to become of it.
    pub(super) async fn publish(&self, outgoing: Outgoing) -> Option<Settlement> {
        let Outgoing { row, subject, payload, attempts, trace } = outgoing;
        #[cfg(feature = "planted-bugs")]
        if self.removes_before_ack() {
            return self.remove_before_ack(row, &subject, payload).await;
        }
        if planted!(self, MarkedNotPublished) && self.now_and_then() {
            return Some(Settlement::Remove(row));
        }
        if planted!(self, PublishesTwice) && self.now_and_then() {
            self.publish_again(&subject, &payload).await;
        }
        self.metrics.publish_attempts.increment();
        let span = trace::publish_span(&self.node, &row, trace);
        let (begun, trace) = (self.clock.elapsed(), trace::place(&span).or(trace));
        let published = self.bus.publish(&subject, &row.message_id, trace, payload).instrument(span).await;
        self.metrics.publish_duration.observe(self.clock.elapsed().saturating_sub(begun));
        let error = match published {
            Ok(ack) if !ack.duplicate => {
                self.pace.published(ack.sequence);
                // Only a row that had to wait shows that the waiting is over.
                if attempts > 0 {
                    self.doubt.over(|| tracing::info!("what was called a duplicate is in the stream"));
                }
                return Some(Settlement::Remove(row));
            }
            Ok(ack) => {
                self.metrics.publish_duplicates.increment();
                return Some(self.prove(row, ack.sequence, attempts).await);
            }
            Err(error) => error,
        };
        self.metrics.publish_failures.increment();
        Some(match error {
            PublishError::Retry(reason) if planted!(self, FailureIsTerminal) => Settlement::Bury(Grave { row, reason }),
            PublishError::Retry(reason) if planted!(self, TerminalAfterThree) && attempts >= 2 => {
                Settlement::Bury(Grave { row, reason })
            }
            PublishError::Retry(error) => {
                self.outage.note(|| {
                    tracing::warn!(messageId = %row.message_id, %error, "publishing fails; trying on");
                });
                let retry_in = self.retry_in(attempts);
                tracing::debug!(messageId = %row.message_id, attempts, pause_ms = crate::ports::whole_millis(retry_in), %error, "publishing again after a pause");
                Settlement::Postpone(Failure { row, error, retry_in })
            }
            PublishError::ForGood(reason) => Settlement::Bury(Grave { row, reason }),
        })
    }

    fn retry_in(&self, attempts: u32) -> Duration {
        backoff(&self.rng, FIRST_RETRY, self.settings.retry_cap, attempts)
    }

    /// A duplicate is proven by the message that the stream has: it may have been purged inside the window.
    async fn prove(&self, row: RowKey, sequence: u64, attempts: u32) -> Settlement {
        let (error, retry_in) = match self.bus.message_id_at(sequence).await {
            Ok(Some(found)) if found == row.message_id.as_str() => return Settlement::Remove(row),
            Ok(found) => {
                let found = found.as_deref().unwrap_or("nothing");
                let error = format!("called a duplicate of {sequence}, where the stream has {found}");
                // A purge can bring this upon every row in flight.
                self.doubt.note(|| {
                    tracing::warn!(messageId = %row.message_id, %error, "a duplicate is not proven; publishing again when the stream's window has passed");
                });
                // The stream may have been made with another window than this node's setting.
                (error, self.bus.duplicate_window().unwrap_or(self.settings.duplicate_window) + FIRST_RETRY)
            }
            Err(error) => (format!("called a duplicate of {sequence}, which cannot be read: {error}"), self.retry_in(attempts)),
        };
        Settlement::Postpone(Failure { row, error, retry_in })
    }

    /// Waits, but not into draining; `false` when that has begun.
    pub(super) async fn pause(&self, duration: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.life.reached(Phase::Draining) => false,
            () = self.clock.sleep(duration) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemClock;

    #[tokio::test]
    async fn an_order_waits_for_a_place_in_the_relay_and_in_the_end_goes_on_without() {
        let ((queue, _inbox), clock) = (queue(), SystemClock::default());
        let mut places = Vec::new();
        for _ in 0..QUEUE {
            places.push(queue.place(&clock).await.expect("there is room"));
        }
        assert!(queue.place(&clock).await.is_none(), "nobody made room");
        let (place, ()) = tokio::join!(queue.place(&clock), async { drop(places.pop()) });
        assert!(place.is_some(), "somebody made room meanwhile");
    }
}
