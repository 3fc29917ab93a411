//! The embedded cluster: the node's own code in this process, over one store and one stream in memory.
//!
//! Each node serves on 127.0.0.1, on a thread and a runtime of its own ([`process`]): killing it drops that runtime with
//! all that the node had in memory, and freezing it holds the thread. Store and stream stay ([`services`]), and so does
//! the way of each node to each of them ([`ways`]), whatever becomes of the node. Load and most observers come over
//! loopback, as to any cluster; what a store is asked is answered from memory ([`keyspace`]).
//!
//! Not covered: Redis, NATS, the adapters that speak to them, and disks. A verdict on this cluster says so.

mod abilities;
mod faults;
mod keyspace;
mod logs;
mod process;
mod services;
mod slot;
mod ways;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use judge::plan::{FaultKind, Link};
use node::cli::Cli;
use node::memory::Wire;
use node::order::NodeId;
use node::ports::Store as _;

use crate::cluster::{self, Cluster, Node};
use crate::http;
use crate::nemesis::fault::{Fault, FaultError, Target};
use crate::nemesis::ground::Ground;
use crate::poll;

pub use abilities::abilities;
pub use keyspace::Keyspace;
pub use services::{Condition, Services};
use slot::Slot;
use ways::{Way, Ways};

/// In a history's header, and as `--cluster` has it.
pub const NAME: &str = "embedded";
/// A node on an empty store is ready within milliseconds.
const READY_WITHIN: Duration = Duration::from_secs(20);
const ASK_EVERY: Duration = Duration::from_millis(20);
/// How long a healthy node may take to answer.
const ANSWERS: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error("no port from 20000 to 29999 is free for {0}; stop what holds them")]
    NoFreePort(String),
    #[error("{0} cannot be a node: {1}")]
    Node(String, String),
    #[error("the embedded node {0}")]
    Start(String),
    #[error("the embedded cluster did not become ready {0}")]
    NotReady(poll::Expired),
}

/// A running embedded cluster; clones are the same cluster. Its nodes end when [`Embedded::end`] is called.
#[derive(Debug, Clone)]
pub struct Embedded(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    services: Services,
    cluster: Cluster,
    slots: BTreeMap<String, Slot>,
    ways: Ways,
}

impl Embedded {
    /// Starts the nodes of the roster, with a planted bug if one is named, and waits until all are ready.
    ///
    /// # Errors
    /// No port is free, a node cannot be made or does not become ready, or there is no such bug.
    pub async fn start(roster: &[String], plant: Option<&str>) -> Result<Self, EmbeddedError> {
        let services = Services::new();
        let mut slots = BTreeMap::new();
        let mut nodes = Vec::new();
        for name in roster {
            let slot = slot(name, plant, &services)?;
            let (id, url) = (slot.id().to_string(), format!("http://{}", slot.address()));
            nodes.push(Node { name: name.clone(), id, url, container: String::new() });
            slots.insert(name.clone(), slot);
        }
        let containers = roster.iter().map(String::as_str).chain(judge::plan::SERVICES);
        let cluster = Cluster {
            containers: containers.map(|service| (service.to_owned(), String::new())).collect(),
            memory: Some(services.clone()),
            ..Cluster::of_nodes(NAME, nodes)
        };
        let embedded = Self(Arc::new(Inner { services, cluster, slots, ways: Ways::default() }));
        for name in roster {
            if let Err(error) = embedded.start_node(name).await {
                embedded.end().await;
                return Err(EmbeddedError::Start(error));
            }
        }
        match embedded.wait_ready().await {
            Ok(()) => Ok(embedded),
            Err(expired) => {
                embedded.end().await;
                Err(EmbeddedError::NotReady(expired))
            }
        }
    }

