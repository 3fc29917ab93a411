//! A TCP proxy that stands between nodes and services and makes their links slow, silent or broken.
//!
//! One listener per node and service. Each has at most one [`Rule`] at a time, set over HTTP ([`control`]); a rule expires
//! unless it is renewed, so that a link heals even if whoever broke it is gone. Whatever rules come and go, each side of a
//! connection gets an exact prefix of what the other sent, in order: a connection from which something was taken is reset,
//! never continued.
//!
//! `link` is a listener, `connection` a connection's life under changing rules, `lane` one of its two directions, `pace`
//! when held bytes are due, `switch` which rule is in force.

mod chance;
mod connection;
pub mod control;
mod counters;
mod lane;
mod link;
mod pace;
mod rule;
mod settings;
mod switch;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::JoinSet;

pub use counters::Counts;
pub use link::{InForce, LinkState};
pub use rule::{Direction, LONGEST_TTL, Order, Rule, RuleError};
pub use settings::{Listen, Settings, SettingsError};

use link::Link;

/// What the control interface shows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct State {
    pub listeners: Vec<LinkState>,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for {what}: {error}")]
pub struct StartError {
    address: SocketAddr,
    what: String,
    error: std::io::Error,
}

/// A proxy that runs; it ends, with all its connections, when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    control: SocketAddr,
    links: Arc<[Arc<Link>]>,
    tasks: JoinSet<()>,
}

impl Proxy {
    /// Listens on all addresses, then serves in the background.
    ///
    /// # Errors
    /// An address cannot be listened on.
    pub async fn start(settings: &Settings) -> Result<Self, StartError> {
        let bind = async |address: SocketAddr, what: &str| {
            let bound = tokio::net::TcpListener::bind(address).await;
            bound.map_err(|error| StartError { address, what: what.to_owned(), error })
        };
        let mut tasks = JoinSet::new();
        let mut links = Vec::new();
        for listen in &settings.listens {
            let listener = bind(listen.address, &listen.name).await?;
            let address = listener.local_addr().unwrap_or(listen.address);
            let link = Arc::new(Link::new(listen, address));
            tasks.spawn(Arc::clone(&link).expire_rules());
            tasks.spawn(Arc::clone(&link).serve(listener));
            links.push(link);
        }
        let listener = bind(settings.control, "control").await?;
        let control = listener.local_addr().unwrap_or(settings.control);
        let links: Arc<[Arc<Link>]> = links.into();
        tasks.spawn(control::serve(listener, Arc::clone(&links)));
        Ok(Self { control, links, tasks })
    }

    /// Where the control interface listens.
    #[must_use]
    pub fn control(&self) -> SocketAddr {
        self.control
    }

    /// Where a listener listens.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<SocketAddr> {
        self.link(name).map(|link| link.address())
    }

    #[must_use]
    pub fn state(&self) -> State {
        control::state(&self.links)
    }

    /// Puts a rule in force, or renews it; `false` without such a listener.
    ///
    /// # Errors
    /// The order is out of bounds.
    pub fn put(&self, name: &str, order: &Order) -> Result<bool, RuleError> {
        order.check()?;
        let link = self.link(name);
        Ok(link.is_some_and(|link| {
            link.put(order);
            true
        }))
    }

    /// Takes every rule away.
    pub fn heal(&self) {
        for link in self.links.iter() {
            link.remove_rule();
        }
    }

    /// Serves until dropped.
    pub async fn wait(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    fn link(&self, name: &str) -> Option<&Arc<Link>> {
        self.links.iter().find(|link| link.name() == name)
    }
}
