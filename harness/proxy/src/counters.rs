//! What went through a listener, and what was done to it.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// All since the proxy was started.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        pub struct Counts {
            $($(#[$doc])* pub $name: u64,)+
        }

        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)+
        }

        impl Counters {
            pub(crate) fn read(&self) -> Counts {
                Counts { $($name: self.$name.0.load(Ordering::Relaxed),)+ }
            }
        }
    };
}

counters! {
    /// Connections that were accepted.
    opened,
    /// Those of them that have ended.
    ended,
    /// Those of them for which the service could not be reached.
    unreachable,
    /// Bytes that were handed to the service.
    bytes_out,
    /// Bytes that were handed to the node.
    bytes_in,
    /// Bytes that a delay, a bandwidth or slices held back.
    late_bytes,
    /// Connections that a black hole held.
    black_holed,
    /// Connections that a rule reset, or its end.
    resets,
    /// Connections on which the node was told that the service has ended its side.
    half_closed,
    /// Bytes of the service that the node never got.
    swallowed_bytes,
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }
}

impl Counts {
    /// Connections that are open now.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.opened.saturating_sub(self.ended)
    }
}
