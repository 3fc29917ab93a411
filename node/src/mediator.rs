//! The mediator: a typed request goes to exactly one handler through a pipeline of behaviours; an event goes to any
//! number of handlers. All of it is resolved when compiling: a send is a chain of plain calls, without a box, an
//! allocation or a lock. `docs/mediator.md` has a worked example; a request without a handler, or with two, does not
//! compile.

pub mod behaviours;
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

/// Handlers behind a pipeline of behaviours, outermost first: `(Outer, (Inner, ()))`; and a list of those who are told
/// of events: `(One, (Other, ()))`.
#[derive(Debug)]
pub struct Mediator<H, B = (), L = ()> {
    handlers: H,
    behaviours: B,
    listeners: L,
}

impl<H, B> Mediator<H, B> {
    pub const fn new(handlers: H, behaviours: B) -> Self {
        Self { handlers, behaviours, listeners: () }
    }

    /// The same mediator with those who are told of events.
    pub fn with_listeners<L>(self, listeners: L) -> Mediator<H, B, L> {
        Mediator { handlers: self.handlers, behaviours: self.behaviours, listeners }
    }
}

impl<H, B, L> Mediator<H, B, L> {
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

    /// Tells every listener of an event, one after the other.
    #[inline]
    pub fn publish<E>(&self, event: &E) -> impl Future<Output = ()> + Send
    where
        E: Event,
        L: Publish<E>,
    {
        self.listeners.publish(event)
    }
}

/// The page's examples, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/mediator.md")]
#[derive(Debug)]
pub struct Page;
