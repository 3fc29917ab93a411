//! A mediator as it is mostly written: handlers in a map by type, behaviours in a list, all of them boxed.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

type BoxedAny = Box<dyn Any + Send>;
type BoxedFuture<'a> = Pin<Box<dyn Future<Output = BoxedAny> + Send + 'a>>;
type BoxedHandler = Box<dyn Fn(BoxedAny) -> BoxedFuture<'static> + Send + Sync>;
/// The rest of the pipeline.
pub type BoxedNext<'a> = Box<dyn FnOnce(BoxedAny) -> BoxedFuture<'a> + Send + 'a>;
type BoxedBehaviour = Box<dyn for<'a> Fn(BoxedAny, BoxedNext<'a>) -> BoxedFuture<'a> + Send + Sync>;

/// Handlers by the type of their request.
#[derive(Default)]
pub struct BoxedMediator {
    handlers: HashMap<TypeId, BoxedHandler>,
    behaviours: Vec<BoxedBehaviour>,
}

impl fmt::Debug for BoxedMediator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxedMediator").finish_non_exhaustive()
    }
}

impl BoxedMediator {
    /// Registers a handler.
    pub fn handle<R, T, F>(&mut self, handler: impl Fn(R) -> F + Copy + Send + Sync + 'static)
    where
        R: Send + 'static,
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let erased = move |request: BoxedAny| -> BoxedFuture<'static> {
            Box::pin(async move {
                let request = request.downcast::<R>().expect("the map is by type");
                Box::new(handler(*request).await) as BoxedAny
            })
        };
        self.handlers.insert(TypeId::of::<R>(), Box::new(erased));
    }

    /// Adds a behaviour that only passes on.
    pub fn pass_through(&mut self) {
        self.behaviours.push(Box::new(|request, next| Box::pin(async move { next(request).await })));
    }

    /// Sends a request through the behaviours to its handler; `None` where it has none.
    pub async fn send<R: Send + 'static, T: 'static>(&self, request: R) -> Option<T> {
        let handler = self.handlers.get(&TypeId::of::<R>())?;
        let mut next: BoxedNext<'_> = Box::new(move |request| handler(request));
        for behaviour in self.behaviours.iter().rev() {
            next = Box::new(move |request| behaviour(request, next));
        }
        next(Box::new(request)).await.downcast().ok().map(|response| *response)
    }
}
