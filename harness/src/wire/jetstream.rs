//! `JetStream`'s own interface: requests and answers of `$JS.API`, and the reply subject of a delivered message.

use std::collections::BTreeMap;

use jiff::Timestamp;
use judge::history::ConsumerState;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::WireError;

mod setup;

pub use setup::{
    ConsumerSetup, StreamSetup, consumer_info_subject, consumer_setup, delete_stream_subject, is_absent, message_request,
    message_subject, message_time, purge_subject, purged, stream_setup,
};

/// The stream of a cluster.
pub const STREAM: &str = "CATGA_CLUSTER";
/// The header by which `JetStream` knows a message again.
pub const MESSAGE_ID: &str = "Nats-Msg-Id";

/// What a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub struct StreamState {
    pub messages: u64,
    /// One beyond `last_sequence` in a stream that holds nothing.
    #[serde(rename = "first_seq")]
    pub first_sequence: u64,
    #[serde(rename = "last_seq")]
    pub last_sequence: u64,
}

/// One page of a stream's durable consumers, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerPage {
    pub durable: BTreeMap<String, ConsumerState>,
    /// How many consumers of any kind this page told of.
    pub listed: u64,
    /// How many there are.
    pub total: u64,
}

/// Where a delivered message stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub stream_sequence: u64,
    /// 1 for the first message that a consumer delivers, without gaps.
    pub consumer_sequence: u64,
    /// When the stream stored it, RFC 3339.
    pub stored_at: String,
}

#[must_use]
pub fn info_subject() -> String {
    format!("$JS.API.STREAM.INFO.{STREAM}")
}

#[must_use]
pub fn consumers_subject() -> String {
    format!("$JS.API.CONSUMER.LIST.{STREAM}")
}

#[must_use]
pub fn consumers_request(offset: u64) -> Vec<u8> {
    json!({ "offset": offset }).to_string().into_bytes()
}

#[must_use]
pub fn create_subject(consumer: &str) -> String {
    format!("$JS.API.CONSUMER.CREATE.{STREAM}.{consumer}")
}

/// A consumer that reads from `first` on, acknowledges nothing, is kept in memory and forgotten when unused.
#[must_use]
pub fn create_request(consumer: &str, first: u64) -> Vec<u8> {
    let config = json!({
        "name": consumer,
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": first,
        "ack_policy": "none",
        "replay_policy": "instant",
        "inactive_threshold": 30_000_000_000_u64,
        "mem_storage": true,
        "num_replicas": 1,
    });
    json!({ "stream_name": STREAM, "config": config, "action": "create" }).to_string().into_bytes()
}

#[must_use]
pub fn delete_subject(consumer: &str) -> String {
    format!("$JS.API.CONSUMER.DELETE.{STREAM}.{consumer}")
}

#[must_use]
pub fn next_subject(consumer: &str) -> String {
    format!("$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{consumer}")
}

/// Asks for `batch` messages, or a status as soon as there are no more.
#[must_use]
pub fn next_request(batch: u64) -> Vec<u8> {
    json!({ "batch": batch, "no_wait": true }).to_string().into_bytes()
}

/// Reads the answer to [`info_subject`].
///
/// # Errors
/// `JetStream` refused, or the bytes are no such answer.
pub fn stream_state(body: &[u8]) -> Result<StreamState, WireError> {
    #[derive(Deserialize)]
    struct Info {
        state: StreamState,
    }
    answer("the stream's state", body).map(|Info { state }| state)
}

/// Reads how the stream is set up from the answer to [`info_subject`]: each setting with its value as JSON.
///
/// # Errors
/// As for [`stream_state`].
pub fn stream_config(body: &[u8]) -> Result<BTreeMap<String, String>, WireError> {
    #[derive(Deserialize)]
    struct Info {
        config: BTreeMap<String, serde_json::Value>,
    }
    let Info { config } = answer("the stream's settings", body)?;
    Ok(config.into_iter().map(|(name, value)| (name, value.to_string())).collect())
}

/// Reads the answer to [`consumers_subject`].
///
/// # Errors
/// `JetStream` refused, or the bytes are no such answer.
pub fn consumers(body: &[u8]) -> Result<ConsumerPage, WireError> {
    #[derive(Deserialize)]
    struct List {
        total: u64,
        // Null where there are none.
        consumers: Option<Vec<Info>>,
    }
    #[derive(Deserialize)]
    struct Info {
        config: Config,
        num_pending: u64,
        num_ack_pending: u64,
        num_redelivered: u64,
    }
    #[derive(Deserialize)]
    struct Config {
        durable_name: Option<String>,
    }
    let list: List = answer("the stream's consumers", body)?;
    let infos = list.consumers.unwrap_or_default();
    let listed = infos.len() as u64;
    let durable = infos.into_iter().filter_map(|info| {
        let state =
            ConsumerState { pending: info.num_pending, ack_pending: info.num_ack_pending, redelivered: info.num_redelivered };
        Some((info.config.durable_name?, state))
    });
    Ok(ConsumerPage { durable: durable.collect(), listed, total: list.total })
}

/// Reads an answer of which only success or refusal matters.
///
/// # Errors
/// `JetStream` refused, or the bytes are no answer.
pub fn done(what: &'static str, body: &[u8]) -> Result<(), WireError> {
    #[derive(Deserialize)]
    struct Nothing {}
    answer(what, body).map(|Nothing {}| ())
}

