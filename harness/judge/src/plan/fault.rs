//! What a fault is: its kind with its parameters, and what of the cluster it takes hold of.

mod terms;
mod words;

use serde::{Deserialize, Serialize};

pub use terms::{Direction, Link, Need, Part, Peer, Scope, Via};

use super::Dynamic;
use crate::seed::Stream;

/// A fault of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    #[serde(flatten)]
    pub kind: FaultKind,
    /// As the scenario wrote it.
    pub target: String,
    /// Service names that it resolved to; empty where it is resolved only when the fault is injected.
    pub services: Vec<String>,
    /// From the start of the load.
    pub at_ms: u64,
    /// 0 for a fault that heals itself.
    pub for_ms: u64,
}

impl Fault {
    /// As a reader would say it, e.g. `kill cluster-node-3`.
    #[must_use]
    pub fn label(&self) -> String {
        self.label_on(&self.services)
    }

    /// The same, with the services that it really hit.
    #[must_use]
    pub fn label_on(&self, services: &[String]) -> String {
        let services = if services.is_empty() { self.target.clone() } else { services.join("+") };
        format!("{} {services}", self.kind)
    }

    /// How its target is found, if only when it is injected.
    #[must_use]
    pub fn dynamic(&self) -> Option<Dynamic> {
        if self.services.is_empty() { Dynamic::of(&self.target) } else { None }
    }

    /// Every service that it may hold: one that finds its target only later may hold any node.
    pub(crate) fn may_hold<'a>(&'a self, roster: &'a [String]) -> &'a [String] {
        if self.dynamic().is_some() { roster } else { &self.services }
    }

    /// Until when it holds its services, from the start of the load.
    pub(crate) fn held_until_ms(&self) -> u64 {
        self.at_ms + self.for_ms.max(self.kind.longest_ms())
    }
}

/// What is done to a target, with all that it needs to know.
///
/// In a scenario the parameters stand beside `kind`, with units: `latency = "50ms"`, `limit = "64MiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    // Processes.
    /// SIGTERM, then SIGKILL after the grace period; healed by starting it.
    Stop,
    /// SIGTERM, and the process must end by itself, with success, within its grace; healed by starting it.
    Drain,
    /// SIGKILL; healed by starting it.
    Kill,
    /// All processes frozen; healed by thawing them.
    Pause,
    /// Stopped and started in one call of the engine; heals itself.
    Restart,
    /// One target after the other is restarted, each only when the one before is healthy again; heals itself.
    RollingRestart,
    /// Killed, started again, and after a pause killed again; healed by starting it.
    CrashLoop {
        pause_ms: u64,
    },

    // Networks.
    /// No packet passes between the target and a peer, in one or both directions.
    Cut {
        from: Peer,
        direction: Direction,
    },
    /// A cut that comes and goes.
    Flap {
        from: Peer,
        down_ms: u64,
        up_ms: u64,
    },

    // Links: a node's connections to one service.
    /// What is sent arrives later.
    Delay {
        link: Link,
        via: Via,
        latency_ms: u64,
        jitter_ms: u64,
        /// Of the jitter's draws; the plan draws it.
        #[serde(default)]
        seed: u64,
    },
    /// So much passes in a second, in each direction.
    Bandwidth {
        link: Link,
        bytes_per_second: u64,
    },
    /// Connections stay open, and nothing arrives.
    BlackHole {
        link: Link,
        direction: Direction,
    },
    /// Connections that are open are reset at once, new ones so long after they were opened.
    Reset {
        link: Link,
        after_ms: u64,
    },
    /// What is sent arrives in small pieces with pauses between them.
    Slice {
        link: Link,
        bytes: u64,
        gap_us: u64,
    },
    /// The service's side of each connection is closed; what the node sends still arrives.
    HalfClose {
        link: Link,
    },
    /// Requests arrive, answers do not; the connection is reset so long after the first answer that was dropped.
    DropReplies {
        link: Link,
        after_ms: u64,
    },

    // Resources.
    /// Thousandths of a core.
    Cpu {
        millicpus: u64,
    },
    Memory {
        bytes: u64,
    },
    /// The data volume is filled to the last byte.
    DiskFull,
    /// The process may open so many files.
    Descriptors {
        limit: u64,
    },

    // Services.
    /// Every message of the stream is removed.
    PurgeStream,
    DeleteStream,
    /// The target node's own consumer is deleted.
    DeleteConsumer,
    /// NATS enters lame-duck mode: it takes no new connection, ends those it has one by one, and then itself; healed by
    /// starting it.
    LameDuck,
    /// Redis refuses writes.
    ReadOnly,
    /// Redis refuses what needs memory.
    OutOfMemory,
    /// Every client connection of Redis is closed; heals itself.
    ClientKill,
    /// Redis forgets all scripts; heals itself.
    ScriptFlush,
    /// One script keeps Redis busy for so long; heals itself.
    SlowScript {
        length_ms: u64,
    },
    /// The data volume goes back to what it was so long before: what losing power does to unsynced data. Heals itself.
    RollBack {
        lose_ms: u64,
    },

    // Scale.
    /// So many nodes instead of those of the roster.
    ScaleOut {
        nodes: u64,
    },
}

