//! A plan: a scenario resolved, validated and seeded. The same scenario and seed give the same plan, byte for byte.

mod resolve;
mod slots;
mod targets;

use std::collections::BTreeMap;

pub use resolve::{Overrides, PlanError, STEADY_MIN_MS, STEADY_MIN_OPS, resolve};
pub use slots::{Slots, amount_minor};

use serde::{Deserialize, Serialize};

/// Version of the format of `plan.json`, in its `format`.
pub const FORMAT: u32 = 1;

/// The services that are no nodes.
pub const SERVICES: [&str; 2] = ["nats", "redis"];

/// All that a run will do, and what its result is held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub format: u32,
    pub scenario: String,
    pub hypothesis: String,
    pub seed: u64,
    /// Node service names, e.g. `cluster-node-1`.
    pub roster: Vec<String>,
    pub load: Load,
    /// In order of `at_ms`.
    pub faults: Vec<Fault>,
    pub expect: Expect,
    /// The least that the run must have put to the test, by counter name.
    pub exercise: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    pub profile: Profile,
    /// Operations per second over all nodes.
    pub rate: f64,
    pub duration_ms: u64,
    /// The first part of the load, left out of the steady state.
    pub warm_up_ms: u64,
    pub client_timeout_ms: u64,
    /// Logical clients per node.
    pub processes_per_node: u32,
    pub keys: Keys,
    /// How many distinct customers.
    pub customers: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    Constant,
    Poisson,
}

/// Share of operations that come back to an order id already used.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Keys {
    pub repeat: f64,
    pub conflict: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    pub kind: FaultKind,
    /// As the scenario wrote it.
    pub target: String,
    /// Service names that it resolved to.
    pub services: Vec<String>,
    /// From the start of the load.
    pub at_ms: u64,
    /// 0 for a fault that heals itself (restart).
    pub for_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// SIGTERM, then SIGKILL after the grace period; healed by starting it.
    Stop,
    /// SIGKILL; healed by starting it.
    Kill,
    /// All processes frozen; healed by thawing them.
    Pause,
    /// Stopped and started in one call of the engine; heals itself.
    Restart,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Expect {
    pub propagation_p99_ms: Option<f64>,
    pub recovery_ms: Option<f64>,
    pub backlog_drained_ms: Option<f64>,
    pub availability: Option<f64>,
}

/// One arrival of the open schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// From the start of the load.
    pub at_us: u64,
    /// Index into the roster.
    pub node: usize,
    pub kind: crate::history::OpKind,
    /// Number of the order within the run; the order id is `<nonce>-<number>`.
    pub order: u64,
    pub customer_id: String,
    pub amount_minor: u64,
}

impl Plan {
    /// The open schedule of the load, in order of time. Slots are made as they are asked for: the same plan gives the
    /// same slots.
    #[must_use]
    pub fn slots(&self) -> Slots {
        Slots::new(self)
    }

    /// The earliest time, from the start of the load, at which the steady state has been measured.
    #[must_use]
    pub fn steady_by_ms(&self) -> u64 {
        resolve::steady_by_ms(self.load.rate, self.load.warm_up_ms)
    }
}

impl Fault {
    /// As a reader would say it, e.g. `kill cluster-node-3`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{} {}", self.kind.word(), self.services.join("+"))
    }
}

impl FaultKind {
    /// The word that scenarios use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Restart => "restart",
        }
    }

    /// Is it over by itself, without a heal?
    #[must_use]
    pub fn heals_itself(self) -> bool {
        match self {
            Self::Restart => true,
            Self::Stop | Self::Kill | Self::Pause => false,
        }
    }
}
