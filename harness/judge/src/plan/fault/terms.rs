//! The words that kinds of faults are told in: what they take hold of, what they can be done to, what they need, and the
//! values of their parameters.

use serde::{Deserialize, Serialize};

use crate::plan::SERVICES;

/// What a target is cut from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    Nats,
    Redis,
    /// Whoever calls it over its published port.
    Clients,
    /// All of them.
    All,
}

impl Peer {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Redis => "redis",
            Self::Clients => "clients",
            Self::All => "all",
        }
    }
}

/// The service at the other end of a node's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    Nats,
    Redis,
}

impl Link {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Redis => "redis",
        }
    }
}

/// As seen from the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Both,
    /// What comes to the target.
    In,
    /// What the target sends.
    Out,
}

impl Direction {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// How a link is made worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// The TCP fault proxy between nodes and services.
    Proxy,
    /// The kernel's netem, where it has it.
    Netem,
}

/// What of a service a fault takes hold of. Two faults that hold the same part of the same service must not overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Process,
    Network,
    Link(Link),
    Cpu,
    Memory,
    Disk,
    Descriptors,
    /// The settings and connections of Redis.
    Settings,
    /// The stream and its consumers.
    Stream,
    Scale,
}

impl Part {
    /// As a sentence names it: `the process of redis`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Network => "network",
            Self::Link(Link::Nats) => "link to nats",
            Self::Link(Link::Redis) => "link to redis",
            Self::Cpu => "processor share",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Descriptors => "descriptors",
            Self::Settings => "settings",
            Self::Stream => "stream",
            Self::Scale => "scale",
        }
    }
}

/// Which targets a kind can be done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Nodes, NATS, Redis.
    Any,
    Nodes,
    /// NATS or Redis.
    Stores,
    Nats,
    Redis,
}

impl Scope {
    #[must_use]
    pub fn takes(self, service: &str, roster: &[String]) -> bool {
        match self {
            Self::Any => true,
            Self::Nodes => roster.iter().any(|node| node == service),
            Self::Stores => SERVICES.contains(&service),
            Self::Nats => service == "nats",
            Self::Redis => service == "redis",
        }
    }

    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Any => "nodes, nats and redis",
            Self::Nodes => "nodes",
            Self::Stores => "nats and redis",
            Self::Nats => "nats",
            Self::Redis => "redis",
        }
    }
}

/// What a cluster must have for a fault to be possible, beyond the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// The fault proxy between nodes and services.
    Proxy,
    /// A helper container beside the target: packet filters, resource limits, volumes.
    Helper,
    /// netem in the kernel.
    Netem,
    /// Data volumes of a fixed size.
    SmallDisks,
}

impl Need {
    pub const ALL: [Self; 4] = [Self::Proxy, Self::Helper, Self::Netem, Self::SmallDisks];

    /// As a list names it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Helper => "helper",
            Self::Netem => "netem",
            Self::SmallDisks => "small disks",
        }
    }

    /// As a sentence names it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Proxy => "the fault proxy between nodes and services",
            Self::Helper => "helper containers beside its services",
            Self::Netem => "the kernel's netem",
            Self::SmallDisks => "data volumes of a fixed size",
        }
    }
}
