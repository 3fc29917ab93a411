//! Validation.

use crate::mediator::{Behaviour, Next, Outcome, Request};

/// A request that can say whether it makes sense, beyond what its types enforce.
pub trait Validate: Request {
    fn validate(&self) -> Result<(), Self::Error>;
}

/// Refuses requests that make no sense before they cost anything.
#[derive(Debug)]
pub struct Validated;

impl<R: Validate> Behaviour<R> for Validated {
    async fn around(&self, request: R, next: impl Next<R>) -> Outcome<R> {
        request.validate()?;
        next.call(request).await
    }
}
