//! What is done around every request.

use std::sync::Arc;
use std::time::Instant;

use super::{GetCustomer, GetOrder, ListOrders, PlaceOrder};
use crate::error::Error;
use crate::mediator::{Behaviour, Next, Outcome, Request};
use crate::metrics::Metrics;

/// Counts and times requests.
#[derive(Debug)]
pub struct Measured(pub Arc<Metrics>);

impl<R: Request> Behaviour<R> for Measured {
    async fn around(&self, request: R, next: impl Next<R>) -> Outcome<R> {
        let begun = Instant::now();
        let outcome = next.call(request).await;
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.0.requests.increment();
        self.0.request_micros.add(micros);
        if outcome.is_err() {
            self.0.requests_failed.increment();
        }
        outcome
    }
}

/// A request that can say whether it makes sense, beyond what its types enforce.
pub trait Validate {
    fn validate(&self) -> Result<(), Error>;
}

/// Refuses requests that make no sense before they cost anything.
#[derive(Debug)]
pub struct Validated;

impl<R: Request<Error = Error> + Validate> Behaviour<R> for Validated {
    async fn around(&self, request: R, next: impl Next<R>) -> Outcome<R> {
        request.validate()?;
        next.call(request).await
    }
}

impl Validate for PlaceOrder {
    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Validate for GetOrder {
    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Validate for GetCustomer {
    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Validate for ListOrders {
    fn validate(&self) -> Result<(), Error> {
        // Positions are exact numbers in the store's scripts only up to here.
        if self.after > 1 << 53 {
            return Err(Error::Invalid { field: Some("after"), detail: "after must be a position".to_owned() });
        }
        Ok(())
    }
}
