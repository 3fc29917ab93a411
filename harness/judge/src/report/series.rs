//! A run over time, for charts: equal stretches, in each of which nothing that stands out is averaged away.

use serde::{Deserialize, Serialize};

/// By column, all of the same length: one value for each stretch. Times are milliseconds from the start of the load.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Series {
    /// The length of a stretch.
    pub step_ms: f64,
    pub stretches: usize,
    /// Operations that the schedule wanted to begin in it, and what became of them.
    pub offered: Vec<u64>,
    pub served: Vec<u64>,
    /// Certainly without effect: refused, or never reached a node.
    pub failed: Vec<u64>,
    /// Without an answer that tells.
    pub indeterminate: Vec<u64>,
    /// From the intended start, of operations that were to begin in it.
    pub request_ms: Spread,
    /// From the intended start of an order that was to begin in it to its sight on a node.
    pub propagation_ms: Spread,
    /// The deepest reading of the outbox, and its oldest row.
    pub outbox_depth: Vec<Option<u64>>,
    pub outbox_age_ms: Vec<Option<u64>>,
    pub nodes: Vec<NodeSeries>,
    /// Over the whole run: lower edge of a bar in milliseconds, count.
    pub request_bars: Vec<(f64, u64)>,
    pub propagation_bars: Vec<(f64, u64)>,
}

/// `None` where nothing was measured. Percentiles are within 3 %, and of few values the largest; `max` is exact.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Spread {
    pub p50: Vec<Option<f64>>,
    pub p99: Vec<Option<f64>>,
    pub max: Vec<Option<f64>>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NodeSeries {
    pub name: String,
    /// Share of the operations to it that were served, 0 to 1; `None` where there were none.
    pub served: Vec<Option<f64>>,
}
