//! Publishing, and the proof that a duplicate is one.

use async_nats::header::{HeaderMap, NATS_MESSAGE_ID};
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{PublishError as NatsError, PublishErrorKind};
use async_nats::jetstream::stream::RawMessageErrorKind;
use bytes::Bytes;

use super::connection::Session;
use crate::order::MessageId;
use crate::ports::{BusError, PublishAck, PublishError};

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
    payload: Bytes,
) -> Result<PublishAck, PublishError> {
    let publishing = session.context.publish_with_headers(subject.to_owned(), headers(id), payload);
    let ack = publishing.await.map_err(|error| classify(session, &error))?.await.map_err(|error| classify(session, &error))?;
    // Another stream may have taken the subject over; its word says nothing of ours.
    if ack.stream != session.stream {
        return Err(PublishError::Retry(format!("stored by stream {}, and not by {}", ack.stream, session.stream)));
    }
    Ok(PublishAck { sequence: ack.sequence, duplicate: ack.duplicate })
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
