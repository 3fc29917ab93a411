//! The closed model: each user waits for its answer, thinks, and takes the next operation that there is.
//!
//! What is done next is drawn from the seed as in the open model; which user does it, and when, depends on the cluster.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use judge::plan::{Model, Plan, Slot, Slots};
use tokio::sync::watch;

#[derive(Debug)]
pub(super) struct Closed {
    slots: Mutex<Slots>,
    think: Duration,
    pub(super) begun: watch::Sender<bool>,
}

impl Closed {
    /// `None` in the open model.
    pub(super) fn of(plan: &Plan) -> Option<Self> {
        let Model::Closed { think_ms, .. } = plan.load.model else { return None };
        let begun = watch::Sender::new(false);
        Some(Self { slots: Mutex::new(plan.slots()), think: Duration::from_millis(think_ms), begun })
    }

    /// The next operation, after a part of the time to think.
    pub(super) async fn next(&self, part: f64) -> Option<Slot> {
        // The sender lives in `self`, so the channel cannot close while we wait.
        let _ = self.begun.subscribe().wait_for(|begun| *begun).await;
        if !self.think.is_zero() {
            tokio::time::sleep(self.think.mul_f64(part)).await;
        }
        // A user that panicked here left the iterator as it was before or after.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).next()
    }
}
