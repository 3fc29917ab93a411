//! `JetStream`, asked through its own interface, so that no client library stands between the judge and the stream; or what
//! stands for it in memory.

mod memory;
mod setup;

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Message, Request, StatusCode, Subscriber};
use futures_util::StreamExt as _;
use judge::history::{ConsumerState, Published};
use tokio::time::timeout;

use super::{IN_MEMORY, StoreError};
use crate::cluster::Cluster;
use crate::poll;
use crate::wire::jetstream::{self as api, Delivery, StreamState};
use crate::wire::order;
use memory::Stream;

/// How many messages the reader asks for at once: large enough that round trips do not count, small enough for memory.
const BATCH: u64 = 1_000;
/// A lost connection is tried again this often.
const RECONNECT_EVERY: Duration = Duration::from_millis(100);
/// How often it is looked whether the first connection is there.
const CONNECTION_POLL: Duration = Duration::from_millis(10);

/// A connection to NATS that comes back by itself.
#[derive(Debug, Clone)]
pub struct JetStream {
    way: Way,
    address: String,
    patience: Duration,
}

#[derive(Debug, Clone)]
enum Way {
    Network(Client),
    Memory(Stream),
}

impl JetStream {
    /// The one of this cluster; further as [`JetStream::connect`].
    ///
    /// # Errors
    /// Its address is none.
    pub async fn of(cluster: &Cluster, patience: Duration) -> Result<Self, StoreError> {
        match &cluster.memory {
            None => Self::connect(&cluster.nats, patience).await,
            Some(services) => {
                let way = Way::Memory(Stream::of(services, patience));
                Ok(Self { way, address: IN_MEMORY.to_owned(), patience })
            }
        }
    }

    /// Connects to `host:port`. Where nobody answers it returns after `patience` all the same, and goes on trying; an
    /// answer to a question may take as long.
    ///
    /// # Errors
    /// `address` is none.
    pub async fn connect(address: &str, patience: Duration) -> Result<Self, StoreError> {
        let client = ConnectOptions::new()
            .name("catga-harness")
            .retry_on_initial_connect()
            .connection_timeout(patience)
            .request_timeout(Some(patience))
            .ping_interval(Duration::from_secs(1))
            // Servers tell of their private addresses, and traffic goes to the named one alone.
            .ignore_discovered_servers()
            .reconnect_delay_callback(|_| RECONNECT_EVERY)
            .connect(address)
            .await
            .map_err(|error| StoreError::Nats {
                what: "naming the server",
                address: address.to_owned(),
                detail: error.to_string(),
            })?;
        // Not being connected yet is no error: the questions that follow will say so.
        let connected = || std::future::ready(is_connected(&client).then_some(()).ok_or_else(String::new));
        let _ = poll::until(patience, CONNECTION_POLL, connected).await;
        Ok(Self { way: Way::Network(client), address: address.to_owned(), patience })
    }

    /// What the stream holds.
    ///
    /// # Errors
    /// No connection, no answer in time, or `JetStream` refused, e.g. since there is no such stream.
    pub async fn stream(&self) -> Result<StreamState, StoreError> {
        let what = "asking for the stream's state";
        if let Way::Memory(stream) = &self.way {
            return stream.state().await.map_err(|error| self.failed(what, &error));
        }
        let answer = self.ask(what, api::info_subject(), Vec::new()).await?;
        Ok(api::stream_state(&answer)?)
    }

    /// How the stream is set up: each setting with its value as JSON.
    ///
    /// # Errors
    /// As for [`Self::stream`].
    pub async fn stream_config(&self) -> Result<BTreeMap<String, String>, StoreError> {
        let answer = self.ask("asking for the stream's settings", api::info_subject(), Vec::new()).await?;
        Ok(api::stream_config(&answer)?)
    }

    /// The durable consumers of the stream, by name.
    ///
    /// # Errors
    /// As for [`Self::stream`].
    pub async fn consumers(&self) -> Result<BTreeMap<String, ConsumerState>, StoreError> {
        let what = "asking for the stream's consumers";
        if let Way::Memory(stream) = &self.way {
            return stream.consumers().await.map_err(|error| self.failed(what, &error));
        }
        let mut durable = BTreeMap::new();
        let mut listed = 0;
        loop {
            let request = api::consumers_request(listed);
            let answer = self.ask(what, api::consumers_subject(), request).await?;
            let page = api::consumers(&answer)?;
            durable.extend(page.durable);
            listed += page.listed;
            if page.listed == 0 || listed >= page.total {
                return Ok(durable);
            }
        }
    }

    async fn ask(&self, what: &'static str, subject: String, body: Vec<u8>) -> Result<bytes::Bytes, StoreError> {
        let client = self.client().map_err(|error| self.failed(what, &error))?;
        // A request made while disconnected would be sent after the reconnect and answer a question of the past.
        if !is_connected(client) {
            return Err(self.failed(what, &"not connected"));
        }
        let request = Request::new().payload(body.into()).timeout(Some(self.patience));
        let answer = client.send_request(subject, request).await;
        answer.map(|message| message.payload).map_err(|error| self.failed(what, &error))
    }

