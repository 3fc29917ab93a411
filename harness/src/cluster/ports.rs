//! The host ports of a cluster: which they will be, and whether they are to be had.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use super::{ClusterError, listeners};
use crate::engine::{ContainerState, Engine, Publisher};

/// What a port of the cluster shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Port {
    /// As the environment, `.env` or the compose file says.
    #[default]
    Usual,
    /// Whatever the engine picks.
    Free,
    Fixed(u16),
}

/// One port that the compose file publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    pub service: &'static str,
    pub variable: &'static str,
    pub inside: u16,
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

    /// What the compose tool needs to be told; an empty value picks a free port.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let said = PUBLISHED.iter().zip(self.0).filter_map(|(published, port)| match port {
            Port::Usual => None,
            Port::Free => Some((published.variable, String::new())),
            Port::Fixed(port) => Some((published.variable, port.to_string())),
        });
        said.collect()
    }

    /// Refuses a port that somebody else holds, before compose has made half a cluster.
    pub(super) async fn refuse_taken(&self, engine: &Engine, root: &Path, ours: &[ContainerState]) -> Result<(), ClusterError> {
        let env_file = env_file(root)?;
        for (published, port) in PUBLISHED.iter().zip(self.0) {
            let said = std::env::var(published.variable).ok().or_else(|| value_in(&env_file, published.variable));
            let Some(port) = resolve(published, port, said.as_deref())? else {
                continue;
            };
            let held_by_us = ours.iter().any(|container| container.ports.values().any(|held| *held == port));
            if !held_by_us && is_taken(port) {
                let by = holder(engine, port).await?;
                return Err(ClusterError::PortTaken { port, service: published.service, by, variable: published.variable });
            }
        }
        Ok(())
    }
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

/// `None` if the engine will pick a free one.
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
    fn free_ports_are_asked_for_by_empty_variables() {
        let ports = Ports::free().with("CATGA_REDIS_PORT", Port::Fixed(7000)).with("CATGA_NATS_PORT", Port::Usual);
        let environment = ports.environment();
        assert_eq!(environment.len(), 5);
        assert!(environment.contains(&("CATGA_REDIS_PORT", String::from("7000"))));
        assert!(environment.contains(&("CATGA_NODE_1_PORT", String::new())));
    }
}
