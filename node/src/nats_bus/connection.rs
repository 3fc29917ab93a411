//! One connection to NATS and the stream behind it. It is never mended, only replaced: what was buffered for a
//! broken connection must not reach the stream minutes later.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{Context, context::ContextBuilder};
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::stream::{StreamSettings, ensure_stream, identity};
use crate::order::NodeId;
use crate::settings::Settings;

/// Why no bus can be opened at all.
#[derive(Debug, thiserror::Error)]
#[error("nats url {url:?} is not understood: {detail}; write nats://HOST:PORT")]
pub struct NatsOpenError {
    url: String,
    detail: String,
}

/// How to connect.
#[derive(Debug)]
pub(super) struct Connector {
    servers: Vec<ServerAddr>,
    name: String,
    pub(super) probe_timeout: Duration,
    pub(super) probe_interval: Duration,
    publish_timeout: Duration,
    publish_window: usize,
    stream: StreamSettings,
}

/// A live connection whose stream exists.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) context: Context,
    pub(super) stream: String,
    /// Which incarnation of the stream this session speaks to.
    pub(super) identity: String,
    /// How long the stream really recognises a message id.
    pub(super) duplicate_window: Duration,
    /// The connection ended.
    pub(super) ended: Arc<Notify>,
}

impl Connector {
    pub(super) fn new(settings: &Settings, node: &NodeId) -> Result<Self, NatsOpenError> {
        let url = settings.nats_url.as_str();
        let parse = |part: &str| part.trim().parse::<ServerAddr>();
        let servers = url.split(',').map(parse).collect::<Result<Vec<_>, _>>();
        Ok(Self {
            servers: servers.map_err(|error| NatsOpenError { url: url.to_owned(), detail: error.to_string() })?,
            name: format!("catga {node}"),
            probe_timeout: settings.probe_timeout,
            probe_interval: settings.probe_interval,
            publish_timeout: settings.publish_timeout,
            publish_window: usize::from(settings.publish_window),
            stream: StreamSettings::new(settings),
        })
    }

    /// Connects, and makes the stream where it does not exist.
    pub(super) async fn connect(&self) -> Result<Session, String> {
        let ended = Arc::new(Notify::new());
        let on_event = Arc::clone(&ended);
        let options = ConnectOptions::new()
            .name(&self.name)
            .connection_timeout(self.probe_timeout)
            .ping_interval(Duration::from_secs(1))
            .request_timeout(Some(self.probe_timeout))
            .max_reconnects(self.servers.len())
            .event_callback(move |event| {
                let ended = Arc::clone(&on_event);
                async move {
                    match event {
                        Event::Disconnected | Event::Closed => ended.notify_one(),
                        Event::LameDuckMode => tracing::info!("the nats server is about to shut down"),
                        other => tracing::debug!(event = %other, "nats"),
                    }
                }
            });
        let connecting = options.connect(self.servers.as_slice());
        let client = match timeout(self.probe_timeout, connecting).await {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => return Err(format!("connecting failed: {error}")),
            Err(_) => return Err(format!("connecting took longer than {:?}", self.probe_timeout)),
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
        let (identity, duplicate_window) = match timeout(2 * self.probe_timeout, making).await {
            Ok(made) => made?,
            Err(_) => return Err(format!("stream {} got no answer in {:?}", self.stream.name, 2 * self.probe_timeout)),
        };
        Ok(Session { client, context, stream: self.stream.name.clone(), identity, duplicate_window, ended })
    }

    /// Does the stream answer, and is it still the same one?
    pub(super) async fn probe(&self, session: &Session) -> Result<(), String> {
        match timeout(self.probe_timeout, identity(&session.context, &session.stream)).await {
            Ok(Ok(Some(identity))) if identity == session.identity => Ok(()),
            Ok(Ok(Some(_))) => Err("the stream was made anew".to_owned()),
            Ok(Ok(None)) => Err("the stream is gone".to_owned()),
            Ok(Err(error)) => Err(format!("a probe failed: {error}")),
            Err(_) => Err(format!("a probe got no answer in {:?}", self.probe_timeout)),
        }
    }
}
