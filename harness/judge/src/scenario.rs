//! A scenario as it is written: TOML, opening with its hypothesis.
//!
//! ```toml
//! hypothesis = "stopping one node loses no accepted order"
//!
//! durability_limit = true     # excuse what a fault destroys from below (roll_back, purge_stream, delete_stream)
//! quiescent_within = "60s"    # how long the cluster has to come to rest after load and faults; this is the default
//!
//! [cluster]
//! nodes = 5                   # default 3
//!
//! [load]
//! profile = "constant"        # constant | poisson | ramp | steps | spike | replay
//! rate = 300                  # operations per second over all nodes; not with `steps` and `arrivals`
//! duration = "40s"
//! # from = 30                 # ramp: the rate at its beginning; `rate` is that at its end; default a tenth of it
//! # steps = [100, 200, 300]   # steps: the rates, each for an equal part of the load
//! # spike = { rate = 900, at = "15s", for = "5s" }   # spike: the rate that stands in for `rate` for a while
//! # arrivals = "times.txt"    # replay: a file with one time a line, or the folder of an earlier run
//! warm_up = "3s"              # left out of the steady state; default 3s
//! keys = { repeat = 0.03, conflict = 0.01, hot = 0.1, read = 0.2 }   # or "unique" (default), "hot"
//! customers = 500             # how many distinct customers; default 500
//! customer_skew = 1.1         # the k-th of them has 1 / k^1.1 as many orders as the first; default 0, all alike
//! body = ["200B", "4KiB"]     # sizes of request bodies; default as short as they can be
//! shares = { cluster-node-1 = 3 }   # of the load, by node; default 1 each
//! client_timeout = "2s"       # an operation is given up after this; default 2s
//! # model = "closed"          # instead of a profile and a rate: so many
//! # users = 60                # clients, each of whom waits for its answer,
//! # think = "100ms"           # then thinks, then goes on
//! # processes_per_node = 240  # at least 1.2 x rate per node x client_timeout, which is the default
//!
//! [[fault]]
//! at = "10s"                  # from the start of the load
//! for = "10s"                 # not for `restart`, which heals itself
//! kind = "stop"               # all kinds, with their parameters: `FaultKind`
//! target = "one"
//! # every = "10s"             # comes again, so long after each start,
//! # times = 3                 # so often in all
//!
//! [nemesis]                   # a random nemesis: faults that the seed draws, each with its time and target
//! from = "10s"                # default: as soon as the steady state is measured
//! until = "35s"               # default: the end of the load; every fault is over by then
//! at_most = 1                 # services hurt at once; default 1
//! calm = "3s"                 # at_most = 1: between two faults; else: until the same service is hurt again; default 3s
//! faults = [
//!     { kind = "kill", target = "one", weight = 3, for = ["1s", "4s"] },
//!     { kind = "pause", target = "redis", for = "2s" },
//! ]
//!
//! [guard]                     # when the run is given up: healed, judged, and at best unknown
//! all_nodes_down = "60s"      # no node has answered for so long; this is the default
//! disk_free = "512MiB"        # less is free where runs are kept; this is the default
//! probe = "curl -fs http://127.0.0.1:3000/health"   # a shell command that fails; CATGA_NODE_URLS tells it the nodes
//! probe_every = "5s"
//!
//! [expect]
//! propagation_p99 = "250ms"   # outside fault windows
//! recovery = "10s"
//! backlog_drained = "15s"
//! availability = 0.99
//! "latency.place.p99" = "50 ms"                # any figure of docs/report.md, in quotes
//! "throughput.acknowledged" = ">= 290/s"
//!
//! [exercise]                  # the least that the run must have put to the test
//! redeliveries = 10
//! ```
//!
//! A target is a service name (`cluster-node-2`, `nats`, `redis`), or one of
//! - `one`: a node that the seed picks, if possible one that no overlapping fault holds;
//! - `node-a`, `node-b`, `node-c`, ...: the nodes in an order that the seed chooses once for the whole plan, so that
//!   different letters always hit different nodes, and the same letter the same node again;
//! - `minority`, `majority`: fewer and more than half of the nodes, picked by the seed; `all`: every node;
//! - `busiest`, `most-leases`, `last-hit`: found when the fault is injected. The node that accepted the most orders in
//!   the last seconds; the one that holds the most leases in the outbox; the nodes that the fault before hit.

mod error;
mod expect;
mod fault;
mod guard;
mod load;
mod nemesis;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;

pub use error::ScenarioError;
pub use expect::ExpectSpec;
pub use fault::{DrawnSpec, FaultSpec, Repeat};
pub use guard::GuardSpec;
pub use load::{LoadSpec, ModelName, ProfileName, SpikeSpec};
pub use nemesis::NemesisSpec;
pub use values::parse_duration;

