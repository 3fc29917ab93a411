//! HTTP: the server, its routes, and the one place where errors become problems.

mod auth;
mod body;
mod events;
mod health;
mod io;
mod openapi;
mod orders;
mod problem;
mod routes;
mod server;
mod swagger;

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::core::{Behaviours, Core};
use crate::error::Error;
use crate::mediator::Mediator;
use crate::ports::Ports;

pub use auth::{Keys, KeysError};
pub use server::{listen, serve};

/// Lists of orders read or sent at once.
const LISTS: usize = 32;

/// What the routes share.
pub struct App<P: Ports> {
    mediator: Mediator<Arc<Core<P>>, Behaviours>,
    keys: Keys,
    requests: Places,
    feeds: Places,
    lists: Places,
    document: openapi::Document,
}

/// A bound on what is under way: neither a crowd nor a client that does not read may hold more memory than there is.
struct Places {
    free: Arc<Semaphore>,
    count: usize,
    what: &'static str,
}

impl Places {
    fn new(count: usize, what: &'static str) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), count, what }
    }

    fn taken(&self) -> u64 {
        self.count.saturating_sub(self.free.available_permits()) as u64
    }

    fn take(&self) -> Result<OwnedSemaphorePermit, Error> {
        let taken = Arc::clone(&self.free).try_acquire_owned();
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
    pub fn new(mediator: Mediator<Arc<Core<P>>, Behaviours>, keys: Keys) -> Self {
        let settings = &mediator.handlers().settings;
        let requests = Places::new(settings.max_in_flight as usize, "requests");
        let feeds = Places::new(settings.max_feeds as usize, "event feeds");
        let document = openapi::Document::new(&keys, settings);
        Self { mediator, keys, requests, feeds, lists: Places::new(LISTS, "lists of orders"), document }
    }

    /// A place among the requests under way.
    fn in_flight(&self) -> Result<OwnedSemaphorePermit, Error> {
        self.requests.take().inspect_err(|_| self.core().metrics.requests_refused.increment())
    }

    fn core(&self) -> &Arc<Core<P>> {
        self.mediator.handlers()
    }
}
