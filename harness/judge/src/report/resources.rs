//! What the services of a run took.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Resources {
    /// CPU time of all services from the start of the load on, for each 1,000 acknowledged operations.
    pub cpu_s_per_1000_orders: Option<f64>,
    /// By service; `embedded` is one process for nodes, store, stream and load.
    pub services: BTreeMap<String, Taken>,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Taken {
    /// From the start of the load on; `None` where it was not counted.
    pub cpu_s: Option<f64>,
    /// The most of all samples, without the page cache that can be dropped.
    pub memory_bytes_max: u64,
}
