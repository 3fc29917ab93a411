//! The event feed: server-sent events, one an order applied on this node.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Response};
use tokio::sync::{mpsc, watch};

use super::App;
use super::body::Answer;
use crate::core::{Core, FeedRead, Mark};
use crate::error::Error;
use crate::ports::{Clock, Ports, Store, within};
use crate::state::Phase;

/// A comment comes at least every two seconds.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Chunks that may wait for a client.
const QUEUE: usize = 2;
/// Pause after a failed read.
const RETRY: Duration = Duration::from_millis(200);

/// `GET /api/events`.
pub(super) async fn feed<P: Ports>(app: &App<P>, headers: &HeaderMap) -> Result<Response<Answer>, Error> {
    let core = Arc::clone(app.core());
    if core.life.phase() == Phase::Draining {
        return Err(Error::Unavailable("the node is draining".to_owned()));
    }
    let place = app.feeds.take()?;
    let marks = core.feed.watch();
    let progress = core.store.progress().await.map_err(|error| Error::of_read(&error))?;
    let after = match headers.get("last-event-id") {
        None => progress.position,
        Some(id) => {
            let id = id.to_str().ok().and_then(|id| id.trim().parse::<u64>().ok());
            let detail = || "Last-Event-ID must be the id of an event".to_owned();
            let after = id.ok_or_else(|| Error::Invalid { field: Some("Last-Event-ID"), detail: detail() })?;
            // Behind the counter there is nothing to resume: the store lost those events, and they come again.
            after.min(progress.position)
        }
    };
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        run(core, sender, marks, after, progress.position).await;
        drop(place);
    });
    let mut response = Response::new(Answer::Feed(receiver));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Feeds one client until it leaves, is too slow, or the node drains.
async fn run<P: Ports>(
    core: Arc<Core<P>>,
    sender: mpsc::Sender<Bytes>,
    mut marks: watch::Receiver<Mark>,
    mut after: u64,
    mut last: u64,
) {
    let clients = Gauge::new(&core);
    let resets = marks.borrow().resets;
    let reading = async {
        send(&core, &sender, Bytes::from(format!(": feed from {after}\n\n"))).await?;
        loop {
            let mark = *marks.borrow_and_update();
            // Positions are given out again, so the client's place means nothing any more: it resumes anew.
            if mark.resets != resets {
                return None;
            }
            last = last.max(mark.position);
            match core.read_feed(after, last).await {
                Ok(FeedRead::Events(events)) => {
                    let mut chunk = String::with_capacity(256 * events.len());
                    for event in &events {
                        let _ = write!(chunk, "id: {}\nevent: order-applied\ndata: {}\n\n", event.position, event.data);
                        after = event.position;
                    }
                    send(&core, &sender, Bytes::from(chunk)).await?;
                }
                Ok(FeedRead::Nothing) => match within(&core.clock, HEARTBEAT, marks.changed()).await {
                    Some(Ok(())) => {}
                    Some(Err(_)) => return None::<()>,
                    None => send(&core, &sender, Bytes::from_static(b": still here\n\n")).await?,
                },
                Err(_) => {
                    send(&core, &sender, Bytes::from_static(b": the store does not answer\n\n")).await?;
                    core.clock.sleep(RETRY).await;
                }
            }
        }
    };
    tokio::select! {
        _ = reading => {}
        () = sender.closed() => {}
        () = core.life.reached(Phase::Draining) => {}
    }
    drop(clients);
}

/// Hands a chunk over; `None` where the client is gone or does not read.
async fn send<P: Ports>(core: &Core<P>, sender: &mpsc::Sender<Bytes>, chunk: Bytes) -> Option<()> {
    let sent = within(&core.clock, core.settings.write_timeout, sender.send(chunk)).await;
    if sent.is_none() {
        tracing::info!("a client of the event feed does not read and is disconnected");
    }
    sent?.ok()
}

/// Counts a client for as long as it is there.
struct Gauge<P: Ports>(Arc<Core<P>>);

impl<P: Ports> Gauge<P> {
    fn new(core: &Arc<Core<P>>) -> Self {
        core.metrics.feed_clients.increment();
        Self(Arc::clone(core))
    }
}

impl<P: Ports> Drop for Gauge<P> {
    fn drop(&mut self) {
        self.0.metrics.feed_clients.decrement();
    }
}
