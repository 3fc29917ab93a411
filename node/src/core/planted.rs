//! The planted bugs. Without the feature `planted-bugs` there are none, and nothing of them is compiled in.

use super::Core;
use crate::ports::Ports;

#[cfg(not(feature = "planted-bugs"))]
#[expect(clippy::unused_self, reason = "with the feature these ask the settings")]
impl<P: Ports> Core<P> {
    pub(super) const fn removes_before_ack(&self) -> bool {
        false
    }

    pub(super) const fn skips_inbox(&self, _attempt: u64) -> bool {
        false
    }
}

#[cfg(feature = "planted-bugs")]
mod bugs {
    use bytes::Bytes;

    use super::super::settle::Settlement;
    use super::{Core, Ports};
    use crate::plant::Plant;
    use crate::ports::{Bus, RowKey, Store};

    impl<P: Ports> Core<P> {
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
