//! One connection to NATS and the stream behind it. It is never mended, only replaced: what was buffered for a
//! broken connection must not reach the stream minutes later.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{Context, context::ContextBuilder};
use async_nats::{Client, Event};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::client::{ClientOptions, NatsOpenError};
use super::complaint::Complaint;
use super::stream::{Found, NoStream, StreamSettings, ensure_stream, look};
use crate::order::NodeId;
use crate::settings::Settings;

/// How to connect.
#[derive(Debug)]
pub(super) struct Connector {
    client: ClientOptions,
    name: String,
    pub(super) probe_timeout: Duration,
    pub(super) probe_interval: Duration,
    publish_timeout: Duration,
    publish_window: usize,
    /// How long a permission that was missed counts as missing: all that needs one is tried again sooner.
    forbidden: Duration,
    stream: StreamSettings,
}

/// A live connection whose stream exists.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) context: Context,
    pub(super) stream: String,
    /// The subjects of this node's own orders.
    pub(super) subjects: String,
    /// Which incarnation of the stream this session speaks to, and how it is set up.
    pub(super) found: Found,
    /// The connection ended.
    pub(super) ended: Arc<Notify>,
    /// What the server complained about.
    pub(super) complaint: Complaint,
}

impl Connector {
    pub(super) fn new(settings: &Settings, node: &NodeId) -> Result<Self, NatsOpenError> {
        Ok(Self {
            client: ClientOptions::new(settings)?,
            name: format!("catga {node}"),
            probe_timeout: settings.probe_timeout,
            probe_interval: settings.probe_interval,
            publish_timeout: settings.publish_timeout,
            publish_window: usize::from(settings.publish_window),
            forbidden: settings.retry_cap.max(settings.ack_wait) + settings.publish_timeout + Duration::from_secs(2),
            stream: StreamSettings::new(settings),
        })
    }

    /// Connects, and makes the stream where it does not exist.
    pub(super) async fn connect(&self) -> Result<Session, NoStream> {
        let ended = Arc::new(Notify::new());
        let complaint = Complaint::default();
        let (on_event, on_error) = (Arc::clone(&ended), complaint.clone());
        let servers = self.client.servers();
        let options = self
            .client
            .options()
            .await?
            .name(&self.name)
            .connection_timeout(self.probe_timeout)
            .ping_interval(Duration::from_secs(1))
            .request_timeout(Some(self.probe_timeout))
            .max_reconnects(servers.len())
            .event_callback(move |event| {
                let (ended, complaint) = (Arc::clone(&on_event), on_error.clone());
                async move {
                    match event {
                        Event::ServerError(error) => complaint.note(&error.to_string()),
                        Event::Disconnected | Event::Closed => ended.notify_one(),
                        Event::LameDuckMode => tracing::info!("the nats server is about to shut down"),
                        other => tracing::debug!(event = %other, "nats"),
                    }
                }
            });
        let connecting = options.connect(servers);
        let client = match timeout(self.probe_timeout, connecting).await {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => return Err(self.client.explain(&error).into()),
            Err(_) => return Err(format!("connecting took longer than {:?}", self.probe_timeout).into()),
        };
        let context = ContextBuilder::new()
            // This is what an awaited acknowledgement waits for; probes have a limit of their own.
            .timeout(self.publish_timeout)
            .ack_timeout(self.publish_timeout)
            // The relay and the recovery each have a window of their own.
            .max_ack_inflight(2 * self.publish_window + 16)
            .backpressure_on_inflight(true)
            .build(client.clone());
        let making = ensure_stream(&context, &self.stream);
        let silence = || format!("stream {} got no answer in {:?}", self.stream.name, 2 * self.probe_timeout);
        let made = timeout(2 * self.probe_timeout, making).await.unwrap_or_else(|_| Err(silence().into()));
        let found = made.map_err(|error| match error {
            NoStream::NoAnswer(error) => complaint.added_to(error).into(),
            unusable @ NoStream::Unusable(_) => unusable,
        })?;
        let (stream, subjects) = (self.stream.name.clone(), self.stream.subjects.clone());
        Ok(Session { client, context, stream, subjects, found, ended, complaint })
    }

    /// Does the stream answer, and is it still the same one? Returns why it is not fit although it is, if it is not.
    pub(super) async fn probe(&self, session: &Session) -> Result<Option<String>, String> {
        match timeout(self.probe_timeout, look(&session.context, &self.stream)).await {
            Ok(Ok(Some(found))) if found.identity == session.found.identity => {
                Ok(found.unfit.or_else(|| session.complaint.forbidden(self.forbidden)))
            }
            Ok(Ok(Some(_))) => Err("the stream was made anew".to_owned()),
            Ok(Ok(None)) => Err("the stream is gone".to_owned()),
            Ok(Err(NoStream::Unusable(why))) => Err(why),
            Ok(Err(NoStream::NoAnswer(error))) => Err(session.complaint.added_to(format!("a probe failed: {error}"))),
            Err(_) => Err(session.complaint.added_to(format!("a probe got no answer in {:?}", self.probe_timeout))),
        }
    }
}
