//! Tracing.

use tracing::{Instrument as _, Span};

use crate::mediator::{Behaviour, Next, Outcome, Request};

/// A request that names the span in which it is handled.
pub trait Spanned: Request {
    fn span(&self) -> Span;
}

/// Handles requests in their spans. Where nobody wants a span it is empty, and costs a comparison.
#[derive(Debug)]
pub struct Traced;

impl<R: Spanned> Behaviour<R> for Traced {
    async fn around(&self, request: R, next: impl Next<R>) -> Outcome<R> {
        let span = request.span();
        if span.is_disabled() { next.call(request).await } else { next.call(request).instrument(span).await }
    }
}
