//! Publishing, and the proof that a duplicate is one.

use async_nats::header::{HeaderMap, NATS_MESSAGE_ID};
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{PublishError as NatsError, PublishErrorKind};
use async_nats::jetstream::stream::RawMessageErrorKind;
use bytes::Bytes;

use super::connection::Session;
use crate::order::MessageId;
use crate::ports::{BusError, PublishAck, PublishError};
use crate::trace::{TRACEPARENT, TraceParent};

/// "message size exceeds maximum allowed": the stream's own limit for one message.
const MESSAGE_TOO_LARGE: u64 = 10_054;

fn headers(id: &MessageId) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, id.as_str());
    headers
}

pub(super) async fn publish(
    session: &Session,
    subject: &str,
    id: &MessageId,
    trace: Option<TraceParent>,
    payload: Bytes,
) -> Result<PublishAck, PublishError> {
    if !speakable(subject) {
        return Err(PublishError::ForGood(format!("{subject:?} is no subject to publish to")));
    }
    let mut headers = headers(id);
    if let Some(trace) = trace {
        headers.insert(TRACEPARENT, trace.to_string());
    }
    let publishing = session.context.publish_with_headers(subject.to_owned(), headers, payload);
    let answer = match publishing.await {
        Ok(publishing) => publishing.await,
        Err(error) => Err(error),
    };
    let ack = match answer {
        Ok(ack) if ack.stream == session.stream => return Ok(PublishAck { sequence: ack.sequence, duplicate: ack.duplicate }),
        // Another stream may have taken the subject over; its word says nothing of ours.
        Ok(ack) => PublishError::Retry(format!("stored by stream {}, and not by {}", ack.stream, session.stream)),
        Err(error) if error.kind() != PublishErrorKind::StreamNotFound => return Err(classify(session, &error)),
        Err(error) => classify(session, &error),
    };
    Err(not_taken(session, subject).await.map_or(ack, PublishError::ForGood))
}

/// Wildcards and empty words are for those who listen.
fn speakable(subject: &str) -> bool {
    !subject.contains(char::is_whitespace) && subject.split('.').all(|word| !matches!(word, "" | "*" | ">"))
}

/// Why the stream will never take a subject, if that is so. A subject of this node's own is only not taken yet: by a
/// stream that is set up in another way no order may come to harm.
async fn not_taken(session: &Session, subject: &str) -> Option<String> {
    if covers(&session.subjects, subject) {
        return None;
    }
    let stream = session.context.get_stream(&session.stream).await.ok()?;
    let subjects = &stream.cached_info().config.subjects;
    let taken = subjects.iter().any(|pattern| covers(pattern, subject));
    (!taken).then(|| format!("stream {} takes {}, and not {subject}", session.stream, subjects.join(", ")))
}

/// Does the pattern match the subject?
fn covers(pattern: &str, subject: &str) -> bool {
    let (mut wanted, mut words) = (pattern.split('.'), subject.split('.'));
    loop {
        match (wanted.next(), words.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some(want), Some(word)) if want == "*" || want == word => {}
            _ => return false,
        }
    }
}

#[cfg(feature = "planted-bugs")]
pub(super) async fn publish_blindly(session: &Session, subject: &str, id: &MessageId, payload: Bytes) {
    let _ = session.client.publish_with_headers(subject.to_owned(), headers(id), payload).await;
}

/// A full stream and an absent one are no reasons to give a row up; a message that it can never take is.
fn classify(session: &Session, error: &NatsError) -> PublishError {
    let text = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let for_good = match error.kind() {
        PublishErrorKind::MaxPayloadExceeded => true,
        PublishErrorKind::Other => std::error::Error::source(error).is_some_and(|source| {
            source
                .downcast_ref::<async_nats::jetstream::Error>()
                .is_some_and(|error| error.error_code() == ErrorCode(MESSAGE_TOO_LARGE))
                || source.downcast_ref::<async_nats::SubjectError>().is_some()
        }),
        _ => false,
    };
    if for_good { PublishError::ForGood(text) } else { PublishError::Retry(session.complaint.added_to(text)) }
}

pub(super) async fn message_id_at(session: &Session, sequence: u64) -> Result<Option<String>, BusError> {
    let stream = session.context.get_stream_no_info(&session.stream).await;
    let stream = stream.map_err(|error| BusError::Failed(error.to_string()))?;
    match stream.get_raw_message(sequence).await {
        Ok(message) => Ok(message.headers.get(NATS_MESSAGE_ID).map(|id| id.as_str().to_owned())),
        Err(error) => match error.kind() {
            RawMessageErrorKind::NoMessageFound => Ok(None),
            _ => Err(BusError::Failed(format!("reading message {sequence}: {error}"))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_what_the_server_says_they_do() {
        for (pattern, subject, expected) in [
            ("catga.cluster.>", "catga.cluster.order.placed", true),
            ("catga.cluster.>", "catga.cluster", false),
            ("catga.*.placed", "catga.order.placed", true),
            ("catga.*.placed", "catga.order.x.placed", false),
            ("catga.order", "catga.order", true),
            ("catga.order", "catga.orders", false),
            (">", "anything.at.all", true),
        ] {
            assert_eq!(covers(pattern, subject), expected, "{pattern} {subject}");
        }
    }

    #[test]
    fn only_plain_subjects_can_be_published_to() {
        assert!(speakable("catga.cluster.order.placed"));
        for wrong in ["", "a b", "a..b", ".a", "a.", "catga.>", "catga.*.b", "a\r\nb"] {
            assert!(!speakable(wrong), "{wrong:?}");
        }
    }
}