use crate::exercise;
use crate::plan::{FaultKind, Need};

/// What a scenario file says, with defaults filled in and nothing resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The file's name without folder and extension.
    pub name: String,
    pub hypothesis: String,
    /// What faults destroy from below is excused.
    pub durability_limit: bool,
    /// How long after load and faults the cluster has to come to rest.
    pub quiescent_within: Duration,
    /// Of the cluster that it is run on.
    pub nodes: usize,
    pub load: LoadSpec,
    pub faults: Vec<FaultSpec>,
    pub nemesis: Option<NemesisSpec>,
    pub guard: GuardSpec,
    pub expect: ExpectSpec,
    /// By the names in [`crate::exercise::NAMES`].
    pub exercise: BTreeMap<String, u64>,
}

/// The `[cluster]` table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClusterSpec {
    #[serde(deserialize_with = "values::nodes")]
    nodes: usize,
}

impl Default for ClusterSpec {
    fn default() -> Self {
        Self { nodes: NODES }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    hypothesis: String,
    #[serde(default)]
    durability_limit: bool,
    #[serde(default = "values::default_quiescent_within", deserialize_with = "values::duration")]
    quiescent_within: Duration,
    #[serde(default)]
    cluster: ClusterSpec,
    load: LoadSpec,
    #[serde(default)]
    fault: Vec<fault::Table>,
    nemesis: Option<nemesis::Table>,
    #[serde(default)]
    guard: GuardSpec,
    #[serde(default)]
    expect: expect::Table,
    #[serde(default)]
    exercise: BTreeMap<toml::Spanned<String>, u64>,
}

/// A scenario that draws its faults may name so many in `[expect]`.
const FAULTS_MAX: usize = 64;

/// How long a cluster has to come to rest where the scenario does not say: enough for a backlog of 50,000 orders to drain.
pub const QUIESCENT_WITHIN: Duration = Duration::from_secs(60);

/// How many nodes a cluster has where the scenario does not say.
pub const NODES: usize = 3;

impl Scenario {
    /// What its cluster must have, beyond the engine.
    #[must_use]
    pub fn needs(&self) -> BTreeSet<Need> {
        let drawn = self.nemesis.iter().flat_map(|nemesis| &nemesis.faults).map(|fault| fault.kind);
        self.faults.iter().map(|fault| fault.kind).chain(drawn).filter_map(FaultKind::need).collect()
    }

    /// Reads a scenario. `name` is the file's path, or the bare name of a file under `scenarios/`.
    ///
    /// # Errors
    /// Says file, line and column, what was expected there, and shows the line.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        let document: Document =
            toml::from_str(text).map_err(|error| ScenarioError::new(name, text, error.message(), error.span()))?;
        if document.hypothesis.trim().is_empty() {
            let message = "the hypothesis is empty: say in one sentence what should hold while the faults run";
            return Err(ScenarioError::new(name, text, message, error::find(text, "hypothesis")));
        }
        let faults: Result<Vec<FaultSpec>, fault::Wrong> = document.fault.into_iter().map(fault::Table::read).collect();
        let placed = |wrong: fault::Wrong| ScenarioError::new(name, text, &wrong.message, Some(wrong.at));
        let faults = faults.map_err(placed)?;
        let nemesis = document.nemesis.map(nemesis::Table::read).transpose().map_err(placed)?;
        // How many a random nemesis draws is known with the seed only; the plan is checked again.
        let most = if nemesis.is_some() {
            FAULTS_MAX
        } else {
            faults.iter().map(|fault| fault.repeat.map_or(1, |repeat| repeat.times as usize)).sum()
        };
        let expect = expect::read(document.expect, document.cluster.nodes, most).map_err(placed)?;
        let mut minima = BTreeMap::new();
        for (counter, minimum) in document.exercise {
            if !exercise::NAMES.iter().any(|known| known.name == counter.get_ref()) {
                let known: Vec<String> = exercise::NAMES.iter().map(|known| format!("`{}`", known.name)).collect();
                let message = format!("unknown counter `{}`, expected one of {}", counter.get_ref(), known.join(", "));
                return Err(ScenarioError::new(name, text, &message, Some(counter.span())));
            }
            minima.insert(counter.into_inner(), minimum);
        }
        Ok(Self {
            name: error::stem(name).to_owned(),
            hypothesis: document.hypothesis.trim().to_owned(),
            durability_limit: document.durability_limit,
            quiescent_within: document.quiescent_within,
            nodes: document.cluster.nodes,
            load: document.load,
            faults,
            nemesis,
            guard: document.guard,
            expect,
            exercise: minima,
        })
    }
}

#[cfg(test)]
mod tests;
