//! The event feed.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use reqwest::StatusCode;
use serde_json::Value;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::proxy::{Mode, Proxy};
use crate::space::{DEADLINE, Node, Space, authority, redis_url};

/// A client of the feed.
pub(crate) struct Feed {
    stream: futures_util::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    text: String,
}

impl Feed {
    pub(crate) async fn open(node: &Node, after: Option<u64>) -> Self {
        let mut request = node.client.get(format!("{}/api/events", node.url));
        if let Some(after) = after {
            request = request.header("last-event-id", after.to_string());
        }
        let response = request.send().await.expect("the node answers");
        assert_eq!(
            (response.status(), &response.headers()["content-type"]),
            (StatusCode::OK, &"text/event-stream".parse().expect("a header"))
        );
        let mut feed = Self { stream: response.bytes_stream().boxed(), text: String::new() };
        // The first comment says that the feed has begun.
        assert!(feed.block().await.expect("a comment").starts_with(": feed from"));
        feed
    }

    /// The next block; `None` at the end.
    pub(crate) async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let bytes = tokio::time::timeout(DEADLINE, self.stream.next()).await.expect("the feed speaks in time")?.ok()?;
            self.text.push_str(std::str::from_utf8(&bytes).expect("text"));
        }
    }

    /// The last block of a feed that ends.
    pub(crate) async fn end(&mut self) -> String {
        let mut last = String::new();
        while let Some(block) = self.block().await {
            last = block;
        }
        last
    }

    /// Positions and order ids of the next events.
    pub(crate) async fn events(&mut self, count: usize) -> Vec<(u64, String)> {
        let mut events = Vec::new();
        while events.len() < count {
            let block = self.block().await.expect("the feed goes on");
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            if let (Some(id), Some(data)) = (field("id: "), field("data: ")) {
                let data: Value = serde_json::from_str(data).expect("data is JSON");
                for name in ["messageId", "sequence", "acceptedAt", "appliedAt"] {
                    assert!(!data[name].is_null(), "{name} in {data}");
                }
                events.push((id.parse().expect("a position"), data["orderId"].as_str().expect("an id").to_owned()));
            }
        }
        events
    }
}

fn expected(range: std::ops::Range<u64>) -> Vec<(u64, String)> {
    range.map(|index| (index + 1, format!("order-{index}"))).collect()
}

#[tokio::test]
async fn a_feed_resumes_without_gap_or_repeat() {
    let space = Space::new().await;
    let mut node = space.node("n1").ready().await;
    let mut feed = Feed::open(&node, None).await;
    let place = async |node: &Node, range: std::ops::Range<u64>| {
        for index in range {
            node.place(&format!("order-{index}")).await;
            // One after the other, so that the order of application is known.
            node.wait_applied(&format!("order-{index}")).await;
        }
    };
    place(&node, 0..5).await;
    assert_eq!(feed.events(3).await, expected(0..3));
    drop(feed);
    place(&node, 5..8).await;
    assert_eq!(Feed::open(&node, Some(3)).await.events(5).await, expected(3..8));
    node.signal("-TERM");
    assert!(node.exit().await.success());
    // After a restart memory is empty, and the store has it all.
    let node = space.node("n1").ready().await;
    let mut feed = Feed::open(&node, Some(1)).await;
    assert_eq!(feed.events(7).await, expected(1..8));
    place(&node, 8..9).await;
    assert_eq!(feed.events(1).await, expected(8..9));
    space.clean().await;
}

#[tokio::test]
async fn a_feed_starts_now_keeps_speaking_and_ends_when_the_node_drains() {
    let space = Space::new().await;
    let node = space.node("n1").ready().await;
    node.place("order-old").await;
    node.wait_applied("order-old").await;
    let mut feed = Feed::open(&node, None).await;
    let begun = Instant::now();
    assert!(feed.block().await.expect("a comment").starts_with(':'), "nothing of before");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    node.place("order-new").await;
    assert_eq!(feed.events(1).await, [(2, "order-new".to_owned())]);
    node.signal("-TERM");
    let last = feed.end().await;
    assert!(last.starts_with("event: end\ndata: {\"reason\":\"draining\"") && last.contains("\"lastEventId\":2"), "{last}");
    let other = space.node("n2").ready().await;
    let bad = space.client.get(format!("{}/api/events", other.url)).header("last-event-id", "x");
    assert_eq!(bad.send().await.expect("an answer").status(), StatusCode::UNPROCESSABLE_ENTITY);
    space.clean().await;
}

#[tokio::test]
async fn a_feed_under_load_shows_every_position_once_and_in_order() {
    let space = Space::new().await;
    let node = space.node("n1").ready().await;
    let mut feed = Feed::open(&node, None).await;
    let ids: Vec<String> = (0..600).map(|index| format!("order-{index}")).collect();
    let posts = ids.iter().map(|id| node.place(id));
    let (_, events) = tokio::join!(futures_util::future::join_all(posts), feed.events(600));
    let positions: Vec<u64> = events.iter().map(|(position, _)| *position).collect();
    assert_eq!(positions, (1..=600).collect::<Vec<_>>());
    let orders: std::collections::BTreeSet<_> = events.into_iter().map(|(_, order)| order).collect();
    assert_eq!(orders.len(), 600);
    space.clean().await;
}

