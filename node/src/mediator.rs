//! The mediator: a typed request goes to exactly one handler through a pipeline of behaviours; an event goes
//! to any number of handlers. All of it is resolved when compiling: a send is a chain of plain calls, without
//! a box, an allocation or a lock.
//!
//! One type handles all requests, by one [`Handler`] impl a request. A second impl for the same request is a
//! conflict, and sending a request that has none does not compile:
//!
//! ```compile_fail
//! use node::mediator::{Mediator, Request};
//! struct Ping;
//! impl Request for Ping { type Response = u32; type Error = (); }
//! struct Nobody;
//! # async fn send() {
//! Mediator::new(Nobody, ()).send(Ping).await; // `Nobody: Handler<Ping>` is not satisfied
//! # }
//! ```
//!
//! With a handler, and a behaviour around it:
//!
//! ```
//! use node::mediator::{Behaviour, Handler, Mediator, Next, Outcome, Request};
//! struct Double(u32);
//! impl Request for Double { type Response = u32; type Error = &'static str; }
//! struct Calculator;
//! impl Handler<Double> for Calculator {
//!     async fn handle(&self, request: Double) -> Outcome<Double> { Ok(2 * request.0) }
//! }
//! struct Small;
//! impl Behaviour<Double> for Small {
//!     async fn around(&self, request: Double, next: impl Next<Double>) -> Outcome<Double> {
//!         if request.0 > 10 { Err("too large") } else { next.call(request).await }
//!     }
//! }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let mediator = Mediator::new(Calculator, (Small, ()));
//! assert_eq!(mediator.send(Double(4)).await, Ok(8));
//! assert_eq!(mediator.send(Double(40)).await, Err("too large"));
//! # });
//! ```

mod event;
mod pipeline;

use std::future::Future;

pub use event::{Event, EventHandler, Publish};
pub use pipeline::{Behaviour, Next, Pipeline};

/// A command or a query.
pub trait Request: Send {
    type Response: Send;
    type Error: Send;
}

/// A request that changes something.
pub trait Command: Request {}

/// A request that only looks.
pub trait Query: Request {}

/// What a request ends with.
pub type Outcome<R> = Result<<R as Request>::Response, <R as Request>::Error>;

/// Handles requests of one type.
pub trait Handler<R: Request>: Send + Sync {
    fn handle(&self, request: R) -> impl Future<Output = Outcome<R>> + Send;
}

/// Handlers behind a pipeline of behaviours, outermost first: `(Outer, (Inner, ()))`.
#[derive(Debug)]
pub struct Mediator<H, B = ()> {
    handlers: H,
    behaviours: B,
}

impl<H, B> Mediator<H, B> {
    pub const fn new(handlers: H, behaviours: B) -> Self {
        Self { handlers, behaviours }
    }

    /// The handlers themselves, for what is no request.
    pub const fn handlers(&self) -> &H {
        &self.handlers
    }

    /// Sends a request through the behaviours to its handler.
    #[inline]
    pub fn send<R>(&self, request: R) -> impl Future<Output = Outcome<R>> + Send
    where
        R: Request,
        H: Handler<R>,
        B: Pipeline<R>,
    {
        self.behaviours.run(request, pipeline::End(&self.handlers))
    }
}
