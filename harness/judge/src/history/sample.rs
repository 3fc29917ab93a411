//! What is measured of the cluster again and again, beside the history.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One line of `samples.ndjson`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Sample {
    /// `depth` is the size of the index; `oldest_age_ms` is that of the oldest row, 0 when empty.
    Outbox { t_us: u64, depth: u64, oldest_age_ms: u64 },
    /// The leases of the outbox, by its index: for how long the one that ended first has been over, and for how long the
    /// one that ends last goes on; 0 where there is none.
    Leases { t_us: u64, depth: u64, overdue_ms: u64, furthest_ms: u64 },
    /// What `/health` of a node said; `status` is `None` when it did not answer.
    Health {
        /// When the answer was there.
        t_us: u64,
        node: String,
        http: Option<u16>,
        status: Option<String>,
        nats: Option<String>,
        redis: Option<String>,
        /// When the question was sent.
        #[serde(default)]
        asked_us: Option<u64>,
        /// The status of `/health/live`, where it answered.
        #[serde(default)]
        live: Option<u16>,
    },
    /// The stream and one consumer per node, by durable name.
    Stream { t_us: u64, messages: u64, last_sequence: u64, consumers: BTreeMap<String, ConsumerState> },
    /// Container statistics.
    Container {
        t_us: u64,
        service: String,
        /// Of one processor, since the sample before; 0 in the first.
        cpu_percent: f64,
        /// Without the page cache that can be dropped.
        memory_bytes: u64,
        /// CPU time since the container was started; it begins at 0 again when it is started again.
        #[serde(default)]
        cpu_us: Option<u64>,
    },
    /// An observer could not read what it observes.
    Blind { t_us: u64, observer: String, error: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerState {
    pub pending: u64,
    pub ack_pending: u64,
    pub redelivered: u64,
}
