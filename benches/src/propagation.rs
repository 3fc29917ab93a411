//! From an order's request to its sight on every node's feed, and beside it, in the same seconds, from a bare
//! publish to three bare pull consumers of a stream of their own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use futures_util::StreamExt as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::client::Connection;
use crate::percentile;

/// Connections that take turns in sending orders.
const SENDERS: usize = 32;
/// Consumers of the bare stream: as many as there are nodes.
const CONSUMERS: usize = 3;
/// How long the last events may take.
const SETTLE: Duration = Duration::from_secs(5);

/// What to send.
#[derive(Debug)]
pub struct Propagation {
    pub address: String,
    pub feeds: Vec<String>,
    pub nats: String,
    /// Orders, and bare messages, a second.
    pub rate: u64,
    pub seconds: u64,
    pub prefix: String,
}

/// When each was begun, and when it was seen.
#[derive(Debug, Default)]
struct Sights {
    begun: Mutex<HashMap<String, Instant>>,
    /// When the node answered that it has the order.
    accepted: Mutex<HashMap<String, Instant>>,
    seen: Mutex<Vec<(String, Instant)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sights {
    fn begin(&self, id: &str) {
        lock(&self.begun).insert(id.to_owned(), Instant::now());
    }

    fn accept(&self, id: &str) {
        lock(&self.accepted).insert(id.to_owned(), Instant::now());
    }

    fn see(&self, id: &str) {
        lock(&self.seen).push((id.to_owned(), Instant::now()));
    }

    /// How long each sight took, sorted; one that came before its beginning took no time.
    fn micros(&self, begun: &Mutex<HashMap<String, Instant>>) -> Vec<u32> {
        let (begun, seen) = (lock(begun), lock(&self.seen));
        let micros = |(id, at): &(String, Instant)| {
            begun.get(id).map(|begun| u32::try_from(at.saturating_duration_since(*begun).as_micros()).unwrap_or(u32::MAX))
        };
        let mut micros: Vec<u32> = seen.iter().filter_map(micros).collect();
        micros.sort_unstable();
        micros
    }

    async fn report(&self, wanted: usize) -> String {
        let deadline = Instant::now() + SETTLE;
        while lock(&self.seen).len() < wanted && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let (begun, accepted) = (self.micros(&self.begun), self.micros(&self.accepted));
        let (p50, p99) = (percentile(&begun, 0.5), percentile(&begun, 0.99));
        let accepted_p50 = percentile(&accepted, 0.5);
        let seen = begun.len();
        format!(r#"{{"wanted":{wanted},"seen":{seen},"us_p50":{p50},"us_p99":{p99},"accepted_us_p50":{accepted_p50}}}"#)
    }
}

/// Measures both in turn, tick by tick, so that what disturbs one disturbs the other.
pub async fn run(what: Propagation) -> anyhow::Result<String> {
    let (node, bare) = (Arc::new(Sights::default()), Arc::new(Sights::default()));
    let mut watchers = JoinSet::new();
    for feed in &what.feeds {
        let stream = Connection::open(feed).await?.follow("/api/events").await?;
        watchers.spawn(watch_feed(stream, Arc::clone(&node)));
    }
    let (context, name) = bare_stream(&what).await?;
    for number in 0..CONSUMERS {
        watchers.spawn(watch_stream(context.clone(), name.clone(), number, Arc::clone(&bare)));
    }
    // The feeds begin now: an order sent before they are open would not be seen.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (orders, queue) = mpsc::unbounded_channel::<String>();
    let queue = Arc::new(tokio::sync::Mutex::new(queue));
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        senders.spawn(sender(Connection::open(&what.address).await?, Arc::clone(&queue), Arc::clone(&node)));
    }
    let total = what.rate * what.seconds;
    let begun = Instant::now();
    let period = Duration::from_secs(1) / u32::try_from(what.rate)?;
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0..total {
        let due = ticks.tick().await;
        let id = format!("{}-{number}", what.prefix);
        node.begin(&id);
        orders.send(id.clone())?;
        // By the schedule, so that a timer's coarse steps do not add up.
        tokio::time::sleep_until(due + period / 2).await;
        bare.begin(&id);
        publish(&context, &name, &id).await?;
    }
    drop(orders);
    while let Some(ended) = senders.join_next().await {
        ended.context("a sender")??;
    }
    let rate = total as f64 / begun.elapsed().as_secs_f64();
    let wanted = usize::try_from(total)?;
    let report = format!(
        r#"{{"rate":{rate:.1},"node":{},"bare":{}}}"#,
        node.report(wanted * what.feeds.len()).await,
        bare.report(wanted * CONSUMERS).await
    );
    watchers.abort_all();
    context.delete_stream(&name).await.context("deleting the bare stream")?;
    Ok(report)
}

async fn sender(
    mut connection: Connection,
    queue: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<String>>>,
    sights: Arc<Sights>,
) -> anyhow::Result<()> {
    loop {
        let next = queue.lock().await.recv().await;
        let Some(id) = next else { return Ok(()) };
        let body = format!(r#"{{"orderId":"{id}","customerId":"customer-123","amount":99.99}}"#);
        let status = connection.post("/api/orders", &body).await?;
        anyhow::ensure!(status == 201, "order {id} was answered {status}");
        sights.accept(&id);
    }
}

async fn watch_feed(stream: TcpStream, sights: Arc<Sights>) -> anyhow::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some(id) = line.split(r#""orderId":""#).nth(1).and_then(|rest| rest.split('"').next()) {
            sights.see(id);
        }
    }
    Ok(())
}

/// A stream made like the cluster's, beside it.
async fn bare_stream(what: &Propagation) -> anyhow::Result<(jetstream::Context, String)> {
    let context = jetstream::new(async_nats::connect(&what.nats).await?);
    let name = format!("BARE-{}", what.prefix);
    let config = jetstream::stream::Config {
        name: name.clone(),
        subjects: vec![name.clone()],
        discard: jetstream::stream::DiscardPolicy::New,
        ..Default::default()
    };
    context.create_stream(config).await?;
    Ok((context, name))
}

async fn publish(context: &jetstream::Context, name: &str, id: &str) -> anyhow::Result<()> {
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Nats-Msg-Id", id);
    // As long as the JSON of an order.
    let payload = format!("{id:<200}");
    let ack = context.publish_with_headers(name.to_owned(), headers, payload.into()).await?;
    tokio::spawn(async move { ack.await.map(drop) });
    Ok(())
}

async fn watch_stream(context: jetstream::Context, name: String, number: usize, sights: Arc<Sights>) -> anyhow::Result<()> {
    let config = pull::Config {
        durable_name: Some(format!("bare-{number}")),
        ack_policy: AckPolicy::Explicit,
        max_ack_pending: 4096,
        ..Default::default()
    };
    let consumer = context.get_stream(&name).await?.create_consumer(config).await?;
    let mut messages = consumer.messages().await?;
    while let Some(message) = messages.next().await {
        let message = message?;
        sights.see(std::str::from_utf8(&message.payload)?.trim_end());
        message.ack().await.map_err(|error| anyhow::anyhow!(error))?;
    }
    Ok(())
}
