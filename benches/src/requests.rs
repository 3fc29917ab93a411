//! A request whose handling costs next to nothing, and what goes around it.

use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use node::mediator::behaviours::{Identify, Limited, Measure, Spanned, Validate};
use node::mediator::{Behaviour, Event, EventHandler, Handler, Next, Outcome, Request};
use node::metrics::{Histogram, Short};
use tracing::Span;

/// Two numbers to be added.
#[derive(Debug, Clone, Copy)]
pub struct Add(pub u64, pub u64);

impl Request for Add {
    type Response = u64;
    type Error = &'static str;
}

/// Adds.
#[derive(Debug)]
pub struct Adder;

impl Handler<Add> for Adder {
    #[inline]
    async fn handle(&self, Add(left, right): Add) -> Outcome<Add> {
        Ok(left.wrapping_add(right))
    }
}

/// Only passes the request on.
#[derive(Debug)]
pub struct PassThrough;

impl<R: Request> Behaviour<R> for PassThrough {
    #[inline]
    async fn around(&self, request: R, next: impl Next<R>) -> Outcome<R> {
        next.call(request).await
    }
}

/// Five of them.
pub type Five = (PassThrough, (PassThrough, (PassThrough, (PassThrough, (PassThrough, ())))));

/// Five of them.
pub const FIVE: Five = (PassThrough, (PassThrough, (PassThrough, (PassThrough, (PassThrough, ())))));

impl Validate for Add {
    fn validate(&self) -> Result<(), &'static str> {
        if self.0 == u64::MAX { Err("too large") } else { Ok(()) }
    }
}

impl Spanned for Add {
    fn span(&self) -> Span {
        tracing::debug_span!("add", left = self.0)
    }
}

impl Measure<Histogram<Short>> for Add {
    fn measure(metrics: &Histogram<Short>, _: &Outcome<Self>, took: Duration) {
        metrics.observe(took);
    }
}

impl Limited for Add {
    fn given_up(_: Duration) -> &'static str {
        "given up"
    }
}

impl Identify for Add {
    type Shared = u64;

    fn identity(&self) -> Option<impl Hash + '_> {
        Some((self.0, self.1))
    }

    fn share(sum: &u64) -> u64 {
        *sum
    }

    fn adopt(&self, shared: u64) -> Option<u64> {
        (shared == self.0.wrapping_add(self.1)).then_some(shared)
    }
}

/// Something that happened.
#[derive(Debug)]
pub struct Added(pub u64);

impl Event for Added {}

/// Adds up what it is told.
#[derive(Debug, Default)]
pub struct Sum(AtomicU64);

impl EventHandler<Added> for Sum {
    #[inline]
    async fn on(&self, event: &Added) {
        self.0.fetch_add(event.0, Ordering::Relaxed);
    }
}

/// A list of that many listeners.
#[macro_export]
macro_rules! listeners {
    () => { () };
    ($one:tt $($more:tt)*) => { ($crate::requests::Sum::default(), $crate::listeners!($($more)*)) };
}
