//! What the harness reads from a cluster: its own decoders of everything that a node, Redis and `JetStream` say.
//!
//! Written from the node's contract alone, and shared with no node: a decoder that the judged wrote would agree
//! with every mistake of the judged. Nothing here waits, connects or retries; bytes go in, plain values come out.

pub mod amount;
pub mod feed;
pub mod health;
pub mod jetstream;
pub mod keys;
pub mod order;
pub mod prometheus;
pub mod record;
pub mod redis;
pub mod sse;

/// Bytes that are not what the contract says they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    #[error("reading {what}: not the JSON of the contract: {detail}; began with {began:?}")]
    Json { what: &'static str, detail: String, began: String },
    #[error("reading {what}: {detail}; began with {began:?}")]
    Shape { what: &'static str, detail: String, began: String },
    #[error("asking for {what}: JetStream refused with {code}: {description} (error {err_code})")]
    Refused { what: &'static str, code: u64, err_code: u64, description: String },
    #[error("reading {what}: more than {limit} bytes without an end")]
    TooLong { what: &'static str, limit: usize },
}

impl WireError {
    fn json(what: &'static str, error: &serde_json::Error, body: &[u8]) -> Self {
        Self::Json { what, detail: error.to_string(), began: beginning(body) }
    }

    fn shape(what: &'static str, detail: impl Into<String>, body: &[u8]) -> Self {
        Self::Shape { what, detail: detail.into(), began: beginning(body) }
    }
}

/// Enough of a body to recognise it in an error, on one line.
fn beginning(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned()
}

/// Whether an order id belongs to the run with this nonce: ids of a run are `<nonce>-<number>`.
#[must_use]
pub fn is_of_run(nonce: &str, order_id: &str) -> bool {
    order_id.strip_prefix(nonce).is_some_and(|rest| rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_id_belongs_to_the_run_whose_nonce_it_carries() {
        for (nonce, id, expected) in [
            ("ab12", "ab12-1", true),
            ("ab12", "ab12-1-x", true),
            ("ab12", "ab123-1", false),
            ("ab12", "ab12", false),
            ("ab12", "xab12-1", false),
            ("ab12", "", false),
        ] {
            assert_eq!(is_of_run(nonce, id), expected, "{nonce} {id}");
        }
    }

    #[test]
    fn an_error_shows_no_more_than_the_beginning_of_a_body() {
        let error = WireError::shape("a thing", "is odd", &[b'x'; 5_000]);
        assert!(error.to_string().len() < 300, "{error}");
    }
}
