//! A cluster, and how one is run under compose: brought up, found, looked at, taken down. Faults are the nemesis's, through the engine.
//!
//! Only what carries the harness's own mark is ever changed here; what somebody started by hand can be attached to.

mod compose;
mod listeners;
mod ports;
mod ready;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::embedded::Services;
use crate::engine::{ContainerState, Engine, EngineError, Status};
use crate::images::{Images, Progress};
use crate::poll::Expired;
use crate::tool::ToolError;
use crate::workspace::ROSTER;

pub use compose::ComposeTool;
pub(crate) use compose::{SCALED, run_beside, scale};
pub(crate) use ports::pick;
pub use ports::{Port, Ports, Published, TakenPort, taken_ports};
pub(crate) use ready::node_of;

/// Where a cluster runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// In containers, under the compose tool
    Compose,
    /// In this process, on services in memory
    Embedded,
}

impl Kind {
    /// In a history's header, and on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Compose => "compose",
            Self::Embedded => crate::embedded::NAME,
        }
    }
}

/// The mark on containers and volumes that the harness made; the compose file's default is `operator`.
pub const OWNER: &str = "harness";
/// The service that has the volumes of `deploy/small-disks.yml` mounted.
pub const KEEPER: &str = "keeper";
/// From the end of compose's work until everything is healthy; Redis may load a long append-only file.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// A service that was thawed passes its next health check within a few seconds.
const RECOVERED_WITHIN: Duration = Duration::from_secs(20);

/// A Catga node of a running cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Service name, `cluster-node-1`; further containers of one service carry their number, `cluster-node.2`.
    pub name: String,
    /// As its `/health` says.
    pub id: String,
    /// `http://127.0.0.1:8081`
    pub url: String,
    /// Engine id.
    pub container: String,
}

/// A cluster that was healthy when this was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    pub project: String,
    pub nodes: Vec<Node>,
    /// `127.0.0.1:4222`
    pub nats: String,
    /// `http://127.0.0.1:8222`
    pub nats_monitor: String,
    /// `127.0.0.1:6379`
    pub redis: String,
    /// `http://127.0.0.1:20017`, the control interface of the fault proxy, where it stands between nodes and services.
    #[serde(default)]
    pub links: Option<String>,
    /// Engine ids by service, named as [`Node::name`] is.
    pub containers: BTreeMap<String, String>,
    /// The image of helper containers; `None` where no fault of the plan needs one.
    #[serde(default)]
    pub helper: Option<String>,
    /// Store and stream, where they are in this process's memory; their addresses are then none.
    #[serde(skip)]
    pub memory: Option<Services>,
}

impl Cluster {
    /// Nodes without anything that belongs to them; what there is of it is added.
    #[must_use]
    pub fn of_nodes(project: &str, nodes: Vec<Node>) -> Self {
        Self {
            project: project.to_owned(),
            nodes,
            nats: String::new(),
            nats_monitor: String::new(),
            redis: String::new(),
            links: None,
            containers: BTreeMap::new(),
            helper: None,
            memory: None,
        }
    }
}

/// What an earlier run left in the project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Removed first, with its data.
    Fresh,
    /// Healed and used, with its data.
    Keep,
}

/// A compose file that is laid over the cluster's own, for what a fault needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlay {
    /// Data volumes of a fixed size, and a keeper that can fill them.
    SmallDisks,
}

impl Overlay {
    /// In the checkout.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::SmallDisks => "deploy/small-disks.yml",
        }
    }
}

#[derive(Debug, Clone)]
pub struct UpOptions {
    /// Where the compose file lies.
    pub root: PathBuf,
    pub start: Start,
    pub ports: Ports,
    /// How many nodes: those that the compose file names, then further ones.
    pub nodes: usize,
    /// The planted bug that the nodes run with, if any.
    pub plant: Option<String>,
    pub overlays: Vec<Overlay>,
}

