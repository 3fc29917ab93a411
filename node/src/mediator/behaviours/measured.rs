//! Metrics.

use std::time::{Duration, Instant};

use crate::mediator::{Behaviour, Next, Outcome, Request};

/// A request that knows how it is counted in metrics of type `M`.
pub trait Measure<M>: Request {
    fn measure(metrics: &M, outcome: &Outcome<Self>, took: Duration);
}

/// Times requests and counts how they end. A send whose future is dropped has no end, and is not counted.
#[derive(Debug)]
pub struct Measured<M>(pub M);

impl<M: Send + Sync, R: Measure<M>> Behaviour<R> for Measured<M> {
    async fn around(&self, request: R, next: impl Next<R>) -> Outcome<R> {
        let begun = Instant::now();
        let outcome = next.call(request).await;
        R::measure(&self.0, &outcome, begun.elapsed());
        outcome
    }
}