impl FaultKind {
    /// Draws what a kind leaves to chance while it is in force.
    pub(super) fn draw(&mut self, stream: &mut Stream) {
        if let Self::Delay { seed, .. } = self {
            *seed = stream.below(1 << 32);
        }
    }

    /// Is it over by itself, without a heal?
    #[must_use]
    pub fn heals_itself(self) -> bool {
        self.longest_ms() > 0
    }

    /// For a fault that heals itself: how long it is taken to hold its target; else 0.
    #[must_use]
    pub fn longest_ms(self) -> u64 {
        match self {
            // A node may take 10 s to drain.
            Self::Restart => 10_000,
            Self::RollingRestart => 60_000,
            Self::PurgeStream | Self::DeleteStream | Self::DeleteConsumer | Self::ClientKill | Self::ScriptFlush => 1_000,
            Self::SlowScript { length_ms } => length_ms + 1_000,
            Self::RollBack { lose_ms } => lose_ms + 20_000,
            _ => 0,
        }
    }

    /// Does it take away what was acknowledged by destroying it from below?
    #[must_use]
    pub fn destroys(self) -> bool {
        matches!(self, Self::PurgeStream | Self::DeleteStream | Self::RollBack { .. })
    }

    #[must_use]
    pub fn part(self) -> Part {
        match self {
            Self::Stop
            | Self::Drain
            | Self::Kill
            | Self::Pause
            | Self::Restart
            | Self::RollingRestart
            | Self::CrashLoop { .. }
            | Self::LameDuck
            | Self::RollBack { .. } => Part::Process,
            Self::Cut { .. } | Self::Flap { .. } => Part::Network,
            Self::Delay { link, .. }
            | Self::Bandwidth { link, .. }
            | Self::BlackHole { link, .. }
            | Self::Reset { link, .. }
            | Self::Slice { link, .. }
            | Self::HalfClose { link }
            | Self::DropReplies { link, .. } => Part::Link(link),
            Self::Cpu { .. } => Part::Cpu,
            Self::Memory { .. } => Part::Memory,
            Self::DiskFull => Part::Disk,
            Self::Descriptors { .. } => Part::Descriptors,
            Self::PurgeStream | Self::DeleteStream | Self::DeleteConsumer => Part::Stream,
            Self::ReadOnly | Self::OutOfMemory | Self::ClientKill | Self::ScriptFlush | Self::SlowScript { .. } => Part::Settings,
            Self::ScaleOut { .. } => Part::Scale,
        }
    }

    /// May the two not be on one service at once?
    #[must_use]
    pub fn clashes_with(self, other: Self) -> bool {
        // Rolling back replaces the volume that the other fills.
        let on_one_volume = |one: Self, other: Self| matches!((one, other), (Self::RollBack { .. }, Self::DiskFull));
        // Coming back to a network is a new interface, and the kernel's delay lies on the old one.
        let on_one_interface =
            |one: Self, other: Self| matches!(one, Self::Delay { via: Via::Netem, .. }) && other.part() == Part::Network;
        let either = |clash: &dyn Fn(Self, Self) -> bool| clash(self, other) || clash(other, self);
        self.part() == other.part() || either(&on_one_volume) || either(&on_one_interface)
    }

    #[must_use]
    pub fn scope(self) -> Scope {
        match self {
            Self::Stop
            | Self::Kill
            | Self::Pause
            | Self::Restart
            | Self::CrashLoop { .. }
            | Self::Cpu { .. }
            | Self::Memory { .. } => Scope::Any,
            Self::Drain
            | Self::RollingRestart
            | Self::Cut { .. }
            | Self::Flap { .. }
            | Self::Delay { .. }
            | Self::Bandwidth { .. }
            | Self::BlackHole { .. }
            | Self::Reset { .. }
            | Self::Slice { .. }
            | Self::HalfClose { .. }
            | Self::DropReplies { .. }
            | Self::Descriptors { .. }
            | Self::DeleteConsumer
            | Self::ScaleOut { .. } => Scope::Nodes,
            Self::DiskFull | Self::RollBack { .. } => Scope::Stores,
            Self::PurgeStream | Self::DeleteStream | Self::LameDuck => Scope::Nats,
            Self::ReadOnly | Self::OutOfMemory | Self::ClientKill | Self::ScriptFlush | Self::SlowScript { .. } => Scope::Redis,
        }
    }

    #[must_use]
    pub fn need(self) -> Option<Need> {
        match self {
            Self::Delay { via: Via::Netem, .. } => Some(Need::Netem),
            Self::Delay { .. }
            | Self::Bandwidth { .. }
            | Self::BlackHole { .. }
            | Self::Reset { .. }
            | Self::Slice { .. }
            | Self::HalfClose { .. }
            | Self::DropReplies { .. } => Some(Need::Proxy),
            Self::Cut { from, direction } => {
                let by_network = matches!(from, Peer::Nats | Peer::Redis) && direction == Direction::Both;
                (!by_network).then_some(Need::Helper)
            }
            Self::Flap { from, .. } => matches!(from, Peer::Clients | Peer::All).then_some(Need::Helper),
            Self::Descriptors { .. } => Some(Need::Helper),
            Self::DiskFull => Some(Need::SmallDisks),
            _ => None,
        }
    }
}
