//! Latencies by what they are of: a kind of operation, a pair of nodes, a phase of a fault.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Distribution;

/// How long operations took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Waits {
    /// From the intended start: what a client that keeps to the schedule waits.
    pub corrected_ms: Distribution,
    /// From sending.
    pub uncorrected_ms: Distribution,
}

/// The operations of one phase of one fault.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FaultPhase {
    /// The fault's number in the plan, from 1.
    pub fault: usize,
    /// e.g. `kill cluster-node-2`.
    pub name: String,
    /// `before`, `during` or `after`.
    pub phase: String,
    /// From the start of the load. Operations and orders belong to the phase in which they were to begin.
    pub from_ms: f64,
    pub until_ms: f64,
    pub waits: Waits,
    pub per_node: BTreeMap<String, Waits>,
    /// From the intended start of an order to its sight on a node.
    pub propagation_ms: Distribution,
}

/// All faults' phases of one name taken together; a moment of several counts once.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Phase {
    pub waits: Waits,
    pub propagation_ms: Distribution,
}

/// Where latencies came from, beyond the node: `request_ms` and `propagation_ms` have the whole, and each node.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Latency {
    /// By kind of operation.
    pub per_kind: BTreeMap<String, Waits>,
    /// By the node that took an order in, then by the node that saw it: from the intended start to the sight.
    pub propagation_ms_per_pair: BTreeMap<String, BTreeMap<String, Distribution>>,
    /// By `before`, `during` and `after`.
    pub phases: BTreeMap<String, Phase>,
    /// Only of faults that were injected, and only phases that lasted.
    pub fault_phases: Vec<FaultPhase>,
}
