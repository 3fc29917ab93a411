//! Settings of a node, from flags and environment. Every window, lease, limit and name is one, so that tests
//! can let them expire and keep apart.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;
use jiff::SignedDuration;

use crate::access::{NatsAccess, RedisAccess, Secret, ServiceUrl, path};

/// How a node runs.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Address to serve HTTP on
    #[arg(long, env = "CATGA_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Runs without NATS and Redis, on an outbox and a stream in this process's memory: nothing outlives it
    #[arg(long, env = "CATGA_EMBEDDED", value_parser = FalseyValueParser::new())]
    pub embedded: bool,
    /// NATS server, with its streams enabled; tls:// for TLS; several with commas between
    #[arg(long, env = "CATGA_NATS_URL", default_value = "nats://127.0.0.1:4222", value_name = "URL", hide_env_values = true)]
    pub nats_url: ServiceUrl,
    #[command(flatten)]
    pub nats: NatsAccess,
    /// Redis server; rediss:// for TLS; a path such as /3 selects a database
    #[arg(long, env = "CATGA_REDIS_URL", default_value = "redis://127.0.0.1:6379", value_name = "URL", hide_env_values = true)]
    pub redis_url: ServiceUrl,
    #[command(flatten)]
    pub redis: RedisAccess,
    /// This node's name, 1 to 32 of A-Z a-z 0-9 _ -; without it the container's full name, else the host's
    #[arg(long, env = "CATGA_NODE_ID", value_name = "ID")]
    pub node_id: Option<String>,
    /// Worker threads
    #[arg(long, env = "CATGA_WORKERS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: u16,
    /// Log filter: a level, or target=level pairs
    #[arg(long, env = "CATGA_LOG", default_value = "info,async_nats=off", value_name = "FILTER")]
    pub log: String,
    /// How log lines look
    #[arg(long, env = "CATGA_LOG_FORMAT", value_enum, default_value = "json", value_name = "FORMAT")]
    pub log_format: crate::logging::LogFormat,

    /// Prefix of every Redis key
    #[arg(long, env = "CATGA_KEY_PREFIX", default_value = "catga", value_name = "PREFIX")]
    pub key_prefix: String,
    /// Name of the stream
    #[arg(long, env = "CATGA_STREAM", default_value = "CATGA_CLUSTER", value_name = "NAME")]
    pub stream: String,
    /// Prefix of the stream's subjects; orders go to PREFIX.order.placed
    #[arg(long, env = "CATGA_SUBJECT_PREFIX", default_value = "catga.cluster", value_name = "SUBJECT")]
    pub subject_prefix: String,
    /// Largest size of the stream when it is made, in bytes; -1 is without limit
    #[arg(long, env = "CATGA_STREAM_MAX_BYTES", default_value_t = -1, allow_negative_numbers = true, value_name = "BYTES")]
    pub stream_max_bytes: i64,
    /// Replicas of the stream when it is made
    #[arg(long, env = "CATGA_STREAM_REPLICAS", default_value_t = 1, value_name = "N")]
    pub stream_replicas: usize,
    /// How long the stream recognises a message id, when it is made
    #[arg(long, env = "CATGA_DUPLICATE_WINDOW", default_value = "2m", value_parser = duration, value_name = "TIME")]
    pub duplicate_window: Duration,
    /// How long the stream waits for this node's acknowledgement before it delivers again
    #[arg(long, env = "CATGA_ACK_WAIT", default_value = "5s", value_parser = duration, value_name = "TIME")]
    pub ack_wait: Duration,

    /// How long an idempotency record outlives its outbox row
    #[arg(long, env = "CATGA_RECORD_TTL", default_value = "24h", value_parser = duration, value_name = "TIME")]
    pub record_ttl: Duration,
    /// How long an inbox mark is kept
    #[arg(long, env = "CATGA_INBOX_TTL", default_value = "24h", value_parser = duration, value_name = "TIME")]
    pub inbox_ttl: Duration,
    /// How long an outbox row is leased to the node that publishes it
    #[arg(long, env = "CATGA_LEASE", default_value = "5s", value_parser = duration, value_name = "TIME")]
    pub lease: Duration,
    /// How often to look for due rows of other nodes
    #[arg(long, env = "CATGA_RECOVER_INTERVAL", default_value = "250ms", value_parser = duration, value_name = "TIME")]
    pub recover_interval: Duration,
    /// Pause between two steps in the search for rows that lost their index
    #[arg(long, env = "CATGA_SWEEP_INTERVAL", default_value = "250ms", value_parser = duration, value_name = "TIME")]
    pub sweep_interval: Duration,
    /// Largest delay before a failed publish is tried again
    #[arg(long, env = "CATGA_RETRY_CAP", default_value = "5s", value_parser = duration, value_name = "TIME")]
    pub retry_cap: Duration,
    /// Backlog at which new orders are refused
    #[arg(long, env = "CATGA_OUTBOX_LIMIT", default_value_t = 200_000, value_name = "ROWS")]
    pub outbox_limit: u64,
    /// Publishes in flight at once
    #[arg(long, env = "CATGA_PUBLISH_WINDOW", default_value_t = 512, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub publish_window: u16,
    /// How long a burst after a calm may keep the relay from publishing, so that it is answered sooner; 0s for not at all, a
    /// fifth of the lease at most
    #[arg(long, env = "CATGA_BURST_HOLD", default_value = "1s", value_parser = duration_or_none, value_name = "TIME")]
    pub burst_hold: Duration,
    /// Deliveries applied in one step
    #[arg(long, env = "CATGA_APPLY_BATCH", default_value_t = 128, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub apply_batch: u16,
    /// How long the node's identity is held without renewal
    #[arg(long, env = "CATGA_IDENTITY_LEASE", default_value = "5s", value_parser = duration, value_name = "TIME")]
    pub identity_lease: Duration,

    /// How long a Redis command may take
    #[arg(long, env = "CATGA_REDIS_TIMEOUT", default_value = "2s", value_parser = duration, value_name = "TIME")]
    pub redis_timeout: Duration,
    /// How long a publish waits for the stream's acknowledgement
    #[arg(long, env = "CATGA_PUBLISH_TIMEOUT", default_value = "3s", value_parser = duration, value_name = "TIME")]
    pub publish_timeout: Duration,
    /// How often to ask whether NATS and Redis answer
    #[arg(long, env = "CATGA_PROBE_INTERVAL", default_value = "500ms", value_parser = duration, value_name = "TIME")]
    pub probe_interval: Duration,
    /// How long such a question, and a connection attempt, may take
    #[arg(long, env = "CATGA_PROBE_TIMEOUT", default_value = "800ms", value_parser = duration, value_name = "TIME")]
    pub probe_timeout: Duration,

    /// How long a client may take to send a request's head, and a kept-alive connection may idle
    #[arg(long, env = "CATGA_HEADER_TIMEOUT", default_value = "30s", value_parser = duration, value_name = "TIME")]
    pub header_timeout: Duration,
    /// Keep a connection open for further requests; where false, one answer ends it
    #[arg(long, env = "CATGA_KEEP_ALIVE", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub keep_alive: bool,
    /// How long a client may take to send a request's body
    #[arg(long, env = "CATGA_BODY_TIMEOUT", default_value = "10s", value_parser = duration, value_name = "TIME")]
    pub body_timeout: Duration,
    /// How long a client may take to read what it was sent
    #[arg(long, env = "CATGA_WRITE_TIMEOUT", default_value = "30s", value_parser = duration, value_name = "TIME")]
    pub write_timeout: Duration,
    /// How long a request may take in all; an order that was handed to the store by then is answered with 504
    #[arg(long, env = "CATGA_REQUEST_TIMEOUT", default_value = "15s", value_parser = duration, value_name = "TIME")]
    pub request_timeout: Duration,
    /// How long a client of the event feed may leave unread what it was sent, before its feed ends
    #[arg(long, env = "CATGA_FEED_TIMEOUT", default_value = "10s", value_parser = duration, value_name = "TIME")]
    pub feed_timeout: Duration,
    /// Largest request body, in bytes
    #[arg(long, env = "CATGA_BODY_LIMIT", default_value_t = 16_384, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(256..=1_048_576))]
    pub body_limit: u32,
    /// Requests to the API under way at once; more are answered with 503
    #[arg(long, env = "CATGA_MAX_IN_FLIGHT", default_value_t = 1024, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_in_flight: u32,
    /// Event feeds served at once; more are answered with 503
    #[arg(long, env = "CATGA_MAX_FEEDS", default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_feeds: u32,
    /// Connections served at once; a few more are answered with 503, or with health, and the rest are closed
    #[arg(long, env = "CATGA_MAX_CONNECTIONS", default_value_t = 1024, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_connections: u32,
    /// API key that placing an order needs; several are separated by commas. Without one, anybody may
    #[arg(long, env = "CATGA_API_KEY", value_name = "KEYS", hide_env_values = true)]
    pub api_key: Option<Secret>,
    /// File that holds the API keys, separated by commas or lines
    #[arg(long, env = "CATGA_API_KEY_FILE", value_name = "FILE", value_parser = path())]
    pub api_key_file: Option<PathBuf>,
    /// How long what is in flight may take to finish after SIGTERM
    #[arg(long, env = "CATGA_DRAIN_TIMEOUT", default_value = "3s", value_parser = duration, value_name = "TIME")]
    pub drain_timeout: Duration,

    /// Plants a bug, to prove that it is found
    #[cfg(feature = "planted-bugs")]
    #[arg(long, env = "CATGA_PLANT", value_enum, value_name = "BUG")]
    pub plant: Option<crate::plant::Plant>,
}

