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

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::core::{Core, Measured, Validated};
use crate::error::Error;
use crate::mediator::Mediator;
use crate::ports::Ports;

pub use server::serve;

/// Event feeds served at once.
const FEEDS: usize = 64;
/// Lists of orders read or sent at once.
const LISTS: usize = 32;

/// What is done around every request that goes through the mediator.
pub type Behaviours = (Measured, (Validated, ()));

/// What the routes share.
pub struct App<P: Ports> {
    mediator: Mediator<Arc<Core<P>>, Behaviours>,
    feeds: Places,
    lists: Places,
}

/// A bound on large answers under way: a client that does not read must not hold more memory than there is.
struct Places {
    places: Arc<Semaphore>,
    what: &'static str,
}

impl Places {
    fn new(count: usize, what: &'static str) -> Self {
        Self { places: Arc::new(Semaphore::new(count)), what }
    }

    fn take(&self) -> Result<OwnedSemaphorePermit, Error> {
        let taken = Arc::clone(&self.places).try_acquire_owned();
        taken.map_err(|_| Error::Unavailable(format!("too many {} are under way", self.what)))
    }
}

impl<P: Ports> std::fmt::Debug for App<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("node", &self.core().node).finish_non_exhaustive()
    }
}

impl<P: Ports> App<P> {
    #[must_use]
    pub fn new(mediator: Mediator<Arc<Core<P>>, Behaviours>) -> Self {
        Self { mediator, feeds: Places::new(FEEDS, "event feeds"), lists: Places::new(LISTS, "lists of orders") }
    }

    fn core(&self) -> &Arc<Core<P>> {
        self.mediator.handlers()
    }
}