    /// As the rest of the harness knows a cluster.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.0.cluster
    }

    /// From now on each node's log is in `<folder>/<service>.log`, with all that it said before.
    ///
    /// # Errors
    /// The files cannot be made.
    pub fn log_into(&self, folder: &Path) -> std::io::Result<()> {
        self.0.slots.iter().try_for_each(|(name, slot)| slot.log().open(&folder.join(format!("{name}.log"))))
    }

    /// Writes out what nodes have logged.
    pub fn flush_logs(&self) {
        self.0.slots.values().for_each(|slot| slot.log().flush());
    }

    /// Ends every node at once.
    pub async fn end(&self) {
        for slot in self.0.slots.values() {
            slot.kill().await;
        }
        self.flush_logs();
    }

    pub(crate) fn services(&self) -> &Services {
        &self.0.services
    }

    fn slot(&self, service: &str) -> Result<&Slot, FaultError> {
        self.0.slots.get(service).ok_or_else(|| FaultError::Other(format!("{service} is no node of the embedded cluster")))
    }

    /// Starts a node, unless it lives; its ways are as faults have left them.
    async fn start_node(&self, service: &str) -> Result<(), String> {
        let slot = self.slot(service).map_err(|error| error.to_string())?;
        slot.start().await?;
        self.settle(service).await;
        Ok(())
    }

    /// Makes the way of a node to a service another, now and for its further lives.
    async fn change_way(&self, service: &str, link: Link, change: impl FnOnce(&mut Way)) {
        self.0.ways.change(service, link, change);
        self.settle(service).await;
    }

    /// Makes a service another, with all ways to it.
    async fn set_service(&self, link: Link, condition: Condition) {
        self.0.ways.set_frozen(link, condition == Condition::Frozen);
        self.0.services.set(link, condition);
        self.settle_all().await;
    }

    /// The keep-alives of all ways to a frozen service got no answer.
    async fn give_up_on(&self, link: Link) {
        self.0.ways.give_up_on(link);
        self.settle_all().await;
    }

    /// The wire of a node's present life; `None` while it has none.
    async fn wire(&self, service: &str, link: Link) -> Option<Wire> {
        let wires = self.0.slots.get(service)?.wires().await?;
        Some(match link {
            Link::Nats => wires.bus,
            Link::Redis => wires.store,
        })
    }

    fn way(&self, service: &str, link: Link) -> Way {
        self.0.ways.of(service, link)
    }

    /// Has no living node a link to the service?
    async fn links_are_down(&self, link: Link) -> bool {
        for service in self.0.slots.keys() {
            if self.wire(service, link).await.is_some_and(|wire| wire.link().is_up()) {
                return false;
            }
        }
        true
    }

    /// Writes nothing, under the limits of a write.
    async fn try_write(&self) -> Result<(), String> {
        let Some(slot) = self.0.slots.values().next() else { return Err("the cluster has no nodes".to_owned()) };
        let handle = self.0.services.store().attach(slot.settings(), slot.id());
        handle.try_write().await.map_err(|error| error.to_string())
    }

    async fn settle_all(&self) {
        for service in self.0.slots.keys() {
            self.settle(service).await;
        }
    }

    async fn settle(&self, service: &str) {
        for link in [Link::Nats, Link::Redis] {
            if let Some(wire) = self.wire(service, link).await {
                self.0.ways.put(service, link, &wire);
            }
        }
    }

    async fn wait_ready(&self) -> Result<(), poll::Expired> {
        poll::until(READY_WITHIN, ASK_EVERY, || async {
            for node in &self.0.cluster.nodes {
                ready(node).await?;
            }
            Ok(())
        })
        .await
    }
}

/// Says what it answered instead.
async fn ready(node: &Node) -> Result<(), String> {
    let url = format!("{}/health/ready", node.url);
    let reply = http::get(&http::client(ANSWERS), &url).await.map_err(|error| error.to_string())?;
    if reply.status == 200 { Ok(()) } else { Err(format!("{url} answered {}", reply.status)) }
}

fn slot(name: &str, plant: Option<&str>, services: &Services) -> Result<Slot, EmbeddedError> {
    let wrong = |error: String| EmbeddedError::Node(name.to_owned(), error);
    let port = cluster::pick().ok_or_else(|| EmbeddedError::NoFreePort(name.to_owned()))?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // Scaled nodes have a dot in their names.
    let id = NodeId::new(&name.replace('.', "-")).map_err(|error| wrong(error.to_string()))?;
    let plant = plant.map(|bug| format!("--plant={bug}"));
    let flags = ["node".to_owned(), format!("--node-id={id}"), format!("--listen={address}")].into_iter().chain(plant);
    let settings = Cli::try_parse_from(flags).map_err(|error| wrong(error.to_string()))?.settings;
    Ok(Slot::new(id, address, settings, services.clone()))
}

#[async_trait::async_trait]
impl Ground for Embedded {
    fn cluster(&self) -> &Cluster {
        &self.0.cluster
    }

    fn fault(&self, kind: FaultKind) -> Result<Box<dyn Fault<Self>>, String> {
        faults::of(kind)
    }

    fn target(&self, service: &str) -> Result<Target, FaultError> {
        if self.0.cluster.containers.contains_key(service) {
            return Ok(Target { service: service.to_owned(), container: String::new() });
        }
        Err(FaultError::Other(format!("the embedded cluster has no service {service}")))
    }

    async fn tidy(&self) -> Result<(), String> {
        Ok(())
    }
}