/// What a store takes of the settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoreLimits {
    pub(crate) lease: Duration,
    pub(crate) record_ttl: Duration,
    pub(crate) inbox_ttl: Duration,
    pub(crate) identity_lease: Duration,
    pub(crate) outbox: u64,
    #[cfg(feature = "planted-bugs")]
    pub(crate) plant: Option<crate::plant::Plant>,
}

/// The lease of a node that never lets go of its rows.
const FOREVER: Duration = Duration::from_hours(1);

impl Settings {
    pub(crate) fn store_limits(&self) -> StoreLimits {
        StoreLimits {
            lease: if planted_in!(self, LeaseForever) { FOREVER } else { self.lease },
            record_ttl: self.record_ttl,
            inbox_ttl: self.inbox_ttl,
            identity_lease: self.identity_lease,
            outbox: self.outbox_limit,
            #[cfg(feature = "planted-bugs")]
            plant: self.plant,
        }
    }

    /// The subjects that the stream takes.
    #[must_use]
    pub fn subjects(&self) -> String {
        format!("{}.>", self.subject_prefix)
    }

    /// The subject that accepted orders go to.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("{}.order.placed", self.subject_prefix)
    }
}

/// Reads `250ms`, `5s`, `2m`, `24h` and sums of these.
pub fn duration(text: &str) -> Result<Duration, String> {
    let duration = duration_or_none(text)?;
    if duration.is_zero() { Err("must be above 0".to_owned()) } else { Ok(duration) }
}

/// The same, and `0s`.
fn duration_or_none(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().map_err(|error| error.to_string())?;
    Duration::try_from(parsed).map_err(|_| "must not be negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!((duration_or_none("0s"), duration_or_none("2s")), (Ok(Duration::ZERO), Ok(Duration::from_secs(2))));
        assert!(duration_or_none("-1s").is_err());
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("24h"), Ok(Duration::from_hours(24)));
        for wrong in ["", "5", "-1s", "0s", "soon"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
