//! Behaviours around a handler, composed when compiling.

use std::future::Future;

use super::{Handler, Outcome, Request};

/// The rest of the pipeline, as a behaviour sees it. It can be called once.
pub trait Next<R: Request>: Send {
    fn call(self, request: R) -> impl Future<Output = Outcome<R>> + Send;
}

/// Something done around the handling of a request: before it, after it, or instead of it.
pub trait Behaviour<R: Request>: Send + Sync {
    fn around(&self, request: R, next: impl Next<R>) -> impl Future<Output = Outcome<R>> + Send;
}

/// A list of behaviours: `()`, or a behaviour and the rest of the list.
pub trait Pipeline<R: Request>: Send + Sync {
    fn run(&self, request: R, end: impl Next<R>) -> impl Future<Output = Outcome<R>> + Send;
}

/// The end of every pipeline: the handler.
pub(super) struct End<'a, H>(pub(super) &'a H);

impl<R: Request, H: Handler<R>> Next<R> for End<'_, H> {
    #[inline]
    fn call(self, request: R) -> impl Future<Output = Outcome<R>> + Send {
        self.0.handle(request)
    }
}

/// What comes after one behaviour: the other behaviours, then the end.
struct Rest<'a, P, N> {
    pipeline: &'a P,
    end: N,
}

impl<R: Request, P: Pipeline<R>, N: Next<R>> Next<R> for Rest<'_, P, N> {
    #[inline]
    fn call(self, request: R) -> impl Future<Output = Outcome<R>> + Send {
        self.pipeline.run(request, self.end)
    }
}

impl<R: Request> Pipeline<R> for () {
    #[inline]
    fn run(&self, request: R, end: impl Next<R>) -> impl Future<Output = Outcome<R>> + Send {
        end.call(request)
    }
}

impl<R: Request, B: Behaviour<R>, P: Pipeline<R>> Pipeline<R> for (B, P) {
    #[inline]
    fn run(&self, request: R, end: impl Next<R>) -> impl Future<Output = Outcome<R>> + Send {
        self.0.around(request, Rest { pipeline: &self.1, end })
    }
}
