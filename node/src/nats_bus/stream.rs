//! The stream and a node's durable consumer.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::consumer::{self, AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::context::{ConsumerInfoErrorKind, GetStreamError, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{Context, ErrorCode};

use super::connection::Session;
use super::fitness;
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
    /// Where orders go.
    order_subject: String,
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
    /// In what the server made our consumer otherwise than asked, e.g. by limits of its own: no reason to make it again.
    imposed: Mutex<Option<String>>,
}

impl StreamSettings {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            name: settings.stream.clone(),
            subjects: settings.subjects(),
            order_subject: settings.subject(),
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
        Self { name: node.to_string(), subjects: settings.subjects(), ack_wait: settings.ack_wait, imposed: Mutex::default() }
    }

    /// Looks at a consumer that was made just now.
    pub(super) fn note_made(&self, config: &consumer::Config) {
        let imposed = fitness::altered(config, &self.config(1));
        if let Some(imposed) = &imposed {
            tracing::warn!(consumer = %self.name, %imposed, "the server sets the consumer up in its own way");
        }
        *self.imposed.lock().unwrap_or_else(PoisonError::into_inner) = imposed;
    }

    /// In what a consumer was changed since it was made.
    fn altered(&self, config: &consumer::Config) -> Option<String> {
        let altered = fitness::altered(config, &self.config(1));
        altered.filter(|altered| self.imposed.lock().unwrap_or_else(PoisonError::into_inner).as_ref() != Some(altered))
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

/// The stream as a session found it.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) identity: String,
    pub(super) duplicate_window: Duration,
    /// Why it may lose messages, if it may.
    pub(super) unfit: Option<String>,
}

/// Why there is no stream to work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoStream {
    #[error("{0}")]
    NoAnswer(String),
    /// It is there, and an order given to it would be lost: only its operator can change that.
    #[error("{0}")]
    Unusable(String),
}

impl From<String> for NoStream {
    fn from(error: String) -> Self {
        Self::NoAnswer(error)
    }
}

fn found(info: &Info, settings: &StreamSettings) -> Result<Found, NoStream> {
    let config = &info.config;
    if let Some(why) = fitness::unusable(config) {
        return Err(NoStream::Unusable(format!("stream {} cannot be used: {why}", settings.name)));
    }
    let unfit = fitness::unfit(config, &settings.order_subject).map(|why| format!("stream {} {why}", settings.name));
    Ok(Found { identity: identity_of(info), duplicate_window: config.duplicate_window, unfit })
}

/// Makes the stream where it does not exist. An existing one is taken as it is, if it keeps what it is given.
pub(super) async fn ensure_stream(context: &Context, settings: &StreamSettings) -> Result<Found, NoStream> {
    let name = &settings.name;
    let stream = match context.get_stream(name).await {
        Ok(stream) => stream,
        Err(error) if is_missing(&error) => {
            let made = context.create_stream(settings.config()).await;
            let stream = made.map_err(|error| format!("stream {name} could not be made: {error}"))?;
            tracing::info!(stream = %name, "made the stream");
            stream
        }
        Err(error) => return Err(NoStream::NoAnswer(format!("stream {name} could not be read: {error}"))),
    };
    found(stream.cached_info(), settings)
}

/// The stream as it is now, `None` where it does not exist.
pub(super) async fn look(context: &Context, settings: &StreamSettings) -> Result<Option<Found>, NoStream> {
    match context.get_stream(&settings.name).await {
        Ok(stream) => found(stream.cached_info(), settings).map(Some),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(NoStream::NoAnswer(error.to_string())),
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
    let (ack_floor, altered) = match stream.consumer_info(&consumer.name).await {
        Ok(info) => (Some(info.ack_floor.stream_sequence), consumer.altered(&info.config)),
        Err(error) => match error.kind() {
            ConsumerInfoErrorKind::NotFound => (None, None),
            _ => return Err(BusError::Failed(format!("consumer {}: {error}", consumer.name))),
        },
    };
    let info = stream.cached_info();
    Ok(StreamState {
        identity: identity_of(info),
        first_sequence: info.state.first_sequence,
        last_sequence: info.state.last_sequence,
        ack_floor,
        altered,
    })
}
