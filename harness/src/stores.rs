//! The harness's own connections to Redis and `JetStream`, for observing and for final reads.

mod jetstream;
mod redis;

pub use self::jetstream::{JetStream, Reader};
pub use self::redis::{Redis, Trial};

use crate::wire::WireError;

/// Where a store is that has no address.
const IN_MEMORY: &str = "(in memory)";

/// A store could not be asked, or its answer not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("{what} on Redis at {address}: {detail}")]
    Redis { what: &'static str, address: String, detail: String },
    #[error("{what} on NATS at {address}: {detail}")]
    Nats { what: &'static str, address: String, detail: String },
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("reading the stream: it holds {expected} messages, {read} could be read: {detail}")]
    Incomplete { expected: u64, read: u64, detail: String },
}
