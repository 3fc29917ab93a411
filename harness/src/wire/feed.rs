//! The data of one event of a node's feed.

use serde::Deserialize;

use super::{WireError, sse};

/// The name of a feed's last event, which is no order: its data says why the feed ends.
pub const END: &str = "end";

/// An order that a node has just applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEvent {
    /// The event's id: the node's position.
    pub position: u64,
    pub order_id: String,
    pub message_id: String,
    /// The order's sequence in the stream.
    pub sequence: u64,
    /// By the accepting node's clock; RFC 3339.
    pub accepted_at: String,
    /// By this node's clock; RFC 3339.
    pub applied_at: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    order_id: String,
    message_id: String,
    sequence: u64,
    accepted_at: String,
    applied_at: String,
}

/// Why a node ends a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// What was sent was not read.
    Slow,
    Draining,
    /// The store lost writes: positions behind [`FeedEnd::last_event_id`] are given out again.
    Reset,
}

/// The data of a feed's last event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedEnd {
    pub reason: EndReason,
    pub detail: String,
    /// Where to go on from.
    pub last_event_id: u64,
}

/// Reads the event named [`END`].
///
/// # Errors
/// The data is no such object.
pub fn end(event: &sse::Event) -> Result<FeedEnd, WireError> {
    let body = event.data.as_bytes();
    serde_json::from_slice(body).map_err(|error| WireError::json("a feed's end", &error, body))
}

/// Reads one event of `GET /api/events`.
///
/// # Errors
/// The id is no position, or the data is no such object.
pub fn event(event: &sse::Event) -> Result<FeedEvent, WireError> {
    let body = event.data.as_bytes();
    let position = event
        .id
        .as_deref()
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| WireError::shape("an event", format!("its id {:?} is no position", event.id), body))?;
    let data: Data = serde_json::from_slice(body).map_err(|error| WireError::json("an event", &error, body))?;
    Ok(FeedEvent {
        position,
        order_id: data.order_id,
        message_id: data.message_id,
        sequence: data.sequence,
        accepted_at: data.accepted_at,
        applied_at: data.applied_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: &str = r#"{"orderId":"n-1","messageId":"m-1","sequence":4,"acceptedAt":"2026-01-01T00:00:00Z","appliedAt":"2026-01-01T00:00:01Z"}"#;

    fn sse(id: Option<&str>, data: &str) -> sse::Event {
        sse::Event { id: id.map(str::to_owned), name: None, data: data.to_owned() }
    }

    #[test]
    fn an_end_says_why_and_where_to_go_on() {
        let data = r#"{"reason":"reset","detail":"the store lost writes","lastEventId":7}"#;
        let read = end(&sse(Some("7"), data)).expect("an end");
        assert_eq!((read.reason, read.last_event_id), (EndReason::Reset, 7));
        assert!(end(&sse(Some("7"), r#"{"reason":"whim","detail":"","lastEventId":7}"#)).is_err());
        assert!(end(&sse(Some("7"), r#"{"reason":"reset","detail":""}"#)).is_err(), "nowhere to go on from");
    }

    #[test]
    fn an_event_is_an_order_at_a_position() {
        let read = event(&sse(Some("12"), DATA)).expect("an event");
        assert_eq!((read.position, read.sequence), (12, 4));
        assert_eq!((read.order_id.as_str(), read.message_id.as_str()), ("n-1", "m-1"));
    }

    #[test]
    fn an_event_without_position_or_order_is_an_error() {
        for (id, data) in [(None, DATA), (Some("x"), DATA), (Some("-1"), DATA), (Some("1"), "{}"), (Some("1"), "")] {
            assert!(event(&sse(id, data)).is_err(), "{id:?} {data}");
        }
    }
}
