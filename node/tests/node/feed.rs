//! The event feed.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use reqwest::StatusCode;
use serde_json::Value;

use crate::space::{DEADLINE, Node, Space};

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
    while feed.block().await.is_some() {}
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
