//! HTTP: the server, its routes, and the one place where errors become problems.

mod body;
mod events;
mod health;
mod io;
mod orders;
mod problem;
mod routes;
mod server;

use std::sync::Arc;

use crate::core::{Core, Measured, Validated};
use crate::mediator::Mediator;
use crate::ports::Ports;

pub use server::serve;

/// What is done around every request that goes through the mediator.
pub type Behaviours = (Measured, (Validated, ()));

/// What the routes share.
pub struct App<P: Ports> {
    mediator: Mediator<Arc<Core<P>>, Behaviours>,
}

impl<P: Ports> std::fmt::Debug for App<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("node", &self.core().node).finish_non_exhaustive()
    }
}

impl<P: Ports> App<P> {
    #[must_use]
    pub fn new(mediator: Mediator<Arc<Core<P>>, Behaviours>) -> Self {
        Self { mediator }
    }

    fn core(&self) -> &Arc<Core<P>> {
        self.mediator.handlers()
    }
}
