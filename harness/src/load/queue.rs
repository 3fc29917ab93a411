//! Slots whose time has come, in their order, for whoever is free: each wakes one user, and no other.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use super::workload::Due;

#[derive(Debug)]
pub(super) struct Queue {
    slots: Mutex<VecDeque<Due>>,
    /// As many permits as there are slots that nobody was woken for.
    waiting: Semaphore,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { slots: Mutex::new(VecDeque::new()), waiting: Semaphore::new(0) }
    }

    pub(super) fn push(&self, due: Due) {
        self.lock().push_back(due);
        self.waiting.add_permits(1);
    }

    /// The next slot, once there is one; `None` once the queue is closed.
    pub(super) async fn next(&self) -> Option<Due> {
        self.waiting.acquire().await.ok()?.forget();
        self.lock().pop_front()
    }

    /// From now on nobody gets a slot.
    pub(super) fn close(&self) {
        self.waiting.close();
    }

    /// Takes back the slots that nobody got.
    pub(super) fn drain(&self) -> Vec<Due> {
        self.lock().drain(..).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Due>> {
        // Slots are whole whoever panicked: each is added or taken in one step.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use judge::history::OpKind;
    use judge::plan::Slot;

    use super::*;

    fn due(order: u64) -> Due {
        let (customer_id, kind) = ("c".to_owned(), OpKind::Place);
        Due { intended_us: order, slot: Slot { at_us: order, node: 0, kind, order, customer_id, amount_minor: 1, body_bytes: 0 } }
    }

    #[tokio::test]
    async fn each_slot_goes_to_one_user_and_what_nobody_got_is_taken_back() {
        let queue = Arc::new(Queue::new());
        let users: Vec<_> = (0..3)
            .map(|_| {
                let queue = Arc::clone(&queue);
                tokio::spawn(async move { queue.next().await.map(|due| due.intended_us) })
            })
            .collect();
        tokio::task::yield_now().await;
        queue.push(due(0));
        queue.push(due(1));
        tokio::task::yield_now().await;
        queue.close();
        queue.push(due(2));
        let mut got = Vec::new();
        for user in users {
            got.push(user.await.expect("a user"));
        }
        assert_eq!(got, [Some(0), Some(1), None]);
        assert!(queue.next().await.is_none());
        assert_eq!(queue.drain().iter().map(|due| due.intended_us).collect::<Vec<_>>(), [2]);
    }
}
