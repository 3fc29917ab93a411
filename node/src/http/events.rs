//! The event feed: server-sent events, one an order applied on this node.

use std::fmt::Write as _;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Response};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use utoipa::ToSchema;

use super::App;
use super::body::Answer;
use super::orders::whole_number;
use crate::core::{Core, FeedRead, Mark};
use crate::error::Error;
use crate::metrics::Metrics;
use crate::ports::{Clock as _, Ports, Store, within};
use crate::state::Phase;

/// A comment comes at least every two seconds.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Chunks that may wait for a client.
const QUEUE: usize = 2;
/// Pause after a failed read.
const RETRY: Duration = Duration::from_millis(200);

/// Why a feed ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum EndReason {
    /// The client did not read what it was sent.
    Slow,
    /// The node stops.
    Draining,
    /// The store lost writes, so positions are given out again.
    Reset,
}

/// The data of a feed's last event, `event: end`
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FeedEnd {
    reason: EndReason,
    detail: String,
    /// The `Last-Event-ID` to resume with
    last_event_id: u64,
}

/// The body of a feed: chunks while it runs, then the event that says why it ends. It holds the feed's place until the
/// connection is done with it.
pub(super) struct FeedBody {
    chunks: mpsc::Receiver<Bytes>,
    end: Option<oneshot::Receiver<Bytes>>,
    _client: Client,
}

impl FeedBody {
    pub(super) fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(chunk) = ready!(self.chunks.poll_recv(context)) {
            return Poll::Ready(Some(chunk));
        }
        // Whoever filled the channel has said why before it let go of it.
        Poll::Ready(self.end.take().and_then(|mut end| end.try_recv().ok()))
    }
}

/// A client of the feed, counted for as long as it is there.
struct Client {
    metrics: Arc<Metrics>,
    _place: OwnedSemaphorePermit,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.metrics.feed_clients.decrement();
    }
}

