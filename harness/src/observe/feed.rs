//! A node's event feed, from before the load to the end of the run.
//!
//! The first connection starts at the node's present; every later one resumes behind the last event seen, so that what
//! was applied while the feed was cut is shown late, but shown. A node whose store has lost writes ends the feed and says from
//! where on positions are given out again: the next connection resumes there. A feed that was cut before its first event resumes from
//! position 0: at worst that shows events of earlier runs again, which are counted and passed over.

use std::time::{Duration, Instant};

use bytes::Bytes;
use judge::history::{Entry, FeedState, Seen};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, Response};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::blindness::Blindness;
use super::confirm::{self, Confirmer};
use super::{FirstConnection, Post, stopped};
use crate::cluster::Node;
use crate::http;
use crate::wire::feed::{self, EndReason, FeedEnd, FeedEvent};
use crate::wire::{self, sse};

/// How long connecting and the head of the answer may take, each.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// A comment comes at least every 2 s: twice that in silence is a lost feed.
const SILENCE: Duration = Duration::from_secs(4);
/// Soon enough that an outage's end is seen at once, seldom enough not to burden a node that comes up.
const RETRY_EVERY: Duration = Duration::from_millis(100);
/// A node that talks nonsense is told of this often, not with every event.
const TROUBLES: u32 = 3;

/// Follows the feed of one node until observation ends; `first` learns of the first connection.
pub(super) async fn observe(node: Node, post: Post, first: watch::Sender<FirstConnection>) {
    let (confirmer, confirming) = confirm::pair(node.clone(), post.clone());
    let feed = Feed {
        url: format!("{}/api/events", node.url),
        blindness: Blindness::of(format!("feed {}", node.name)),
        node: node.name,
        post,
        confirmer,
        client: http::streaming_client(CONNECT_PATIENCE),
        position: None,
        connected_before: false,
        foreign: 0,
        troubles: 0,
    };
    tokio::join!(feed.follow(first), confirming);
}

struct Feed {
    url: String,
    node: String,
    post: Post,
    blindness: Blindness,
    confirmer: Confirmer,
    client: Client,
    /// Of the last event seen.
    position: Option<u64>,
    connected_before: bool,
    /// Events of other runs.
    foreign: u64,
    troubles: u32,
}

impl Feed {
    async fn follow(mut self, first: watch::Sender<FirstConnection>) {
        let mut stop = self.post.stop.clone();
        tokio::select! {
            () = stopped(&mut stop) => {}
            () = self.reconnect_forever(&first) => {}
        }
        self.end();
    }

    async fn reconnect_forever(&mut self, first: &watch::Sender<FirstConnection>) {
        loop {
            match self.connect().await {
                Ok(response) => {
                    let resumed = self.resume_from().map_or("from now".to_owned(), |from| format!("behind {from}"));
                    self.connected_before = true;
                    self.tell(FeedState::Connected, resumed);
                    first.send_replace(FirstConnection::Connected);
                    let (state, how) = self.read(response).await;
                    self.tell(state, how);
                }
                Err(obstacle) if self.connected_before => {
                    self.blindness.say(&self.post.recorder, &obstacle);
                }
                Err(obstacle) => {
                    first.send_replace(FirstConnection::Waiting(obstacle));
                }
            }
            sleep(RETRY_EVERY).await;
        }
    }

