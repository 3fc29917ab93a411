//! What is done around every request, and what each request says about itself for that.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tracing::Span;

use super::{GetCustomer, GetOrder, ListOrders, PlaceOrder, Placement};
use crate::error::Error;
use crate::mediator::behaviours::{
    Idempotent, Identify, Limited, Measure, Measured, Spanned, Tally, TimeLimit, Traced, Validate, Validated,
};
use crate::mediator::{Outcome, Request};
use crate::metrics::{Decision, Ended, Metrics, RequestName};
use crate::order::PlacedOrder;
use crate::trace;

/// The node's pipeline, outermost first. A time limit lies around the wait for an identical request; metrics see what
/// was refused and what was given up; the span has all of it.
pub type Behaviours = (Traced, (Measured<Arc<Metrics>>, (Validated, (TimeLimit, (Idempotent<Bytes, Arc<Metrics>>, ())))));

/// The pipeline with a limit on the whole of a request.
#[must_use]
pub fn behaviours(metrics: &Arc<Metrics>, limit: Duration) -> Behaviours {
    let idempotent = Idempotent::new(Arc::clone(metrics));
    (Traced, (Measured(Arc::clone(metrics)), (Validated, (TimeLimit(limit), (idempotent, ())))))
}

impl Tally for Arc<Metrics> {
    fn adopted(&self) {
        self.coalesced.increment();
    }
}

fn observe<R: Request>(metrics: &Metrics, name: RequestName, outcome: &Outcome<R>, took: Duration) {
    let ended = if outcome.is_ok() { Ended::Ok } else { Ended::Error };
    metrics.sends.of((name, ended)).observe(took);
}

impl Spanned for PlaceOrder {
    fn span(&self) -> Span {
        trace::accept_span(&self.order.order_id, self.trace)
    }
}

impl Measure<Arc<Metrics>> for PlaceOrder {
    fn measure(metrics: &Arc<Metrics>, outcome: &Outcome<Self>, took: Duration) {
        observe::<Self>(metrics, RequestName::PlaceOrder, outcome, took);
        let decision = match outcome {
            Ok(Placement::New(_)) => Decision::New,
            Ok(Placement::Replayed(_)) => Decision::Replayed,
            Err(Error::Conflict { .. }) => Decision::Conflict,
            Err(Error::Indeterminate(_)) => Decision::Indeterminate,
            // All others are proof that nothing was written.
            Err(_) => Decision::Refused,
        };
        metrics.orders.of(decision).increment();
    }
}

impl Validate for PlaceOrder {
    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Limited for PlaceOrder {
    fn time_left(&self) -> Option<Duration> {
        self.time_left
    }

    fn given_up(limit: Duration) -> Error {
        Error::Indeterminate(format!("the store was not done after {limit:?}"))
    }
}

/// The store decides what is new, in one atomic step. Here only the retries of one order that are in flight together are
/// told its answer when it is there; once an order is accepted, that answer is true for good.
impl Identify for PlaceOrder {
    type Shared = Bytes;

    fn identity(&self) -> Option<impl Hash + '_> {
        Some((self.order.order_id.as_str(), self.order.customer_id.as_str(), self.order.amount.minor()))
    }

    fn share(placement: &Placement) -> Bytes {
        match placement {
            Placement::New(answer) | Placement::Replayed(answer) => answer.clone(),
        }
    }

    fn adopt(&self, answer: Bytes) -> Option<Placement> {
        let placed = PlacedOrder::from_json(&answer).ok()?;
        (placed.order == self.order).then_some(Placement::Replayed(answer))
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

/// What is the same for all queries.
macro_rules! query {
    ($($query:ident $span:literal,)*) => {$(
        impl Spanned for $query {
            fn span(&self) -> Span {
                tracing::debug_span!($span)
            }
        }

        impl Measure<Arc<Metrics>> for $query {
            fn measure(metrics: &Arc<Metrics>, outcome: &Outcome<Self>, took: Duration) {
                observe::<Self>(metrics, RequestName::$query, outcome, took);
            }
        }

        impl Limited for $query {
            fn given_up(limit: Duration) -> Error {
                Error::Unavailable(format!("the store did not answer in {limit:?}"))
            }
        }

        /// Every query has its own look.
        impl Identify for $query {
            type Shared = Bytes;

            fn identity(&self) -> Option<impl Hash + '_> {
                None::<()>
            }

            fn share(_: &Self::Response) -> Bytes {
                Bytes::new()
            }

            fn adopt(&self, _: Bytes) -> Option<Self::Response> {
                None
            }
        }
    )*};
}

query! {
    GetOrder "get-order",
    ListOrders "list-orders",
    GetCustomer "get-customer",
}