/// `GET /api/events`.
pub(super) async fn feed<P: Ports>(app: &App<P>, headers: &HeaderMap) -> Result<Response<Answer>, Error> {
    let core = Arc::clone(app.core());
    if core.life.phase() == Phase::Draining {
        return Err(Error::Unavailable("the node is draining".to_owned()));
    }
    let place = app.feeds.take().inspect_err(|_| core.metrics.requests_refused.increment())?;
    let marks = core.feed.watch();
    // Noted before the counter is read: one that goes back meanwhile ends this feed.
    let resets = marks.borrow().resets;
    let progress = core.store.progress().await.map_err(|error| Error::of_read(&error))?;
    let after = match headers.get("last-event-id") {
        None => progress.position,
        Some(id) => {
            let detail = || "Last-Event-ID must be the id of an event".to_owned();
            let after = id.to_str().ok().and_then(|id| whole_number(id.trim()));
            let after = after.ok_or_else(|| Error::Invalid { field: Some("Last-Event-ID"), detail: detail() })?;
            // Behind the counter there is nothing to resume: the store lost those events, and they come again.
            let after = if planted!(core, ResumeOffByOne) { after + 1 } else { after };
            after.min(progress.position)
        }
    };
    core.metrics.feed_clients.increment();
    let client = Client { metrics: Arc::clone(&core.metrics), _place: place };
    let (sender, chunks) = mpsc::channel(QUEUE);
    let (last_word, end) = oneshot::channel();
    let feeder = Feeder { core, sender, marks, resets, after, last: progress.position };
    tokio::spawn(feeder.run(last_word));
    let mut response = Response::new(Answer::Feed(FeedBody { chunks, end: Some(end), _client: client }));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What feeds one client.
struct Feeder<P: Ports> {
    core: Arc<Core<P>>,
    sender: mpsc::Sender<Bytes>,
    marks: watch::Receiver<Mark>,
    /// The resets before this feed began.
    resets: u64,
    /// The position that the client was told of last.
    after: u64,
    /// The highest position that is known of.
    last: u64,
}

/// Why feeding stopped: the client left, or there is something to say to it.
enum Stop {
    Left,
    End(EndReason),
}

impl<P: Ports> Feeder<P> {
    /// Feeds until the client leaves, is too slow, or the node drains.
    async fn run(mut self, last_word: oneshot::Sender<Bytes>) {
        let (core, sender) = (Arc::clone(&self.core), self.sender.clone());
        let stop = tokio::select! {
            stop = self.feed() => stop,
            () = sender.closed() => Stop::Left,
            () = core.life.reached(Phase::Draining) => Stop::End(EndReason::Draining),
        };
        if let Stop::End(reason) = stop {
            // It needs no room in the channel, which may be full; both senders go only afterwards.
            let _ = last_word.send(self.end(reason));
        }
    }

    fn end(&self, reason: EndReason) -> Bytes {
        let detail = match reason {
            EndReason::Slow => {
                self.core.metrics.feeds_slow.increment();
                let patience = self.core.settings.feed_timeout;
                tracing::info!(lastEventId = self.after, "a client of the event feed does not read and is disconnected");
                format!("what was sent was not read for {patience:?}")
            }
            EndReason::Draining => "the node is draining".to_owned(),
            EndReason::Reset => "the store lost writes, so positions are given out again".to_owned(),
        };
        // Positions behind the one that the counter went back to are given to other events, whatever the client has seen.
        let last_event_id = self.after.min(self.marks.borrow().kept_since(self.resets));
        let end = FeedEnd { reason, detail, last_event_id };
        let data = serde_json::to_string(&end).unwrap_or_default();
        // A client that remembers ids by itself is to forget the one that it has.
        let id = if last_event_id < self.after || matches!(reason, EndReason::Reset) {
            format!("id: {last_event_id}\n")
        } else {
            String::new()
        };
        Bytes::from(format!("event: end\n{id}data: {data}\n\n"))
    }

    async fn feed(&mut self) -> Stop {
        let Err(stop) = self.feed_on().await;
        stop
    }

    async fn feed_on(&mut self) -> Result<std::convert::Infallible, Stop> {
        self.send(Bytes::from(format!(": feed from {}\n\n", self.after))).await?;
        loop {
            let mark = *self.marks.borrow_and_update();
            // Positions are given out again, so the client's place means nothing any more: it resumes anew.
            if mark.resets != self.resets {
                return Err(Stop::End(EndReason::Reset));
            }
            self.last = self.last.max(mark.position);
            let core = Arc::clone(&self.core);
            let mut reading = std::pin::pin!(core.read_feed(self.after, self.last));
            let read = loop {
                // A store that is asked for what lies far back may take its time; the client hears from us meanwhile.
                match within(&core.clock, HEARTBEAT, &mut reading).await {
                    Some(read) => break read,
                    None => self.send(Bytes::from_static(b": still reading\n\n")).await?,
                }
            };
            match read {
                Ok(FeedRead::Events { events, end }) => {
                    let mut chunk = String::with_capacity(256 * events.len());
                    let mut events = events;
                    if planted!(core, FeedSwaps) {
                        events.reverse();
                    }
                    for event in &events {
                        if planted!(core, FeedSkips) && event.position.is_multiple_of(50) {
                            continue;
                        }
                        if planted!(core, FeedRepeats) && event.position.is_multiple_of(50) {
                            let _ = write!(chunk, "id: {}\nevent: order-applied\ndata: {}\n\n", event.position, event.data);
                        }
                        let _ = write!(chunk, "id: {}\nevent: order-applied\ndata: {}\n\n", event.position, event.data);
                    }
                    if !chunk.is_empty() {
                        self.send(Bytes::from(chunk)).await?;
                    }
                    self.after = end;
                }
                Ok(FeedRead::Nothing) => match within(&core.clock, HEARTBEAT, self.marks.changed()).await {
                    Some(Ok(())) => {}
                    Some(Err(_)) => return Err(Stop::End(EndReason::Draining)),
                    None => self.send(Bytes::from_static(b": still here\n\n")).await?,
                },
                Err(_) => {
                    self.send(Bytes::from_static(b": the store does not answer\n\n")).await?;
                    core.clock.sleep(RETRY).await;
                }
            }
        }
    }

    /// Hands a chunk over, or says why that is of no use any more.
    async fn send(&self, chunk: Bytes) -> Result<(), Stop> {
        match within(&self.core.clock, self.core.settings.feed_timeout, self.sender.send(chunk)).await {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) => Err(Stop::Left),
            None => Err(Stop::End(EndReason::Slow)),
        }
    }
}
