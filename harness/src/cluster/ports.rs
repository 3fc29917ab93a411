//! The host ports of a cluster: which they will be, and whether they are to be had.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};

use super::{ClusterError, SCALED, listeners};
use crate::engine::{ContainerState, Engine, Publisher};

/// What a port of the cluster shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Port {
    /// As the environment, `.env` or the compose file says.
    #[default]
    Usual,
    /// Any that nobody holds.
    Free,
    Fixed(u16),
}

/// One port that the compose file publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    pub service: &'static str,
    pub variable: &'static str,
    pub inside: u16,
    /// 0 for one that is picked.
    pub usual: u16,
}

const PUBLISHED: [Published; 6] = [
    Published { service: "nats", variable: "CATGA_NATS_PORT", inside: 4222, usual: 4222 },
    Published { service: "nats", variable: "CATGA_NATS_MONITOR_PORT", inside: 8222, usual: 8222 },
    Published { service: "redis", variable: "CATGA_REDIS_PORT", inside: 6379, usual: 6379 },
    Published { service: "cluster-node-1", variable: "CATGA_NODE_1_PORT", inside: 8080, usual: 8081 },
    Published { service: "cluster-node-2", variable: "CATGA_NODE_2_PORT", inside: 8080, usual: 8082 },
    Published { service: "cluster-node-3", variable: "CATGA_NODE_3_PORT", inside: 8080, usual: 8083 },
];

/// The control interface of the fault proxy, which only some clusters have: any free port, unless somebody names one.
const LINKS: Published = Published { service: "links", variable: "CATGA_LINKS_PORT", inside: 9000, usual: 0 };

/// All host ports of a cluster, in the order of [`Ports::published`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ports([Port; PUBLISHED.len()]);

impl Ports {
    /// Free ones for all, so that several clusters can run side by side.
    #[must_use]
    pub fn free() -> Self {
        Self([Port::Free; PUBLISHED.len()])
    }

    /// What the compose file publishes.
    #[must_use]
    pub fn published() -> &'static [Published] {
        &PUBLISHED
    }

    /// Sets the port behind one of the compose file's variables; an unknown one changes nothing.
    #[must_use]
    pub fn with(mut self, variable: &str, port: Port) -> Self {
        for (published, ours) in PUBLISHED.iter().zip(&mut self.0) {
            if published.variable == variable {
                *ours = port;
            }
        }
        self
    }

    /// Decides every port, before compose has made half a cluster. A free one is chosen here rather than by the engine,
    /// which would choose anew at each start of a container: whoever is restarted has to be found again.
    ///
    /// With `links`, also that of the fault proxy; `further` is how many nodes there shall be beyond those that the compose
    /// file names.
    pub(super) async fn settle(
        &self,
        engine: &Engine,
        root: &Path,
        ours: &[ContainerState],
        links: bool,
        further: usize,
    ) -> Result<Settled, ClusterError> {
        let env_file = env_file(root)?;
        let mut settled = Settled { named: Vec::new(), further: Vec::new() };
        let of_links = links.then_some((&LINKS, Port::Usual));
        for (published, port) in PUBLISHED.iter().zip(self.0).chain(of_links) {
            let said = std::env::var(published.variable).ok().or_else(|| value_in(&env_file, published.variable));
            let said = said.or_else(|| (published.usual == 0).then(String::new));
            let Some(port) = resolve(published, port, said.as_deref())? else {
                let port = held(ours, published).or_else(pick).ok_or(ClusterError::NoFreePort { service: published.service })?;
                settled.named.push((published.variable, port));
                continue;
            };
            let held_by_us = ours.iter().any(|container| container.ports.values().any(|held| *held == port));
            if !held_by_us && is_taken(port) {
                let by = holder(engine, port).await?;
                return Err(ClusterError::PortTaken { port, service: published.service, by, variable: published.variable });
            }
            settled.named.push((published.variable, port));
        }
        for _ in 0..further {
            settled.further.push(pick().ok_or(ClusterError::NoFreePort { service: SCALED })?);
        }
        Ok(settled)
    }
}

/// The ports of a cluster that is about to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settled {
    /// What each of the compose file's variables stands for.
    named: Vec<(&'static str, u16)>,
    /// Those of further nodes, in order.
    further: Vec<u16>,
}

impl Settled {
    /// What the compose tool needs to be told.
    pub(super) fn environment(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.named.iter().map(|(variable, port)| (*variable, port.to_string()))
    }

    pub(super) fn further(&self) -> impl Iterator<Item = u16> {
        self.further.iter().copied()
    }
}

/// The port under which one of our containers publishes already, or will again once it runs: with another one, compose
/// would make it anew.
fn held(ours: &[ContainerState], published: &Published) -> Option<u16> {
    let of_service = ours.iter().find(|container| container.service == published.service)?;
    of_service.ports.get(&published.inside).or_else(|| of_service.fixed_ports.get(&published.inside)).copied()
}

