//! Benches live in `benches/`. Here is what `benches/throughput` measures with, and what the benches, the counts of
//! instructions and the test for allocations share: small requests, and a node's core on services in memory.

pub mod boxed;
pub mod client;
pub mod echo;
pub mod load;
pub mod orders;
pub mod propagation;
pub mod requests;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Polls a future that is ready at once, by hand: a runtime's own cost would hide what is measured.
#[inline]
pub fn finish<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the benched futures never wait"),
    }
}

/// The value below which a share of the sorted values lies; 0 where there are none.
#[must_use]
pub fn percentile(sorted: &[u32], share: f64) -> u32 {
    let last = sorted.len().saturating_sub(1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the slice")]
    let place = (last as f64 * share).round() as usize;
    sorted.get(place).copied().unwrap_or(0)
}