    fn client(&self) -> Result<&Client, &'static str> {
        match &self.way {
            Way::Network(client) => Ok(client),
            Way::Memory(_) => Err("a stream in memory is not asked for that"),
        }
    }

    fn failed(&self, what: &'static str, detail: &impl ToString) -> StoreError {
        StoreError::Nats { what, address: self.address.clone(), detail: detail.to_string() }
    }
}

fn is_connected(client: &Client) -> bool {
    client.connection_state() == State::Connected
}

/// Reads a stream from its first message on, each message once and in order, over a consumer of its own.
#[derive(Debug)]
pub struct Reader {
    jetstream: JetStream,
    /// `None` where the stream is in memory.
    pull: Option<Pull>,
    /// The sequence that was read last.
    pub last_sequence: u64,
}

#[derive(Debug)]
struct Pull {
    name: String,
    inbox: String,
    deliveries: Subscriber,
    delivered: u64,
}

impl Reader {
    /// Opens a consumer behind sequence `after`.
    ///
    /// # Errors
    /// As for [`JetStream::stream`].
    pub async fn open(jetstream: &JetStream, after: u64) -> Result<Self, StoreError> {
        let what = "opening a reader of the stream";
        let Way::Network(client) = &jetstream.way else {
            return Ok(Self { jetstream: jetstream.clone(), pull: None, last_sequence: after });
        };
        let inbox = client.new_inbox();
        let deliveries = client.subscribe(inbox.clone()).await;
        let deliveries = deliveries.map_err(|error| jetstream.failed(what, &error))?;
        let name = format!("harness-{}", inbox.rsplit('.').next().unwrap_or_default());
        let request = api::create_request(&name, after + 1);
        let answer = jetstream.ask(what, api::create_subject(&name), request).await?;
        api::done("a reader of the stream", &answer)?;
        let pull = Some(Pull { name, inbox, deliveries, delivered: 0 });
        Ok(Self { jetstream: jetstream.clone(), pull, last_sequence: after })
    }

    /// The next messages; none where the stream has no more for now.
    ///
    /// # Errors
    /// No connection, a message that did not come in time or out of turn: the reader is then of no more use, and a new
    /// one behind [`Self::last_sequence`] goes on.
    pub async fn next(&mut self) -> Result<Vec<Published>, StoreError> {
        let what = "reading the stream";
        let jetstream = self.jetstream.clone();
        let (client, pull) = match (&jetstream.way, &mut self.pull) {
            (Way::Network(client), Some(pull)) => (client, pull),
            (Way::Memory(stream), _) => {
                let read = stream.read(self.last_sequence, BATCH).await.map_err(|error| jetstream.failed(what, &error))?;
                self.last_sequence = read.last().map_or(self.last_sequence, |published| published.sequence);
                return Ok(read);
            }
            (Way::Network(_), None) => return Err(jetstream.failed(what, &"the reader has no consumer")),
        };
        let request = api::next_request(BATCH).into();
        let sent = client.publish_with_reply(api::next_subject(&pull.name), pull.inbox.clone(), request).await;
        sent.map_err(|error| jetstream.failed(what, &error))?;
        let mut read = Vec::new();
        while (read.len() as u64) < BATCH {
            let message = timeout(jetstream.patience, pull.deliveries.next()).await;
            let Ok(Some(message)) = message else {
                return Err(jetstream.failed(what, &format!("no message behind sequence {} in time", self.last_sequence)));
            };
            match message.status {
                None => read.push(pull.take(&jetstream, &message, &mut self.last_sequence)?),
                // The end of the stream, before or behind some messages.
                Some(StatusCode::NOT_FOUND | StatusCode::TIMEOUT) => break,
                Some(status) => {
                    let described = message.description.as_deref().unwrap_or_default();
                    return Err(jetstream.failed(what, &format!("status {status} {described}")));
                }
            }
        }
        Ok(read)
    }

    /// Removes the consumer; should that fail, `JetStream` forgets it within 30 s.
    ///
    /// # Errors
    /// As for [`JetStream::stream`].
    pub async fn close(self) -> Result<(), StoreError> {
        let Some(pull) = &self.pull else { return Ok(()) };
        let subject = api::delete_subject(&pull.name);
        let answer = self.jetstream.ask("closing a reader of the stream", subject, Vec::new()).await?;
        Ok(api::done("a reader's end", &answer)?)
    }
}

impl Pull {
    fn take(&mut self, jetstream: &JetStream, message: &Message, last_sequence: &mut u64) -> Result<Published, StoreError> {
        let Delivery { stream_sequence, consumer_sequence, stored_at } =
            api::delivery(message.reply.as_deref().unwrap_or_default())?;
        if consumer_sequence != self.delivered + 1 || stream_sequence <= *last_sequence {
            let detail = format!(
                "delivery {consumer_sequence} (sequence {stream_sequence}) came behind {} ({})",
                self.delivered, *last_sequence
            );
            return Err(jetstream.failed("reading the stream", &detail));
        }
        self.delivered = consumer_sequence;
        *last_sequence = stream_sequence;
        let id = message.headers.as_ref().and_then(|headers| headers.get(api::MESSAGE_ID));
        Ok(Published {
            sequence: stream_sequence,
            message_id: id.map(|id| id.as_str().to_owned()).unwrap_or_default(),
            stored_at,
            answer: order::answer(&message.payload).ok(),
        })
    }
}
