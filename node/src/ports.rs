//! What the core asks of the world: a store, a bus, a clock and chance. Redis and NATS are adapters of the
//! first two; anything that keeps the same promises can stand in for them.

mod bus;
mod link;
mod store;

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;

pub use bus::{Bus, BusError, Delivery, PublishAck, PublishError, Start, StreamState, Subscription};
pub use link::{Link, LinkSender, LinkState, link};
pub use store::{
    Acceptance, Accepted, AppliedBatch, ApplyItem, Backlog, ClaimedRow, Claims, Effect, Failure, Grave, Hold, ItemKind, Ledger,
    Page, Progress, Projected, RowFate, RowKey, Store, StoreError,
};

/// Time, and waiting for it. All that the protocol does goes by this clock; only patience with a client's socket
/// is the socket's own matter.
pub trait Clock: Send + Sync + 'static {
    /// Wall-clock time: what is written down, and compared with what others wrote.
    fn now(&self) -> Timestamp;
    /// Time since some moment of this clock's own. It never goes back: what durations are measured by.
    fn elapsed(&self) -> Duration;
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}

/// What the future gives, or `None` where it is not ready in time.
pub async fn within<T>(clock: &impl Clock, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = clock.sleep(limit) => None,
    }
}

/// Chance, for message ids, tokens and jitter.
pub trait Rng: Send + Sync + 'static {
    fn next_u64(&self) -> u64;
}

/// The four ports that one node is built on.
pub trait Ports: Send + Sync + 'static {
    type Store: Store;
    type Bus: Bus;
    type Clock: Clock;
    type Rng: Rng;
}

/// A duration drawn evenly from the upper half of `duration`, so that nodes do not retry in step.
pub fn jitter(rng: &impl Rng, duration: Duration) -> Duration {
    let half = duration / 2;
    let share = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    half + half.mul_f64(share)
}

/// Exponential backoff: `first` doubled `attempt` times, at most `cap`, with jitter.
pub fn backoff(rng: &impl Rng, first: Duration, cap: Duration, attempt: u32) -> Duration {
    jitter(rng, first.saturating_mul(1_u32 << attempt.min(20)).min(cap))
}

/// For logs and for other programs, which know no [`Duration`].
#[must_use]
pub fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chance that always falls the same way.
    struct Loaded(u64);

    impl Rng for Loaded {
        fn next_u64(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn pauses_double_up_to_their_cap_and_are_spread_over_the_upper_half() {
        let (first, cap) = (Duration::from_millis(50), Duration::from_millis(500));
        let steps = [50, 100, 200, 400, 500, 500];
        let attempts = (0_u32..).zip(steps).chain([(31, 500), (32, 500), (u32::MAX, 500)]);
        for (attempt, step) in attempts {
            let step = Duration::from_millis(step);
            assert_eq!(backoff(&Loaded(0), first, cap, attempt), step / 2, "attempt {attempt} at the least");
            let most = backoff(&Loaded(u64::MAX), first, cap, attempt);
            assert!(most <= step && most > step.mul_f64(0.999), "attempt {attempt} at the most: {most:?}");
        }
    }
}
