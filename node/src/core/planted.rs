//! The planted bugs. Without the feature `planted-bugs` there are none, and nothing of them is compiled in.

use super::Core;
use crate::ports::{Ports, Rng};

/// What the bugs share. Nothing of it is called where none can be planted.
impl<P: Ports> Core<P> {
    /// Once in fifty times.
    pub(super) fn now_and_then(&self) -> bool {
        self.rng.next_u64().is_multiple_of(50)
    }

    /// The same of a given order on every call: of one in `of`.
    pub(super) fn is_chosen(order_id: &crate::order::OrderId, of: u64) -> bool {
        let hash = order_id.as_str().bytes().fold(7_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
        hash.is_multiple_of(of)
    }
}

#[cfg(not(feature = "planted-bugs"))]
#[expect(clippy::unused_self, reason = "with the feature these ask the settings")]
impl<P: Ports> Core<P> {
    pub(super) const fn removes_before_ack(&self) -> bool {
        false
    }

    pub(super) const fn skips_inbox(&self, _attempt: u64) -> bool {
        false
    }

    pub(super) fn store_later(self: &std::sync::Arc<Self>, _: crate::order::PlacedOrder, _: bytes::Bytes) {}

    pub(super) fn publish_again(&self, _: &str, _: &[u8]) -> std::future::Ready<()> {
        std::future::ready(())
    }
}

#[cfg(feature = "planted-bugs")]
mod bugs {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;

    use super::super::settle::Settlement;
    use super::{Core, Ports};
    use crate::order::{MessageId, PlacedOrder};
    use crate::plant::Plant;
    use crate::ports::{Acceptance, Bus, Clock as _, Rng as _, RowKey, Store};

    impl<P: Ports> Core<P> {
        /// Stores an order some time after it was answered.
        pub(in crate::core) fn store_later(self: &Arc<Self>, placed: PlacedOrder, payload: Bytes) {
            let core = Arc::clone(self);
            tokio::spawn(async move {
                core.clock.sleep(Duration::from_millis(300)).await;
                let acceptance = Acceptance { placed: &placed, payload: &payload, token: core.token() };
                let _ = core.store.accept(acceptance).await;
            });
        }

        /// Publishes an order once more, as a message of its own.
        pub(in crate::core) async fn publish_again(&self, subject: &str, payload: &[u8]) {
            let Ok(mut placed) = PlacedOrder::from_json(payload) else { return };
            placed.message_id = MessageId::from_random(self.rng.next_u64(), self.rng.next_u64());
            let _ = self.bus.publish(subject, &placed.message_id, None, placed.to_json()).await;
        }

        /// Is an accepted order sent off whether or not anybody listens?
        pub(in crate::core) fn removes_before_ack(&self) -> bool {
            self.settings.plant == Some(Plant::RemoveBeforeAck)
        }

        /// The row is gone before the stream said anything, and what the stream says is not listened to.
        pub(in crate::core) async fn remove_before_ack(&self, row: RowKey, subject: &str, payload: Bytes) -> Option<Settlement> {
            self.metrics.publish_attempts.increment();
            // What is sent while nobody listens is gone, even if somebody does by the time that the row is.
            let heard = self.bus.link().is_up();
            let removed = self.store.remove(std::slice::from_ref(&row)).await;
            if heard {
                self.bus.publish_blindly(subject, &row.message_id, payload).await;
            }
            removed.err().map(|_| Settlement::Remove(row))
        }

        /// Is this delivery applied without a look at whether it was?
        pub(in crate::core) fn skips_inbox(&self, attempt: u64) -> bool {
            self.settings.plant == Some(Plant::RedeliverySkipsInbox) && attempt > 1
        }
    }
}