    async fn connect(&self) -> Result<Response, String> {
        let mut request = self.client.get(&self.url).header(ACCEPT, "text/event-stream");
        if let Some(position) = self.resume_from() {
            request = request.header("Last-Event-ID", position);
        }
        let response = timeout(CONNECT_PATIENCE, request.send()).await;
        let response = response.map_err(|_| format!("{} gave no answer within {CONNECT_PATIENCE:?}", self.url))?;
        let response = response.map_err(|error| http::broken(&self.url, &error).to_string())?;
        let kind = response.headers().get(CONTENT_TYPE).map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned());
        let is_feed = kind.as_ref().is_some_and(|kind| kind.starts_with("text/event-stream"));
        if response.status().as_u16() == 200 && is_feed {
            return Ok(response);
        }
        Err(format!("{} answered {} with {}", self.url, response.status(), kind.unwrap_or_default()))
    }

    /// Where the next connection goes on; `None` for the very first, which starts now.
    fn resume_from(&self) -> Option<u64> {
        self.position.or(self.connected_before.then_some(0))
    }

    /// Reads until the feed is lost, and returns how: as an outage, or set back.
    async fn read(&mut self, mut response: Response) -> (FeedState, String) {
        self.blindness.over();
        let mut parser = sse::Parser::new();
        let mut heard = Instant::now();
        loop {
            let chunk = match timeout(SILENCE, response.chunk()).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => {
                    return (FeedState::Lost, format!("the node ended it, {} ms after the last byte", ms(heard)));
                }
                Ok(Err(error)) => {
                    let how = format!("{}, {} ms after the last byte", http::broken(&self.url, &error), ms(heard));
                    return (FeedState::Lost, how);
                }
                Err(_) => return (FeedState::Lost, format!("silent for {} ms", ms(heard))),
            };
            heard = Instant::now();
            if let Err(ended) = self.take(&mut parser, &chunk) {
                return ended;
            }
        }
    }

    /// An error is the feed's end.
    fn take(&mut self, parser: &mut sse::Parser, chunk: &Bytes) -> Result<(), (FeedState, String)> {
        let t_us = self.post.recorder.now_us();
        for event in parser.push(chunk).map_err(|error| (FeedState::Lost, error.to_string()))? {
            if event.name.as_deref() == Some(feed::END) {
                return Err(self.ended(&event));
            }
            match feed::event(&event) {
                Ok(event) => self.see(t_us, event),
                Err(error) => self.trouble(&error.to_string()),
            }
        }
        Ok(())
    }

    /// What the node says at the end. Only a reset changes where the next connection goes on.
    fn ended(&mut self, event: &sse::Event) -> (FeedState, String) {
        let how = format!("the node ended it and says why: {}", event.data);
        match feed::end(event) {
            Ok(FeedEnd { reason: EndReason::Reset, last_event_id: to, .. }) => {
                self.position = Some(to);
                (FeedState::Reset { to }, how)
            }
            Ok(_) => (FeedState::Lost, how),
            Err(error) => {
                self.trouble(&error.to_string());
                (FeedState::Lost, how)
            }
        }
    }

    fn see(&mut self, t_us: u64, event: FeedEvent) {
        self.position = Some(event.position);
        if !wire::is_of_run(&self.post.nonce, &event.order_id) {
            self.foreign += 1;
            return;
        }
        self.confirmer.offer(&event.order_id);
        self.post.recorder.write(&Entry::Seen(Seen {
            t_us,
            node: self.node.clone(),
            position: event.position,
            order_id: event.order_id,
            message_id: event.message_id,
            sequence: event.sequence,
            accepted_at: event.accepted_at,
            applied_at: event.applied_at,
        }));
    }

    fn tell(&self, state: FeedState, detail: String) {
        let (t_us, node) = (self.post.recorder.now_us(), self.node.clone());
        self.post.recorder.write(&Entry::Feed { t_us, node, state, detail });
    }

    /// An event that cannot be read may have been one that matters: the run cannot be called valid.
    fn trouble(&mut self, error: &str) {
        self.troubles += 1;
        if self.troubles <= TROUBLES {
            let what = format!("feed of {}: {error}", self.node);
            self.post.recorder.write(&Entry::Trouble { t_us: self.post.recorder.now_us(), what });
        }
    }

    /// Says at the end what was passed over. Dropping `self` ends the confirming task.
    fn end(self) {
        let recorder = &self.post.recorder;
        if self.foreign > 0 {
            let what = format!("foreign feed {}", self.node);
            recorder.write(&Entry::FinalRead { t_us: recorder.now_us(), what, entries: self.foreign, error: None });
        }
        if self.confirmer.skipped() > 0 {
            let skipped = format!("{} orders were not confirmed: too many were waiting", self.confirmer.skipped());
            self.post.blind(&format!("confirm {}", self.node), &skipped);
        }
        if self.troubles > TROUBLES {
            let what = format!("feed of {}: {} events in all could not be read", self.node, self.troubles);
            recorder.write(&Entry::Trouble { t_us: recorder.now_us(), what });
        }
    }
}

fn ms(since: Instant) -> u128 {
    since.elapsed().as_millis()
}