/// A port that nobody holds, below those that the kernel gives to outgoing connections: one of those could be gone
/// when the container that published it starts again.
pub(crate) fn pick() -> Option<u16> {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Harnesses side by side begin in different places.
    let start = std::process::id().wrapping_mul(97) % u32::from(COUNT);
    (0..COUNT).find_map(|_| {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + u16::try_from((start + step) % u32::from(COUNT)).ok()?;
        (!is_taken(port)).then_some(port)
    })
}

/// A port of the default cluster that somebody holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenPort {
    pub port: u16,
    pub variable: &'static str,
    /// A container or a process, for a person.
    pub by: String,
    /// The compose project, if a container of one holds it.
    pub project: Option<String>,
}

/// The default cluster's ports that are taken now. Without an engine only processes are told.
pub async fn taken_ports(engine: Option<&Engine>) -> Vec<TakenPort> {
    let mut taken = Vec::new();
    for Published { variable, usual: port, .. } in PUBLISHED.into_iter().filter(|published| is_taken(published.usual)) {
        let publisher = match engine {
            Some(engine) => engine.publisher(port).await.ok().flatten(),
            None => None,
        };
        let by = publisher.as_ref().map_or_else(|| local_holder(port), container_holder);
        taken.push(TakenPort { port, variable, by, project: publisher.and_then(|publisher| publisher.project) });
    }
    taken
}

/// `None` if any free one will do.
fn resolve(published: &Published, port: Port, said: Option<&str>) -> Result<Option<u16>, ClusterError> {
    match (port, said) {
        (Port::Fixed(port), _) => Ok(Some(port)),
        (Port::Free, _) | (Port::Usual, Some("")) => Ok(None),
        (Port::Usual, None) => Ok(Some(published.usual)),
        (Port::Usual, Some(value)) => match value.parse() {
            Ok(port) => Ok(Some(port)),
            Err(_) => Err(ClusterError::BadPort { variable: published.variable, value: value.to_owned() }),
        },
    }
}

fn is_taken(port: u16) -> bool {
    // The engine publishes on loopback; a listener on all addresses is in its way, too.
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

async fn holder(engine: &Engine, port: u16) -> Result<String, ClusterError> {
    let container = engine.publisher(port).await?;
    Ok(container.as_ref().map_or_else(|| local_holder(port), container_holder))
}

fn container_holder(container: &Publisher) -> String {
    match &container.project {
        Some(project) => format!("container {} of compose project {project}", container.name),
        None => format!("container {}", container.name),
    }
}

fn local_holder(port: u16) -> String {
    match listeners::of_port(port) {
        Some(process) => format!("process {} ({})", process.id, process.name),
        None => String::from("a process that this user may not look at"),
    }
}

fn env_file(root: &Path) -> Result<String, ClusterError> {
    let path = root.join(".env");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(ClusterError::Read { path, error }),
    }
}

/// The last line that sets it counts, as it does for compose.
fn value_in(env_file: &str, variable: &str) -> Option<String> {
    let mut set = env_file.lines().rev().filter_map(|line| line.split_once('='));
    let (_, value) = set.find(|(name, _)| name.trim() == variable)?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: Published = PUBLISHED[3];

    #[test]
    fn a_port_is_what_was_asked_for_else_what_the_environment_says_else_the_usual() {
        let resolved = |port, said| resolve(&NODE, port, said).expect("a port");
        assert_eq!(resolved(Port::Usual, None), Some(8081));
        assert_eq!(resolved(Port::Usual, Some("9081")), Some(9081));
        assert_eq!(resolved(Port::Usual, Some("")), None);
        assert_eq!(resolved(Port::Free, Some("9081")), None);
        assert_eq!(resolved(Port::Fixed(7), Some("9081")), Some(7));
    }

    #[test]
    fn a_variable_that_is_no_port_is_named() {
        let error = resolve(&NODE, Port::Usual, Some("eighty")).expect_err("no port");
        assert_eq!(error.to_string(), "CATGA_NODE_1_PORT in the environment or in .env is eighty, and no port");
    }

    #[test]
    fn env_file_values_are_read_as_compose_reads_them() {
        let text = "# CATGA_NODE_1_PORT=1\nCATGA_NODE_1_PORT=2\nOTHER\nCATGA_NODE_1_PORT = \"3\"\n";
        assert_eq!(value_in(text, "CATGA_NODE_1_PORT").as_deref(), Some("3"));
        assert_eq!(value_in(text, "CATGA_NODE_2_PORT"), None);
    }

    #[test]
    fn a_listening_port_is_taken_and_its_process_named() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        assert!(is_taken(port));
        assert!(local_holder(port).starts_with(&format!("process {} (", std::process::id())), "{}", local_holder(port));
        drop(listener);
        assert!(!is_taken(port));
    }

    #[test]
    fn two_picked_ports_differ_and_lie_below_the_outgoing_ones() {
        let (one, other) = (pick().expect("a port"), pick().expect("a port"));
        assert_ne!(one, other);
        assert!((20_000..30_000).contains(&one) && (20_000..30_000).contains(&other), "{one} {other}");
    }
}
