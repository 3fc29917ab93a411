//! The real clock and real chance.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::ports::{Clock, Rng};

/// The system's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The operating system's chance: no seed to share, no lock to wait for.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRng;

impl Rng for OsRng {
    fn next_u64(&self) -> u64 {
        getrandom::u64().unwrap_or_else(|error| {
            // Ids must not repeat, so without chance there is no way on.
            panic!("the operating system gives no random numbers: {error}")
        })
    }
}
