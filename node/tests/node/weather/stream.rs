//! The stream purged, full, or made by an operator with other settings.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy};
use reqwest::StatusCode;

use super::{NATS_DOWN, told};
use crate::books::Books;
use crate::proxy::{Mode, Proxy};
use crate::space::{Node, Space, authority, eventually, nats_url, order};

fn config(space: &Space) -> Config {
    Config {
        name: space.name.clone(),
        subjects: vec![format!("{}.>", space.name)],
        discard: DiscardPolicy::New,
        ..Config::default()
    }
}

#[tokio::test]
async fn a_proven_duplicate_removes_its_row_at_once() {
    let space = Space::new().await;
    let nats = Proxy::to(&authority(&nats_url()), Mode::Open).await;
    let node = space.node("n1").set("CATGA_NATS_URL", format!("nats://{}", nats.address)).ready().await;
    nats.set(Mode::Refuse);
    node.wait_status("degraded").await;
    let answer = node.place("known").await;
    // As if the acknowledgement of a first publish had been lost.
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", answer["messageId"].as_str().expect("an id"));
    let sent = space.jetstream.publish_with_headers(space.subject(), headers, answer.to_string().into()).await;
    sent.expect("sent").await.expect("acknowledged");
    nats.set(Mode::Open);
    node.wait_metric("catga_publish_duplicate_acks_total", 1).await;
    eventually("the outbox is empty", async || match space.pending().await {
        rows if rows.is_empty() => Ok(()),
        rows => Err(format!("{rows:?}")),
    })
    .await;
    assert_eq!(node.wait_applied("known").await["applied"], 1);
    assert_eq!(space.stream().await.cached_info().state.messages, 1);
    assert_eq!(node.get("/api/customers/customer-123").await.1["orders"], 1);
    space.clean().await;
}

#[tokio::test]
async fn messages_purged_before_a_node_saw_them_are_told_of_and_the_node_goes_on() {
    const PURGED: &str = "messages left the stream before this node had applied all of them";
    let space = Space::new().await;
    let nats = Proxy::to(&authority(&nats_url()), Mode::Open).await;
    let behind = space.node("n1").set("CATGA_NATS_URL", format!("nats://{}", nats.address)).ready().await;
    let node = space.node("n2").ready().await;
    node.place("seen").await;
    behind.wait_applied("seen").await;
    nats.set(Mode::BlackHole);
    behind.wait_status("degraded").await;
    for index in 0..5 {
        node.place(&format!("purged-{index}")).await;
    }
    node.wait_applied("purged-4").await;
    space.stream().await.purge().await.expect("purged");
    nats.set(Mode::Open);
    let line = behind.wait_told(PURGED).await;
    assert_eq!((&line["after"], &line["through"]), (&1.into(), &6.into()), "{line}");
    node.place("after").await;
    for node in [&behind, &node] {
        node.wait_applied("after").await;
    }
    behind.wait_told_times(&[(PURGED, 1)]).await;
    assert_eq!(node.told(PURGED), 0);
    assert_eq!(behind.get("/api/orders/purged-0").await.0, StatusCode::NOT_FOUND, "the stream was all that this node had of it");
    assert_eq!((behind.metric("catga_apply_rewinds_total").await, behind.metric("catga_apply_position").await), (0, 2));
    space.clean().await;
}

/// A row's pause doubles with every failure from 200 ms to the cap, here 1 s, with jitter in its upper half.
async fn assert_rows_back_off(node: &Node) {
    eventually("a row has failed four times", async || {
        let lines = node.lines();
        let lines = lines.iter().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut most = 0;
        for line in lines.filter(|line| line["message"] == "publishing again after a pause") {
            let (attempts, pause) = (line["attempts"].as_u64().expect("a count"), line["pause_ms"].as_u64().expect("a time"));
            let step = (200 << attempts.min(10)).min(1000);
            assert!((step / 2..=step).contains(&pause), "{line}");
            most = most.max(attempts);
        }
        if most >= 4 { Ok(()) } else { Err(format!("at most {most} failures")) }
    })
    .await;
}

