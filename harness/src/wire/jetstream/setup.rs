//! How the stream and a consumer are set up, and when they were made; the requests that take them away.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{STREAM, StreamState, answer};
use crate::wire::WireError;

/// Where a consumer begins, which it is given anew each time it is made.
const BEGINNING: [&str; 2] = ["deliver_policy", "opt_start_seq"];

/// A stream as it was made, and what it holds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct StreamSetup {
    /// RFC 3339. Another stream of the same name has another.
    pub created: String,
    pub config: Map<String, Value>,
    pub state: StreamState,
}

/// A consumer as it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConsumerSetup {
    /// RFC 3339. Another consumer of the same name has another.
    pub created: String,
    /// Without where it begins.
    pub config: Map<String, Value>,
}

#[must_use]
pub fn purge_subject() -> String {
    format!("$JS.API.STREAM.PURGE.{STREAM}")
}

#[must_use]
pub fn delete_stream_subject() -> String {
    format!("$JS.API.STREAM.DELETE.{STREAM}")
}

#[must_use]
pub fn consumer_info_subject(consumer: &str) -> String {
    format!("$JS.API.CONSUMER.INFO.{STREAM}.{consumer}")
}

#[must_use]
pub fn message_subject() -> String {
    format!("$JS.API.STREAM.MSG.GET.{STREAM}")
}

#[must_use]
pub fn message_request(sequence: u64) -> Vec<u8> {
    serde_json::json!({ "seq": sequence }).to_string().into_bytes()
}

/// Reads the answer to [`message_subject`]: when the stream stored the message, RFC 3339.
///
/// # Errors
/// `JetStream` refused, e.g. since there is no such message, or the bytes are no such answer.
pub fn message_time(body: &[u8]) -> Result<String, WireError> {
    #[derive(Deserialize)]
    struct Answer {
        message: Message,
    }
    #[derive(Deserialize)]
    struct Message {
        time: String,
    }
    answer("a message", body).map(|Answer { message }| message.time)
}

/// Reads the answer to [`super::info_subject`].
///
/// # Errors
/// `JetStream` refused, or the bytes are no such answer.
pub fn stream_setup(body: &[u8]) -> Result<StreamSetup, WireError> {
    answer("the stream's setup", body)
}

/// Reads the answer to [`consumer_info_subject`].
///
/// # Errors
/// `JetStream` refused, or the bytes are no such answer.
pub fn consumer_setup(body: &[u8]) -> Result<ConsumerSetup, WireError> {
    let mut setup: ConsumerSetup = answer("a consumer's setup", body)?;
    setup.config.retain(|field, _| !BEGINNING.contains(&field.as_str()));
    Ok(setup)
}

/// Reads the answer to [`purge_subject`]: how many messages were removed.
///
/// # Errors
/// `JetStream` refused, or the bytes are no such answer.
pub fn purged(body: &[u8]) -> Result<u64, WireError> {
    #[derive(Deserialize)]
    struct Purged {
        purged: u64,
    }
    answer("the purge", body).map(|Purged { purged }| purged)
}

/// `JetStream` says that there is no such stream or consumer.
#[must_use]
pub fn is_absent(error: &WireError) -> bool {
    matches!(error, WireError::Refused { code: 404, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_tells_when_it_was_made_and_how() {
        let body = br#"{"type":"x","config":{"name":"CATGA_CLUSTER","max_age":0},"created":"2026-01-01T00:00:00.5Z","state":{"messages":3,"first_seq":2,"last_seq":5}}"#;
        let setup = stream_setup(body).expect("a setup");
        assert_eq!(setup.created, "2026-01-01T00:00:00.5Z");
        assert_eq!(setup.config["max_age"], 0);
        assert_eq!(setup.state, StreamState { messages: 3, first_sequence: 2, last_sequence: 5 });
    }

    #[test]
    fn two_consumers_that_differ_only_in_where_they_begin_are_set_up_alike() {
        let made = |beginning: &str| {
            let body = format!(
                r#"{{"stream_name":"s","name":"n1","created":"2026-01-01T00:00:00Z","config":{{"durable_name":"n1","ack_policy":"explicit",{beginning}}}}}"#
            );
            consumer_setup(body.as_bytes()).expect("a setup")
        };
        let (all, some) = (made(r#""deliver_policy":"all""#), made(r#""deliver_policy":"by_start_sequence","opt_start_seq":9"#));
        assert_eq!(all, some);
        assert_eq!(all.config["ack_policy"], "explicit");
    }

    #[test]
    fn what_is_not_there_is_told_from_other_refusals() {
        let refused = |code: u64| {
            let body = format!(r#"{{"error":{{"code":{code},"err_code":1,"description":"d"}}}}"#);
            consumer_setup(body.as_bytes()).expect_err("refused")
        };
        assert!(is_absent(&refused(404)));
        assert!(!is_absent(&refused(503)));
        let message = br#"{"type":"x","message":{"subject":"s","seq":4,"time":"2026-01-01T00:00:00.5Z"}}"#;
        assert_eq!(message_time(message), Ok(String::from("2026-01-01T00:00:00.5Z")));
        assert_eq!(purged(br#"{"success":true,"purged":7}"#), Ok(7));
    }
}
