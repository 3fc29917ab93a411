//! The `[guard]` table: when a run is given up before its end.

use std::time::Duration;

use serde::Deserialize;

use super::values;

/// The `[guard]` table, with defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardSpec {
    /// No node has answered for so long.
    #[serde(deserialize_with = "values::duration")]
    pub all_nodes_down: Duration,
    /// Bytes that must stay free where runs are kept.
    #[serde(deserialize_with = "values::size")]
    pub disk_free: u64,
    /// A shell command that ends with success as long as the run may go on.
    pub probe: Option<String>,
    #[serde(deserialize_with = "values::duration")]
    pub probe_every: Duration,
}

impl Default for GuardSpec {
    fn default() -> Self {
        Self { all_nodes_down: Duration::from_secs(60), disk_free: 512 << 20, probe: None, probe_every: Duration::from_secs(5) }
    }
}