#[tokio::test]
async fn a_full_stream_fills_the_outbox_to_its_limit_and_drains_when_there_is_room() {
    let space = Space::new().await;
    let stream = Config { max_messages: 3, ..config(&space) };
    space.jetstream.create_stream(stream.clone()).await.expect("a stream");
    let node = space.node("n1").set("CATGA_OUTBOX_LIMIT", "5").set("CATGA_RETRY_CAP", "1s").set("CATGA_LOG", "info,node=debug");
    let node = node.ready().await;
    let mut books = Books::default();
    books.place(&node, 3).await;
    books.agree(&space, &[&node]).await;
    books.place(&node, 5).await;
    eventually("all but three rows are left", async || match space.pending().await.len() {
        5 => Ok(()),
        rows => Err(rows.to_string()),
    })
    .await;
    books.refused(&node).await;
    let health = node.wait_status("down").await;
    assert!(health["detail"].as_str().is_some_and(|detail| detail.contains("at its limit")), "{health}");
    assert_eq!(health["checks"], serde_json::json!({"nats": "up", "redis": "up"}));
    assert_rows_back_off(&node).await;
    books.refused(&node).await;
    node.wait_told_times(&[("publishing fails; trying on", 1)]).await;
    space.jetstream.update_stream(Config { max_messages: 1000, ..stream }).await.expect("there is room");
    node.wait_status("up").await;
    books.place(&node, 1).await;
    books.agree(&space, &[&node]).await;
    node.wait_told_times(&[("publishing fails; trying on", 1), ("publishing succeeds again", 1)]).await;
    assert_eq!(node.metric("catga_outbox_dead_total").await, 0, "no outage makes a row terminal");
    space.clean().await;
}

#[tokio::test]
async fn a_stream_that_would_lose_orders_is_refused_until_it_keeps_them() {
    const REFUSED: &str = "the stream is refused; orders wait in the outbox";
    let space = Space::new().await;
    let interest = Config { retention: RetentionPolicy::Interest, ..config(&space) };
    space.jetstream.create_stream(interest).await.expect("a stream");
    let node = space.node("n1").set("CATGA_LOG", "info,node=debug,async_nats=off").start().await;
    let health = node.wait_detail("its retention is interest").await;
    assert_eq!(health["status"], "degraded", "{health}");
    let mut books = Books::default();
    books.place(&node, 5).await;
    super::attempts(&node, "nats is tried again after a pause", 6).await;
    node.wait_told_times(&[(REFUSED, 1)]).await;
    assert_eq!(space.pending().await.len(), 5);
    // Nothing was given to it.
    assert_eq!(space.stream().await.cached_info().state.last_sequence, 0);
    space.jetstream.delete_stream(&space.name).await.expect("deleted");
    node.wait_status("up").await;
    books.agree(&space, &[&node]).await;
    assert_eq!((node.told(REFUSED), told(&node, NATS_DOWN)), (1, 0));
    space.clean().await;
}

#[tokio::test]
async fn a_stream_that_may_drop_orders_later_is_told_of_until_it_keeps_them() {
    const UNFIT: &str = "nats is not set up as orders need it";
    let space = Space::new().await;
    let forgetful = Config { max_age: Duration::from_secs(3600), ..config(&space) };
    space.jetstream.create_stream(forgetful.clone()).await.expect("a stream");
    let node = space.node("n1").start().await;
    let health = node.wait_detail("drops messages after 3600s").await;
    assert_eq!(health["status"], "degraded", "{health}");
    assert_eq!(health["checks"]["nats"], "up", "{health}");
    let mut books = Books::default();
    books.place(&node, 3).await;
    books.agree(&space, &[&node]).await;
    let shorter = Config { max_age: Duration::from_secs(1800), ..forgetful };
    space.jetstream.update_stream(shorter.clone()).await.expect("changed");
    node.wait_detail("1800s").await;
    space.jetstream.update_stream(Config { max_age: Duration::ZERO, ..shorter }).await.expect("mended");
    node.wait_status("up").await;
    node.wait_told_times(&[(UNFIT, 1), ("nats is set up as orders need it again", 1)]).await;
    assert_eq!(node.post(&order("order-0")).await.status(), StatusCode::OK);
    space.clean().await;
}
