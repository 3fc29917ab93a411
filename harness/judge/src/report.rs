//! What a run amounts to: the verdict, the figures, and what they rest on. Units stand last in the names.

mod curve;
mod index;
pub mod interval_log;
mod junit;
mod latency;
mod markdown;
mod page;
mod resources;
mod series;
mod summary;
mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use curve::curve;
pub use index::{Listed, index};
pub use junit::junit;
pub use latency::{FaultPhase, Latency, Phase, Waits};
pub use markdown::markdown;
pub use page::{About, page};
pub use resources::{Resources, Taken};
pub use series::{NodeSeries, Series, Spread};
pub use summary::{summary, wrap};
pub(crate) use words::{count, figure};

use crate::figure::{Bound, Unit};
use crate::history::Priority;
use crate::plan::FaultKind;
use crate::verdict::{Finding, Verdict};

/// Version of the format of `report.json`, in its `format`.
pub const FORMAT: u32 = 1;

/// `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub format: u32,
    pub verdict: Verdict,
    /// The verdict's reason in one sentence.
    pub reason: String,
    pub scenario: String,
    pub hypothesis: String,
    pub seed: u64,
    pub run: RunInfo,
    pub orders: Orders,
    /// Did two nodes differ at quiescence? `None` where it cannot be told.
    pub diverged: Option<bool>,
    pub load: LoadFigures,
    pub steady_state: Option<SteadyState>,
    pub propagation_ms: Propagation,
    pub request_ms: Requests,
    #[serde(default)]
    pub latency: Latency,
    pub outbox: Outbox,
    #[serde(default)]
    pub resources: Resources,
    pub faults: Vec<FaultFigures>,
    #[serde(default)]
    pub injection: Injection,
    /// Served operations over all, to nodes that no fault held.
    pub availability: Option<f64>,
    /// The same over operations to every node.
    pub availability_all: Option<f64>,
    /// By node, and under `all` for all together: the phases of the faults, in order, as far as there were operations.
    #[serde(default)]
    pub availability_by_phase: BTreeMap<String, Vec<PhaseFigures>>,
    pub exercised: BTreeMap<String, u64>,
    /// Every figure by its name and unit, e.g. `latency.place.p99_ms`, as `[expect]` names them; `null` where the run did not tell.
    #[serde(default)]
    pub figures: BTreeMap<String, Option<f64>>,
    pub expectations: Vec<Expectation>,
    pub checkers: Vec<Finding>,
}

impl Report {
    /// Was it a run on services in memory?
    pub(crate) fn is_embedded(&self) -> bool {
        self.run.cluster == "embedded"
    }

    /// 0 valid, 1 invalid or an expectation missed, 3 unknown.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let missed = self.expectations.iter().any(|expectation| expectation.met == Some(false));
        match self.verdict {
            Verdict::Invalid => 1,
            Verdict::Unknown => 3,
            Verdict::Valid if missed => 1,
            Verdict::Valid => 0,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    pub started_at: String,
    pub harness: String,
    pub nonce: String,
    pub cluster: String,
    /// Of the threads that carried the load out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_priority: Option<Priority>,
    pub nodes: Vec<String>,
    pub history_format: u32,
    /// Of the whole recording.
    pub length_ms: f64,
    /// Did the recording come to its end?
    pub complete: bool,
    /// Messages, entries and rows of other runs that were met and ignored.
    pub foreign: u64,
}

/// Counts of claims: an order id together with its content. `acknowledged + failed + indeterminate = attempted`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Orders {
    pub attempted: u64,
    pub acknowledged: u64,
    /// Certainly not taken in, conflicts among them.
    pub failed: u64,
    /// Of the failed: refused with 409, as they should be.
    pub conflicts: u64,
    /// No answer told the outcome.
    pub indeterminate: u64,
    pub lost: u64,
    pub duplicated: u64,
    pub unexpected: u64,
    /// Indeterminate, and applied on every node.
    pub recovered: u64,
    /// Indeterminate, and without any trace.
    pub absent: u64,
    /// Indeterminate, and the evidence does not tell.
    pub unresolved: u64,
    /// Acknowledged and missing somewhere, but whether they are lost cannot be told.
    pub unjudged: u64,
    /// Lost, duplicated, taken in again or gone by what a fault destroyed from below, as the scenario declares; they are
    /// counted in the other figures, too, and make no run invalid.
    #[serde(default)]
    pub excused: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct LoadFigures {
    /// The closed model: each client waited for its answer before it went on, so a slow cluster got less to do, and
    /// latencies are not corrected for what it was spared.
    #[serde(default)]
    pub closed: bool,
    /// Operations that the schedule wanted; in the closed model those that were started.
    pub offered: u64,
    pub started: u64,
    /// Operations whose end is known.
    pub completed: u64,
    pub unstarted: u64,
    /// Operations sent late by more than [`crate::checkers::LATE_MS`].
    pub late: u64,
    pub late_start_p99_ms: Option<f64>,
    #[serde(default)]
    pub offered_per_s: f64,
    /// Operations that were begun, per second of load.
    #[serde(default)]
    pub sent_per_s: f64,
    /// Operations answered with success, per second of load.
    #[serde(default)]
    pub acknowledged_per_s: f64,
    /// The same, with conflicts that were refused as they should be.
    pub served_per_s: f64,
}

/// The measured baseline: after warm-up, before any fault.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SteadyState {
    pub from_ms: f64,
    pub until_ms: f64,
    pub operations: u64,
    /// Share of operations that were served.
    pub success: f64,
    pub request_p50_ms: Option<f64>,
    pub request_p99_ms: Option<f64>,
    pub propagation_p50_ms: Option<f64>,
    pub propagation_p99_ms: Option<f64>,
    pub outbox_depth_max: Option<u64>,
}