fn answer<T: DeserializeOwned>(what: &'static str, body: &[u8]) -> Result<T, WireError> {
    #[derive(Deserialize)]
    struct Failed {
        error: Option<Error>,
    }
    #[derive(Deserialize)]
    struct Error {
        code: u64,
        #[serde(default)]
        err_code: u64,
        #[serde(default)]
        description: String,
    }
    let failed: Failed = serde_json::from_slice(body).map_err(|error| WireError::json(what, &error, body))?;
    if let Some(Error { code, err_code, description }) = failed.error {
        return Err(WireError::Refused { what, code, err_code, description });
    }
    serde_json::from_slice(body).map_err(|error| WireError::json(what, &error, body))
}

/// Reads the reply subject of a delivered message, in the form with and without domain and account.
///
/// # Errors
/// It is no such subject.
pub fn delivery(reply: &str) -> Result<Delivery, WireError> {
    let broken = || WireError::shape("a delivery", "its reply subject is none of JetStream's", reply.as_bytes());
    let tokens: Vec<&str> = reply.split('.').collect();
    let rest = match tokens.as_slice() {
        // stream, consumer, times delivered, stream sequence, consumer sequence, time, pending
        ["$JS", "ACK", rest @ ..] if rest.len() == 7 => rest,
        // domain and account hash before them, and perhaps more behind
        ["$JS", "ACK", _, _, rest @ ..] if rest.len() >= 7 => rest,
        _ => return Err(broken()),
    };
    let number = |index: usize| rest[index].parse::<u64>().map_err(|_| broken());
    let nanoseconds: i128 = rest[5].parse().map_err(|_| broken())?;
    let stored = Timestamp::from_nanosecond(nanoseconds).map_err(|_| broken())?;
    Ok(Delivery { stream_sequence: number(3)?, consumer_sequence: number(4)?, stored_at: stored.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_streams_state_or_the_refusal_is_read() {
        let body = br#"{"type":"io.nats.jetstream.api.v1.stream_info_response","config":{},"state":{"messages":3,"bytes":9,"first_seq":2,"last_seq":5,"consumer_count":1}}"#;
        let state = StreamState { messages: 3, first_sequence: 2, last_sequence: 5 };
        assert_eq!(stream_state(body), Ok(state));
        let refused = br#"{"type":"x","error":{"code":404,"err_code":10059,"description":"stream not found"}}"#;
        let refusal = stream_state(refused).expect_err("a refusal");
        assert!(matches!(refusal, WireError::Refused { code: 404, err_code: 10_059, .. }), "{refusal}");
        assert!(refusal.to_string().contains("stream not found"), "{refusal}");
        assert!(stream_state(b"{}").is_err());
        assert!(stream_state(b"").is_err());
    }

    #[test]
    fn every_setting_of_the_stream_is_kept_as_it_stands() {
        let body = br#"{"config":{"name":"S","subjects":["a.>"],"max_bytes":-1},"state":{"messages":3}}"#;
        let config = stream_config(body).expect("settings");
        let expected = [("max_bytes", "-1"), ("name", "\"S\""), ("subjects", "[\"a.>\"]")];
        assert_eq!(config, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert!(stream_config(b"{}").is_err());
    }

    #[test]
    fn only_durable_consumers_are_told_of_and_all_are_counted() {
        let body = br#"{"total":2,"offset":0,"limit":256,"consumers":[
            {"name":"n1","config":{"durable_name":"n1"},"num_pending":4,"num_ack_pending":3,"num_redelivered":2,"num_waiting":1},
            {"name":"x","config":{"name":"x"},"num_pending":0,"num_ack_pending":0,"num_redelivered":0,"num_waiting":0}]}"#;
        let page = consumers(body).expect("a list");
        assert_eq!((page.listed, page.total), (2, 2));
        let state = ConsumerState { pending: 4, ack_pending: 3, redelivered: 2 };
        assert_eq!(page.durable, BTreeMap::from([("n1".to_owned(), state)]));
        let none = consumers(br#"{"total":0,"consumers":null}"#).expect("a list");
        assert!(none.durable.is_empty());
    }

    #[test]
    fn both_forms_of_a_delivery_are_read() {
        for reply in [
            "$JS.ACK.CATGA_CLUSTER.c.1.17.4.1767225600000000001.5",
            "$JS.ACK._.hash.CATGA_CLUSTER.c.1.17.4.1767225600000000001.5",
            "$JS.ACK.hub.hash.CATGA_CLUSTER.c.1.17.4.1767225600000000001.5.token",
        ] {
            let read = delivery(reply).expect(reply);
            assert_eq!((read.stream_sequence, read.consumer_sequence), (17, 4), "{reply}");
            assert_eq!(read.stored_at, "2026-01-01T00:00:00.000000001Z", "{reply}");
        }
    }

    #[test]
    fn what_is_no_delivery_is_an_error() {
        for reply in ["", "$JS.ACK.a.b.1.2", "_INBOX.x", "$JS.ACK.s.c.1.x.4.5.6", "$JS.ACK.s.c.1.2.4.x.6"] {
            assert!(delivery(reply).is_err(), "{reply}");
        }
    }
}