#[tokio::test]
async fn feeds_are_bounded_and_long_lists_are_whole() {
    let space = Space::new().await;
    let node = space.node("n1").ready().await;
    let mut feeds = Vec::new();
    for _ in 0..64 {
        feeds.push(Feed::open(&node, None).await);
    }
    let refused = space.client.get(format!("{}/api/events", node.url)).send().await.expect("the node answers");
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    feeds.pop();
    crate::space::eventually("a place is free again", async || {
        let answer = space.client.get(format!("{}/api/events", node.url)).send().await.expect("the node answers");
        if answer.status() == StatusCode::OK { Ok(()) } else { Err(answer.status().to_string()) }
    })
    .await;
    for index in 0..120 {
        node.place(&format!("order-{index}")).await;
    }
    node.wait_metric("catga_apply_total", 120).await;
    let (_, list) = node.get("/api/orders?limit=120").await;
    assert!(list.to_string().len() > 16 * 1024, "more than one piece");
    assert_eq!((list["orders"].as_array().map(Vec::len), &list["next"]), (Some(120), &Value::Null));
    space.clean().await;
}

#[tokio::test]
async fn a_slow_reader_is_told_why_it_is_disconnected_and_resumes_without_a_gap() {
    const COUNT: usize = 6_000;
    let space = Space::new().await;
    let node = space.node("n1").set("CATGA_FEED_TIMEOUT", "1s").set("CATGA_WRITE_TIMEOUT", "30s").ready().await;
    // Small buffers, so that what is not read is soon too much for them.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("set");
    let stream = socket.connect(authority(&node.url).parse().expect("an address")).await.expect("a connection");
    let mut reader = RawFeed { stream, text: String::new() };
    reader
        .stream
        .write_all(b"GET /api/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nLast-Event-ID: 0\r\n\r\n")
        .await
        .expect("written");
    node.wait_metric("catga_feed_clients", 1).await;
    let ids: Vec<String> = (0..COUNT).map(|index| format!("order-{index}")).collect();
    for some in ids.chunks(200) {
        futures_util::future::join_all(some.iter().map(|id| node.place(id))).await;
    }
    node.wait_metric("catga_apply_total", COUNT as u64).await;
    node.wait_metric("catga_feed_slow_clients_total", 1).await;
    node.wait_line(&["does not read and is disconnected"]).await;
    let told = node.lines().iter().filter(|line| line.contains("does not read and is disconnected")).count();
    assert_eq!(told, 1);
    // It reads again: all that was sent to it, and then why there is no more.
    let (mut positions, end) = reader.rest().await;
    assert_eq!(end["reason"], "slow");
    let last = *positions.last().expect("some events");
    assert_eq!(end["lastEventId"], last, "{end}");
    assert!(positions.len() < COUNT, "it was disconnected in the middle");
    node.wait_gauge("catga_feed_clients", 0).await;
    let rest = Feed::open(&node, Some(last)).await.events(COUNT - positions.len()).await;
    positions.extend(rest.into_iter().map(|(position, _)| position));
    assert_eq!(positions, (1..=COUNT as u64).collect::<Vec<_>>(), "every position once");
    space.clean().await;
}

/// A client that reads the bytes of a chunked answer itself.
struct RawFeed {
    stream: tokio::net::TcpStream,
    text: String,
}

impl RawFeed {
    /// Positions of all events up to the end, and the data of the last one.
    async fn rest(&mut self) -> (Vec<u64>, Value) {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(DEADLINE, self.stream.read_to_end(&mut bytes)).await;
        read.expect("the feed ends in time").expect("and not with a reset");
        self.text = String::from_utf8(bytes).expect("text");
        let body = dechunked(self.text.split_once("\r\n\r\n").expect("a head").1);
        let ids = body.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect();
        let end = body.split("\n\n").find_map(|block| block.strip_prefix("event: end\ndata: ")).expect("an end");
        (ids, serde_json::from_str(end).expect("JSON"))
    }
}

/// The body that chunks carry.
fn dechunked(mut text: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            return body;
        }
        body.push_str(&rest[..size]);
        text = &rest[size + 2..];
    }
    panic!("the answer broke off: {} bytes", body.len());
}

#[tokio::test]
async fn a_feed_keeps_speaking_while_the_store_is_silent_and_goes_on_where_it_was() {
    let space = Space::new().await;
    let redis = Proxy::to(&authority(&redis_url()), Mode::Open).await;
    let node = space.node("n1").set("CATGA_REDIS_URL", format!("redis://{}", redis.address));
    // A command may hang for long, and so does a read of what lies far back.
    let node = node.set("CATGA_REDIS_TIMEOUT", "5s").set("CATGA_PROBE_TIMEOUT", "5s").set("CATGA_IDENTITY_LEASE", "30s");
    let mut node = node.ready().await;
    for index in 0..300 {
        node.place(&format!("order-{index}")).await;
    }
    node.wait_metric("catga_apply_total", 300).await;
    node.signal("-TERM");
    assert!(node.exit().await.success());
    // A node that has just started has nothing in memory: all comes from the store.
    let node = space.node("n1").set("CATGA_REDIS_URL", format!("redis://{}", redis.address));
    let node =
        node.set("CATGA_REDIS_TIMEOUT", "5s").set("CATGA_PROBE_TIMEOUT", "5s").set("CATGA_IDENTITY_LEASE", "30s").ready().await;
    let mut feed = Feed::open(&node, Some(0)).await;
    assert_eq!(feed.events(10).await.len(), 10);
    redis.set(Mode::DropAnswers);
    let begun = Instant::now();
    let (mut heard, mut positions) = (Instant::now(), 10);
    while begun.elapsed() < Duration::from_secs(7) {
        let block = feed.block().await.expect("the feed goes on");
        assert!(heard.elapsed() < Duration::from_secs(2), "silent for {:?} after {positions}", heard.elapsed());
        heard = Instant::now();
        positions += u64::from(block.contains("id: "));
    }
    redis.set(Mode::Open);
    let rest = feed.events(usize::try_from(300 - positions).expect("small")).await;
    assert_eq!(rest.last().map(|(position, _)| *position), (positions < 300).then_some(300));
    space.clean().await;
}