/// A distribution in milliseconds. A percentile of too few samples, or one that lies among the censored ones, is
/// `None` rather than invented.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Distribution {
    /// Measured ones.
    pub count: u64,
    /// Of which no more is known than that they took longer; they count for the percentiles.
    pub censored: u64,
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p99: Option<f64>,
    pub p999: Option<f64>,
    #[serde(default)]
    pub p9999: Option<f64>,
    /// Of the measured ones.
    pub max: Option<f64>,
}

impl Distribution {
    /// The share of the samples that each percentile stands for, and its value.
    pub(crate) fn percentiles(&self) -> [(f64, Option<f64>); 5] {
        [(0.5, self.p50), (0.9, self.p90), (0.99, self.p99), (0.999, self.p999), (0.9999, self.p9999)]
    }

    /// How many samples a percentile needs, where there are some and too few.
    pub(crate) fn lacks(&self, (share, value): (f64, Option<f64>)) -> Option<u64> {
        let (all, needed) = (self.count + self.censored, crate::figures::histogram::needed(share));
        (value.is_none() && 0 < all && all < needed).then_some(needed)
    }
}

/// A distribution over all nodes, and for each.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ByNode {
    #[serde(flatten)]
    pub overall: Distribution,
    pub per_node: BTreeMap<String, Distribution>,
}

/// How long until a node has seen an order. The plain fields count from the intended start.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Propagation {
    #[serde(flatten)]
    pub from_start: ByNode,
    /// From the answer that acknowledged it; sight before the answer counts as 0.
    pub from_ack: ByNode,
    /// From the intended start to sight on the last node.
    pub everywhere: Distribution,
    /// From the intended start, for orders that belong to no fault window.
    pub outside_faults: Distribution,
    /// Sights before the answer.
    pub clamped: u64,
    /// Sights whose feed was cut meanwhile: the node's own `appliedAt` stands for them.
    pub feed_cut: u64,
    /// Of those, how many had to be left out because the node's clock could not be placed.
    pub unplaced: u64,
}

/// How long until an operation is answered or given up. The plain fields count from the intended start.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Requests {
    #[serde(flatten)]
    pub from_start: ByNode,
    /// The same from sending.
    pub service_ms: ByNode,
    /// Operations that never reached a node; they are in no distribution.
    pub unreached: u64,
}

/// What was served in one phase: `before`, `inject`, `active`, `heal`, `recovered`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseFigures {
    pub phase: String,
    /// By intended start.
    pub operations: u64,
    pub served: u64,
    pub share: Option<f64>,
    /// The longest part of the phase in which no served operation ended.
    pub longest_gap_ms: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Outbox {
    pub depth_max: Option<u64>,
    pub oldest_age_ms_max: Option<u64>,
    /// The longest time from a heal until the outbox was drained.
    pub drain_ms: Option<f64>,
    /// Faults after which the drain was cut short by the next fault or the end.
    pub drain_censored: u64,
}

/// How punctual the nemesis was, over all targets of all faults.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Injection {
    /// From the planned time to the call that injects.
    pub error_ms: Delays,
    /// From that call to the proof of its effect.
    pub effect_ms: Delays,
}

/// Of few values, in milliseconds: by the nearest rank, so that p99 of fewer than a hundred is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Delays {
    pub count: u64,
    pub p50: Option<f64>,
    pub p99: Option<f64>,
    pub max: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultFigures {
    #[serde(flatten)]
    pub kind: FaultKind,
    /// As the scenario wrote it.
    pub target: String,
    pub services: Vec<String>,
    pub planned_at_ms: u64,
    /// From the start of the load; `None` if it never came to that.
    pub injected_at_ms: Option<f64>,
    /// From the planned time to the call that injected it, on the target where that was the greatest.
    #[serde(default)]
    pub injection_error_ms: Option<f64>,
    /// From that call to the proof of its effect, on the target where that was the longest.
    #[serde(default)]
    pub effect_ms: Option<f64>,
    /// From that call to the first health answer of the cluster that told of trouble, while it was in force.
    #[serde(default)]
    pub detection_ms: Option<f64>,
    pub healed_at_ms: Option<f64>,
    pub effect_verified: bool,
    pub heal_verified: bool,
    /// From issuing the heal to the steady state; `None` if that was not seen.
    pub recovery_ms: Option<f64>,
    /// How long it took at least, where the next fault or the end cut the watch short.
    pub recovery_censored_ms: Option<f64>,
    /// From issuing the heal until the backlog was drained.
    pub drain_ms: Option<f64>,
    /// How long it took at least, where the next fault or the end cut the watch short.
    pub drain_censored_ms: Option<f64>,
    /// When the fault window ended: the backlog that it left was drained.
    pub window_end_ms: Option<f64>,
}

/// What the scenario expected beyond safety, and what came of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Expectation {
    pub name: String,
    pub expected: f64,
    pub measured: Option<f64>,
    /// Which side of `expected` is good; `None` in reports of before there were units.
    #[serde(default)]
    pub bound: Option<Bound>,
    #[serde(default)]
    pub unit: Option<Unit>,
    /// `None`: it could not be measured.
    pub met: Option<bool>,
    pub note: String,
}

impl Expectation {
    /// e.g. `at most 50 ms`.
    #[must_use]
    pub fn expected_words(&self) -> String {
        match (self.bound, self.unit) {
            (Some(bound), Some(unit)) => format!("{} {}", bound.words(), unit.show(self.expected)),
            _ => figure(self.expected),
        }
    }

    /// `None` where it was not measured.
    #[must_use]
    pub fn measured_words(&self) -> Option<String> {
        let show = |value| self.unit.map_or_else(|| figure(value), |unit| unit.show(value));
        self.measured.map(show)
    }
}
