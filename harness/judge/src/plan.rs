//! A plan: a scenario resolved, validated and seeded. The same scenario and seed give the same plan, byte for byte.

mod abilities;
mod arrivals;
mod checks;
mod customers;
mod error;
mod fault;
mod limits;
mod profile;
mod random;
mod recorded;
mod resolve;
mod slots;
mod targets;

use std::collections::{BTreeMap, BTreeSet};

pub use abilities::Abilities;
pub use error::PlanError;
pub use fault::{Direction, Fault, FaultKind, Link, Need, Part, Peer, Scope, Via};
pub use limits::NODES_MAX;
pub use profile::Profile;
pub use recorded::{RECORDED_MAX, Recorded, RecordedError};
pub use resolve::{Overrides, STEADY_MIN_MS, STEADY_MIN_OPS, resolve};
pub use slots::{Slots, amount_minor};
pub use targets::{Dynamic, TargetError};

use serde::{Deserialize, Serialize};

use crate::figure::Threshold;
use crate::scenario::GuardSpec;

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
    /// When the run is given up before its end.
    #[serde(default)]
    pub guard: Guard,
    /// What faults destroy from below is excused, within the rules of `durability`.
    #[serde(default)]
    pub durability_limit: bool,
    /// How long after load and faults the cluster has to come to rest.
    #[serde(default = "resolve::default_quiescent_within_ms")]
    pub quiescent_within_ms: u64,
    pub expect: Expect,
    /// The least that the run must have put to the test, by counter name.
    pub exercise: BTreeMap<String, u64>,
}

/// What makes a run give up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// No node has answered for so long.
    pub all_nodes_down_ms: u64,
    /// Less is free where runs are kept.
    pub disk_free_bytes: u64,
    /// A shell command that fails.
    pub probe: Option<String>,
    pub probe_every_ms: u64,
}

impl Default for Guard {
    fn default() -> Self {
        resolve::guard(&GuardSpec::default())
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    pub profile: Profile,
    /// Operations per second over all nodes: of `ramp` at its end, of `steps` in the highest, of `spike` outside of it, of
    /// `replay` on average.
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
    /// Exponent of the Zipf distribution over customers; at 0 each has as many orders as any other.
    #[serde(default)]
    pub customer_skew: f64,
    /// Least and greatest size of a request's body, in bytes; `None`: as short as it can be.
    #[serde(default)]
    pub body_bytes: Option<(u32, u32)>,
    /// In the order of the roster, how large each node's share is; none: all alike.
    #[serde(default)]
    pub weights: Vec<u32>,
    #[serde(default)]
    pub model: Model,
}

/// Shares of operations that come back to an order id already used.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Keys {
    pub repeat: f64,
    pub conflict: f64,
    /// Replays of the run's first order.
    #[serde(default)]
    pub hot: f64,
    /// An earlier order is read back.
    #[serde(default)]
    pub read: f64,
}

/// Who decides when an operation begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// The schedule, whatever the cluster does.
    #[default]
    Open,
    /// So many users over all nodes, each of whom thinks for so long after its answer and then goes on. The profile and the
    /// rate say nothing then.
    Closed { users: u32, think_ms: u64 },
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Expect {
    pub propagation_p99_ms: Option<f64>,
    pub recovery_ms: Option<f64>,
    pub backlog_drained_ms: Option<f64>,
    pub availability: Option<f64>,
    /// On any other figure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<Threshold>,
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
    /// The body of its request is filled up to so many bytes.
    pub body_bytes: u32,
}

impl Plan {
    /// The operations of the load, in order of time. Slots are made as they are asked for: the same plan gives the same
    /// slots. In the closed model there is no end to them, and their times and nodes say nothing.
    #[must_use]
    pub fn slots(&self) -> Slots {
        Slots::new(self)
    }

    /// How many operations the schedule has; `None` in the closed model, which has none.
    #[must_use]
    pub fn offered(&self) -> Option<u64> {
        (!self.load.is_closed()).then(|| self.slots().count() as u64)
    }

    /// All customers that orders of the run may name, without its nonce.
    #[must_use]
    pub fn customers(&self) -> BTreeSet<String> {
        if self.load.is_closed() {
            return (1..=self.load.customers).map(|number| slots::customer_id(u64::from(number))).collect();
        }
        self.slots().map(|slot| slot.customer_id).collect()
    }

    /// The same load, without faults and what is expected or exercised only because of them.
    #[must_use]
    pub fn without_faults(&self) -> Self {
        let mut plan = self.clone();
        plan.faults.clear();
        plan.durability_limit = false;
        plan.exercise.retain(|name, _| crate::exercise::is_of_the_load(name));
        plan.expect.recovery_ms = None;
        plan.expect.backlog_drained_ms = None;
        plan.expect.thresholds.retain(|threshold| !threshold.is_of_faults());
        plan
    }

    /// The earliest time, from the start of the load, at which the steady state has been measured.
    #[must_use]
    pub fn steady_by_ms(&self) -> u64 {
        self.load.steady_by_ms()
    }
}

impl Load {
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.model != Model::Open
    }

    /// Of the closed model: how many users each of so many nodes has; in the open one none.
    #[must_use]
    pub fn users_by_node(&self, nodes: usize) -> Vec<u32> {
        let Model::Closed { users, .. } = self.model else { return vec![0; nodes] };
        let weight = |node: usize| u64::from(self.weights.get(node).copied().unwrap_or(1));
        let all = (0..nodes).map(weight).sum::<u64>().max(1);
        let exact = |node: usize| u64::from(users) * weight(node);
        let mut share: Vec<u64> = (0..nodes).map(|node| exact(node) / all).collect();
        // What division left over goes to those who lost the most by it.
        let mut by_loss: Vec<usize> = (0..nodes).collect();
        by_loss.sort_by_key(|node| std::cmp::Reverse(exact(*node) % all));
        let left = u64::from(users) - share.iter().sum::<u64>();
        by_loss.into_iter().zip(0..left).for_each(|(node, _)| share[node] += 1);
        share.into_iter().map(|users| u32::try_from(users).unwrap_or(u32::MAX)).collect()
    }

    /// As [`Plan::steady_by_ms`].
    fn steady_by_ms(&self) -> u64 {
        if self.is_closed() {
            return self.warm_up_ms + STEADY_MIN_MS;
        }
        let so_many = self.profile.so_many_by_ms(self.rate, self.duration_ms, self.warm_up_ms, STEADY_MIN_OPS);
        so_many.max(self.warm_up_ms + STEADY_MIN_MS)
    }
}
