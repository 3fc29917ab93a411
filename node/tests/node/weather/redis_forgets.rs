//! A Redis that lost writes: flushed, or set back to an older state. What is in the stream is applied again from there.

use serde_json::json;

use super::service::Service;
use crate::books::Books;
use crate::feed::Feed;
use crate::proxy::{Mode, Proxy};
use crate::space::{Node, Space, authority, eventually, nats_url, order};

async fn acknowledged(space: &Space, node: &str, sequence: u64) {
    eventually(&format!("{node} has acknowledged {sequence}"), async || {
        let info = space.stream().await.consumer_info(node).await.map_err(|error| error.to_string())?;
        if info.ack_floor.stream_sequence >= sequence { Ok(()) } else { Err(format!("{:?}", info.ack_floor)) }
    })
    .await;
}

#[tokio::test]
async fn a_flushed_redis_is_rebuilt_from_the_stream_and_what_only_it_had_is_lost() {
    const FORGOTTEN: &str = "the store has forgotten what this node applied; orders whose only trace was an outbox row are lost, the rest is rebuilt from the stream";
    let redis = Service::redis(&[]).await;
    let space = Space::on(&redis.url, &nats_url()).await;
    let nats = Proxy::to(&authority(&nats_url()), Mode::Open).await;
    let cut = space.node("n1").set("CATGA_NATS_URL", format!("nats://{}", nats.address));
    let (cut, whole) = tokio::join!(cut.ready(), space.node("n2").ready());
    let mut books = Books::default();
    books.place(&whole, 10).await;
    books.agree(&space, &[&cut, &whole]).await;
    let first = whole.get("/api/orders/order-0").await.1;
    for node in ["n1", "n2"] {
        acknowledged(&space, node, 10).await;
    }
    nats.set(Mode::Refuse);
    cut.wait_status("degraded").await;
    // Its row is the only trace of it, and n2 leaves it alone until the lease ends.
    cut.place("only-in-redis").await;
    let _: String = redis.query(&["FLUSHALL"]).await;
    nats.set(Mode::Open);
    let nodes = [&cut, &whole];
    for node in nodes {
        node.wait_metric("catga_apply_rewinds_total", 1).await;
    }
    books.agree(&space, &nodes).await;
    for node in nodes {
        let interrupted = node.told("applying was interrupted; beginning again");
        node.wait_told_times(&[(FORGOTTEN, 1), ("applying goes on", interrupted)]).await;
        assert_eq!(node.metric("catga_apply_rewinds_total").await, 1);
        assert_eq!(node.get("/api/orders/only-in-redis").await.0, reqwest::StatusCode::NOT_FOUND, "lost, and nobody can know");
    }
    // The projection remembers the first answer although its record is gone.
    let again = whole.post(&order("order-0")).await;
    assert_eq!((again.status(), again.headers()["idempotent-replayed"].to_str().ok()), (reqwest::StatusCode::OK, Some("true")));
    let again: serde_json::Value = serde_json::from_str(&again.text().await.expect("a body")).expect("JSON");
    assert_eq!(again["messageId"], first["messageId"]);
    books.place(&cut, 2).await;
    books.agree(&space, &nodes).await;
    space.clean().await;
}

async fn counts(node: &Node) -> (u64, u64) {
    (node.metric("catga_apply_rewinds_total").await, node.metric("catga_apply_position").await)
}

#[tokio::test]
async fn a_redis_set_back_behind_what_was_acknowledged_is_caught_up_from_the_stream() {
    let redis = Service::redis(&[]).await;
    let space = Space::on(&redis.url, &nats_url()).await;
    let (one, two) = tokio::join!(space.node("n1").ready(), space.node("n2").ready());
    let mut books = Books::default();
    books.place(&one, 10).await;
    books.agree(&space, &[&one, &two]).await;
    let folder = tempfile::tempdir().expect("a folder");
    redis.save("appendonlydir", folder.path()).await;
    let mut feed = Feed::open(&one, Some(0)).await;
    books.place(&two, 10).await;
    books.agree(&space, &[&one, &two]).await;
    assert_eq!(feed.events(20).await.last().map(|(position, _)| *position), Some(20));
    for node in ["n1", "n2"] {
        acknowledged(&space, node, 20).await;
    }
    redis.kill().await;
    redis.restore("appendonlydir", folder.path()).await;
    redis.start().await;
    for node in [&one, &two] {
        node.wait_metric("catga_apply_rewinds_total", 1).await;
    }
    books.agree(&space, &[&one, &two]).await;
    // By now there are others at 11 to 20 again, and a client that came back with 20 would never see them.
    let end = feed.end().await;
    assert!(end.contains("\nid: 10\n") && end.contains("\"reset\"") && end.contains("\"lastEventId\":10"), "{end}");
    let again: Vec<u64> = Feed::open(&one, Some(10)).await.events(10).await.into_iter().map(|(position, _)| position).collect();
    assert_eq!(again, (11..=20).collect::<Vec<_>>());
    for node in [&one, &two] {
        assert_eq!(counts(node).await, (1, 20));
        node.wait_told_times(&[("the projection is behind what was acknowledged; the consumer is made anew", 1)]).await;
        assert_eq!(node.get("/api/customers/customer-123").await.1["orders"], json!(20));
    }
    books.place(&one, 2).await;
    books.agree(&space, &[&one, &two]).await;
    space.clean().await;
}
