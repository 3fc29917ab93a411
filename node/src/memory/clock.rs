//! A clock that stands still until somebody moves it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;

use super::lock;
use crate::ports::Clock;

/// How often other tasks are let go before there counts as nothing to do: each time lets dozens of them take a step.
const TURNS: usize = 16;

/// Virtual time; clones are the same clock. Meant for a runtime of one thread.
#[derive(Debug, Clone)]
pub struct VirtualClock(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    start: Timestamp,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    elapsed: Duration,
    /// Who wakes when; those of one moment in the order in which they lay down.
    sleepers: BTreeMap<(Duration, u64), oneshot::Sender<()>>,
    slept: u64,
}

impl VirtualClock {
    #[must_use]
    pub fn starting_at(start: Timestamp) -> Self {
        Self(Arc::new(Shared { start, state: Mutex::default() }))
    }

    /// Lets the other tasks run, and time pass whenever they all wait, until `moment` of [`Clock::elapsed`].
    pub async fn run_until(&self, moment: Duration) {
        loop {
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
            if !self.wake_next(moment) {
                break;
            }
        }
        let mut state = lock(&self.0.state);
        state.elapsed = state.elapsed.max(moment);
    }

    /// The same for a time from now on.
    pub async fn run_for(&self, time: Duration) {
        self.run_until(self.elapsed() + time).await;
    }

    /// Moves to the next sleeper's moment and wakes it; `false` where nobody wakes by `moment`.
    fn wake_next(&self, moment: Duration) -> bool {
        let mut state = lock(&self.0.state);
        while let Some(entry) = state.sleepers.first_entry() {
            let at = entry.key().0;
            // Whoever gave a sleep up must not move time.
            if entry.get().is_closed() {
                entry.remove();
                continue;
            }
            if at > moment {
                return false;
            }
            let _ = entry.remove().send(());
            state.elapsed = state.elapsed.max(at);
            return true;
        }
        false
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.elapsed()).unwrap_or(SignedDuration::MAX);
        self.0.start.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    fn elapsed(&self) -> Duration {
        lock(&self.0.state).elapsed
    }

    async fn sleep(&self, duration: Duration) {
        let woken = {
            let mut state = lock(&self.0.state);
            let (sender, receiver) = oneshot::channel();
            state.slept += 1;
            let at = (state.elapsed.saturating_add(duration), state.slept);
            state.sleepers.insert(at, sender);
            receiver
        };
        // The clock lives as long as this borrow of it, and never drops a sleeper that still listens.
        let _ = woken.await;
    }
}
