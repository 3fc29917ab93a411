//! The stream and a node's durable consumer.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::context::{ConsumerInfoErrorKind, GetStreamError, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{Context, ErrorCode};

use super::connection::Session;
use crate::order::NodeId;
use crate::ports::{BusError, StreamState};
use crate::settings::Settings;

/// Deliveries that may wait for their acknowledgement at once.
const MAX_ACK_PENDING: i64 = 4096;
/// Largest message of a stream that we make, in bytes: an order's is below a tenth of it.
const MAX_MESSAGE_SIZE: i32 = 64 * 1024;

/// What a stream is made with.
#[derive(Debug)]
pub(super) struct StreamSettings {
    pub(super) name: String,
    pub(super) subjects: String,
    max_bytes: i64,
    replicas: usize,
    duplicate_window: Duration,
}

/// What a consumer is made with.
#[derive(Debug)]
pub(super) struct ConsumerSettings {
    pub(super) name: String,
    subjects: String,
    ack_wait: Duration,
}

impl StreamSettings {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            name: settings.stream.clone(),
            subjects: format!("{}.>", settings.subject_prefix),
            max_bytes: settings.stream_max_bytes,
            replicas: settings.stream_replicas,
            duplicate_window: settings.duplicate_window,
        }
    }

    fn config(&self) -> Config {
        Config {
            name: self.name.clone(),
            subjects: vec![self.subjects.clone()],
            storage: StorageType::File,
            retention: RetentionPolicy::Limits,
            // A full stream refuses and the backlog grows; dropping what a slow node has not seen would lose it.
            discard: DiscardPolicy::New,
            max_age: Duration::ZERO,
            max_bytes: self.max_bytes,
            max_message_size: MAX_MESSAGE_SIZE,
            num_replicas: self.replicas,
            duplicate_window: self.duplicate_window,
            allow_direct: true,
            description: Some("orders accepted by Catga nodes".to_owned()),
            ..Config::default()
        }
    }
}

impl ConsumerSettings {
    pub(super) fn new(settings: &Settings, node: &NodeId) -> Self {
        Self { name: node.to_string(), subjects: format!("{}.>", settings.subject_prefix), ack_wait: settings.ack_wait }
    }

    /// A consumer that begins at a sequence; 1 is "deliver all".
    pub(super) fn config(&self, from: u64) -> pull::Config {
        let deliver_policy = if from <= 1 { DeliverPolicy::All } else { DeliverPolicy::ByStartSequence { start_sequence: from } };
        pull::Config {
            durable_name: Some(self.name.clone()),
            deliver_policy,
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.ack_wait,
            max_deliver: -1,
            // The whole stream: what is no order is parked rather than overlooked.
            filter_subject: self.subjects.clone(),
            max_ack_pending: MAX_ACK_PENDING,
            ..pull::Config::default()
        }
    }
}

fn identity_of(info: &Info) -> String {
    info.created.to_string()
}

fn is_missing(error: &GetStreamError) -> bool {
    matches!(error.kind(), GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

/// Makes the stream where it does not exist, and returns its identity and its duplicate window. An existing one is
/// taken as it is.
pub(super) async fn ensure_stream(context: &Context, settings: &StreamSettings) -> Result<(String, Duration), String> {
    let name = &settings.name;
    let stream = match context.get_stream(name).await {
        Ok(stream) => stream,
        Err(error) if is_missing(&error) => {
            let made = context.create_stream(settings.config()).await;
            let stream = made.map_err(|error| format!("stream {name} could not be made: {error}"))?;
            tracing::info!(stream = %name, "made the stream");
            stream
        }
        Err(error) => return Err(format!("stream {name} could not be read: {error}")),
    };
    let config = &stream.cached_info().config;
    if config.discard != DiscardPolicy::New || config.retention != RetentionPolicy::Limits || config.max_age != Duration::ZERO {
        tracing::error!(stream = %name, "the stream may drop what a slow node has not seen; set limits retention, discard new, no max age");
    }
    Ok((identity_of(stream.cached_info()), config.duplicate_window))
}

/// The identity of the stream, `None` where it does not exist.
pub(super) async fn identity(context: &Context, name: &str) -> Result<Option<String>, String> {
    match context.get_stream(name).await {
        Ok(stream) => Ok(Some(identity_of(stream.cached_info()))),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// The stream as it is now.
pub(super) async fn get(session: &Session) -> Result<Stream, BusError> {
    session
        .context
        .get_stream(&session.stream)
        .await
        .map_err(|error| BusError::Failed(format!("stream {}: {error}", session.stream)))
}

/// The stream and this node's place in it.
pub(super) async fn state(session: &Session, consumer: &ConsumerSettings) -> Result<StreamState, BusError> {
    let stream = get(session).await?;
    let ack_floor = match stream.consumer_info(&consumer.name).await {
        Ok(info) => Some(info.ack_floor.stream_sequence),
        Err(error) => match error.kind() {
            ConsumerInfoErrorKind::NotFound => None,
            _ => return Err(BusError::Failed(format!("consumer {}: {error}", consumer.name))),
        },
    };
    let info = stream.cached_info();
    Ok(StreamState {
        identity: identity_of(info),
        first_sequence: info.state.first_sequence,
        last_sequence: info.state.last_sequence,
        ack_floor,
    })
}
