//! Where a node is in its life.

use tokio::sync::watch;

/// A node's life, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Its identity is not held yet, so it may not write.
    Starting,
    Serving,
    /// It takes nothing new and finishes what it has.
    Draining,
}

/// The phase, shared.
#[derive(Debug)]
pub struct Life(watch::Sender<Phase>);

impl Default for Life {
    fn default() -> Self {
        Self(watch::channel(Phase::Starting).0)
    }
}

impl Life {
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// On to `phase`; there is no way back from draining.
    pub fn enter(&self, phase: Phase) {
        self.0.send_if_modified(|current| {
            let forward = phase > *current;
            if forward {
                *current = phase;
            }
            forward
        });
    }

    /// Waits for `phase` or a later one.
    pub async fn reached(&self, phase: Phase) {
        // The sender lives as long as `self`, so the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|current| *current >= phase).await;
    }
}
