//! What is printed of the server's answers. A field that a server leaves out is empty or zero, as it means it.

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Account {
    pub(crate) memory: u64,
    pub(crate) storage: u64,
    pub(crate) streams: u64,
    pub(crate) consumers: u64,
    pub(crate) limits: AccountLimits,
    pub(crate) api: ApiCalls,
}

/// -1 is without limit.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AccountLimits {
    #[serde(rename = "max_memory")]
    pub(crate) memory: i64,
    #[serde(rename = "max_storage")]
    pub(crate) storage: i64,
    #[serde(rename = "max_streams")]
    pub(crate) streams: i64,
    #[serde(rename = "max_consumers")]
    pub(crate) consumers: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ApiCalls {
    pub(crate) total: u64,
    pub(crate) errors: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Stream {
    pub(crate) config: StreamConfig,
    pub(crate) created: String,
    pub(crate) state: StreamState,
    pub(crate) cluster: Option<Cluster>,
}

/// Sizes, counts and ages of -1 or 0 are without limit; times are nanoseconds.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StreamConfig {
    pub(crate) name: String,
    pub(crate) subjects: Vec<String>,
    pub(crate) retention: String,
    pub(crate) storage: String,
    pub(crate) discard: String,
    pub(crate) num_replicas: u64,
    pub(crate) max_msgs: i64,
    pub(crate) max_bytes: i64,
    pub(crate) max_age: u64,
    pub(crate) max_msg_size: i64,
    pub(crate) max_consumers: i64,
    pub(crate) duplicate_window: u64,
    pub(crate) sealed: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StreamState {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) first_seq: u64,
    pub(crate) first_ts: String,
    pub(crate) last_seq: u64,
    pub(crate) last_ts: String,
    pub(crate) num_subjects: u64,
    pub(crate) num_deleted: u64,
    pub(crate) consumer_count: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Cluster {
    pub(crate) name: String,
    pub(crate) leader: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Consumer {
    pub(crate) stream_name: String,
    pub(crate) name: String,
    pub(crate) created: String,
    pub(crate) config: ConsumerConfig,
    pub(crate) delivered: Place,
    pub(crate) ack_floor: Place,
    pub(crate) num_ack_pending: u64,
    pub(crate) num_redelivered: u64,
    pub(crate) num_waiting: u64,
    pub(crate) num_pending: u64,
}

/// Times are nanoseconds; counts of -1 or 0 are without limit.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ConsumerConfig {
    pub(crate) durable_name: String,
    pub(crate) deliver_subject: String,
    pub(crate) deliver_policy: String,
    pub(crate) opt_start_seq: u64,
    pub(crate) ack_policy: String,
    pub(crate) ack_wait: u64,
    pub(crate) max_deliver: i64,
    pub(crate) max_ack_pending: i64,
    pub(crate) filter_subject: String,
    pub(crate) filter_subjects: Vec<String>,
    pub(crate) inactive_threshold: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Place {
    pub(crate) stream_seq: u64,
    pub(crate) last_active: String,
}