#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(
        "no compose tool: neither `docker compose` nor `docker-compose` runs here; install one (`apt-get install docker-compose`, or your engine's compose plugin)"
    )]
    ComposeAbsent,
    #[error("{tool} is version {version}, and the compose file needs 1.27 or newer; upgrade it")]
    ComposeTooOld { tool: String, version: String },
    #[error("compose could not {what} project {project}: {error}")]
    Compose { what: &'static str, project: String, error: ToolError },
    #[error(
        "project {project} has things that the harness did not make: {}; attach to it with --use-running, or remove it with `docker-compose -p {project} down`",
        things.join(", ")
    )]
    Foreign { project: String, things: Vec<String> },
    #[error(
        "port {port} for {service} is taken by {by}; stop that, or choose another port in {variable} (empty picks a free one)"
    )]
    PortTaken { port: u16, service: &'static str, by: String, variable: &'static str },
    #[error("no port from 20000 to 29999 is free for {service}; stop what holds them, or name one by its CATGA_..._PORT")]
    NoFreePort { service: &'static str },
    #[error("{variable} in the environment or in .env is {value}, and no port")]
    BadPort { variable: &'static str, value: String },
    #[error("cannot read {path}: {error}", path = path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("project {project} did not become ready {expired}{logs}")]
    NotReady { project: String, expired: Expired, logs: String },
    #[error("project {project} has no containers; start it with `docker-compose up -d`, or leave out --use-running")]
    NothingRunning { project: String },
}

/// Brings the project up and waits until every service is healthy and every node ready.
///
/// # Errors
/// Somebody else's things are in the project, a port is taken, compose fails, or it does not become ready in time.
pub async fn up(
    engine: &Engine,
    tool: &ComposeTool,
    images: &Images,
    project: &str,
    options: &UpOptions,
    progress: Progress<'_>,
) -> Result<Cluster, ClusterError> {
    refuse_foreign(engine, project).await?;
    let found = engine.containers(project).await?;
    thaw(engine, &found).await?;
    engine.remove_helpers(project).await?;
    let run = compose::Run { engine, tool, root: &options.root, project };
    if options.start == Start::Fresh && something_is_left(engine, project, &found).await? {
        progress(&format!("removing what an earlier run left in project {project}"));
        run.down(true).await?;
    }
    ready::recovered(engine, project, RECOVERED_WITHIN).await;
    let found = engine.containers(project).await?;
    let further = options.nodes.saturating_sub(ROSTER.len());
    let ports = options.ports.settle(engine, &options.root, &found, images.proxy.is_some(), further).await?;
    progress(&format!("starting project {project}"));
    run.up(images, &ports, options).await?;
    ready::wait(engine, project, READY_WITHIN).await
}

/// Finds a running cluster, of whomever, and waits until it is healthy. Changes nothing.
///
/// # Errors
/// There is none, or it does not become ready in time.
pub async fn attach(engine: &Engine, project: &str) -> Result<Cluster, ClusterError> {
    if engine.containers(project).await?.is_empty() {
        return Err(ClusterError::NothingRunning { project: project.to_owned() });
    }
    ready::wait(engine, project, READY_WITHIN).await
}

/// Takes our own project down; its data stays unless `remove_volumes`. Says whether there was anything.
///
/// # Errors
/// Somebody else's things are in the project, or compose fails.
pub async fn down(
    engine: &Engine,
    tool: &ComposeTool,
    root: &std::path::Path,
    project: &str,
    remove_volumes: bool,
) -> Result<bool, ClusterError> {
    refuse_foreign(engine, project).await?;
    // Compose knows nothing of them, and what they hold it cannot remove.
    let helpers = engine.remove_helpers(project).await?;
    let found = engine.containers(project).await?;
    if !something_is_left(engine, project, &found).await? {
        return Ok(helpers > 0);
    }
    thaw(engine, &found).await?;
    compose::Run { engine, tool, root, project }.down(remove_volumes).await?;
    Ok(true)
}

/// Every container of the project as the engine sees it now, by service.
pub async fn status(engine: &Engine, project: &str) -> Result<Vec<ContainerState>, EngineError> {
    engine.containers(project).await
}

/// The name by which the rest of the harness knows a container.
#[must_use]
pub fn service_name(container: &ContainerState) -> String {
    match container.number {
        0 | 1 => container.service.clone(),
        number => format!("{}.{number}", container.service),
    }
}

async fn refuse_foreign(engine: &Engine, project: &str) -> Result<(), ClusterError> {
    let ours = |owner: &Option<String>| owner.as_deref() == Some(OWNER);
    let containers = engine.containers(project).await?;
    let volumes = engine.volumes(project).await?;
    let things: Vec<String> = containers
        .iter()
        .filter(|container| !ours(&container.owner))
        .map(|container| format!("container {}", container.name))
        .chain(volumes.iter().filter(|volume| !ours(&volume.owner)).map(|volume| format!("volume {}", volume.name)))
        .collect();
    if things.is_empty() { Ok(()) } else { Err(ClusterError::Foreign { project: project.to_owned(), things }) }
}

/// Compose hangs on a frozen container, whether it starts or stops it.
async fn thaw(engine: &Engine, containers: &[ContainerState]) -> Result<(), EngineError> {
    for container in containers.iter().filter(|container| container.status == Status::Paused) {
        engine.unpause(&container.id).await?;
    }
    Ok(())
}

async fn something_is_left(engine: &Engine, project: &str, containers: &[ContainerState]) -> Result<bool, EngineError> {
    Ok(!containers.is_empty() || !engine.volumes(project).await?.is_empty())
}
