//! A Redis that answers, and takes no write, or not for long: it is told of by health, once in the log, and orders are
//! refused with the proof that nothing was written.

use std::time::Instant;

use reqwest::StatusCode;

use super::HONEST;
use super::service::Service;
use crate::books::Books;
use crate::proxy::{Mode, Proxy};
use crate::space::{Node, Space, authority, eventually, nats_url, order};

const REFUSES: &str = "the store refuses to be written to; no order can be accepted";
const TAKES: &str = "the store can be written to again";

/// While Redis refuses with `word`.
async fn refusing(node: &Node, space: &Space, books: &mut Books, word: &str) {
    let begun = Instant::now();
    let health = node.wait_detail(word).await;
    assert!(begun.elapsed() < HONEST, "{:?}", begun.elapsed());
    assert_eq!(health["status"], "down", "{health}");
    assert_eq!(health["checks"]["redis"], "up", "it answers, and refuses: {health}");
    for _ in 0..5 {
        books.refused(node).await;
    }
    assert_eq!(node.post(&order("refused")).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(space.query::<i64>(&["EXISTS", &space.key("idempotency:refused")]).await, 0);
    assert_eq!(node.get("/api/orders/order-0").await.0, StatusCode::OK, "reads go on");
    assert_eq!(node.get("/health/live").await.0, StatusCode::OK);
    node.wait_told_times(&[(REFUSES, 1), (TAKES, 0)]).await;
}

/// After it ended.
async fn taking_again(node: &Node, space: &Space, books: &mut Books) {
    node.wait_status("up").await;
    books.place(node, 2).await;
    books.agree(space, &[node]).await;
    node.wait_told_times(&[(REFUSES, 1), (TAKES, 1)]).await;
}

#[tokio::test]
async fn a_read_only_redis_takes_no_order_and_still_answers_reads() {
    let redis = Service::redis(&[]).await;
    let space = Space::on(&redis.url, &nats_url()).await;
    let node = space.node("n1").ready().await;
    let mut books = Books::default();
    books.place(&node, 3).await;
    books.agree(&space, &[&node]).await;
    // A replica of nobody: what a failover that went wrong leaves behind.
    let _: String = redis.query(&["REPLICAOF", "127.0.0.1", "1"]).await;
    refusing(&node, &space, &mut books, "read only replica").await;
    let _: String = redis.query(&["REPLICAOF", "NO", "ONE"]).await;
    taking_again(&node, &space, &mut books).await;
    space.clean().await;
}

#[tokio::test]
async fn a_redis_without_the_replicas_it_needs_takes_no_order() {
    let redis = Service::redis(&[]).await;
    let space = Space::on(&redis.url, &nats_url()).await;
    let node = space.node("n1").ready().await;
    let mut books = Books::default();
    books.place(&node, 3).await;
    books.agree(&space, &[&node]).await;
    let _: String = redis.query(&["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
    refusing(&node, &space, &mut books, "not enough good replicas").await;
    let _: String = redis.query(&["CONFIG", "SET", "min-replicas-to-write", "0"]).await;
    taking_again(&node, &space, &mut books).await;
    space.clean().await;
}

#[tokio::test]
async fn a_redis_whose_disk_is_full_takes_no_order_and_goes_on_when_there_is_room() {
    let options = ["--tmpfs", "/data:rw,size=1m,mode=0777"];
    let redis = Service::redis_in(&options, &["--appendfsync", "everysec"]).await;
    let space = Space::on(&redis.url, &nats_url()).await;
    let node = space.node("n1").ready().await;
    let mut books = Books::default();
    books.place(&node, 3).await;
    books.agree(&space, &[&node]).await;
    let filled = redis.container.exec(&["dd", "if=/dev/zero", "of=/data/filler", "bs=4k"]).await;
    assert!(filled.is_err_and(|error| error.contains("No space left")), "the disk is full");
    // The last page of the append-only file still takes some.
    eventually("an order is refused", async || match books.attempt(&node).await {
        (_, StatusCode::SERVICE_UNAVAILABLE) => Ok(()),
        (id, status) => Err(format!("{id}: {status}")),
    })
    .await;
    refusing(&node, &space, &mut books, "misconf").await;
    redis.container.exec(&["rm", "/data/filler"]).await.expect("there is room again");
    taking_again(&node, &space, &mut books).await;
    space.clean().await;
}

#[tokio::test]
async fn a_full_redis_takes_no_order_is_told_of_and_drains() {
    let redis = Service::redis(&[]).await;
    let space = Space::on(&redis.url, &nats_url()).await;
    let nats = Proxy::to(&authority(&nats_url()), Mode::Refuse).await;
    let node = space.node("n1").set("CATGA_NATS_URL", format!("nats://{}", nats.address)).start().await;
    node.wait_status("degraded").await;
    for index in 0..20 {
        node.place(&format!("order-{index}")).await;
    }
    let _: String = space.query(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let begun = Instant::now();
    let full = node.wait_status("down").await;
    assert!(begun.elapsed() < HONEST, "{:?}", begun.elapsed());
    assert!(full["detail"].as_str().is_some_and(|detail| detail.contains("OOM") || detail.contains("maxmemory")), "{full}");
    assert_eq!(node.get("/health/live").await.0, StatusCode::OK);
    assert_eq!(node.post(&order("refused")).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(space.query::<i64>(&["EXISTS", &space.key("idempotency:refused")]).await, 0);
    node.wait_told_times(&[(REFUSES, 1)]).await;
    // A node that starts on a full Redis has to help draining as well.
    node.kill().await;
    let node = space.node("n1").set("CATGA_NATS_URL", format!("nats://{}", nats.address)).start().await;
    nats.set(Mode::Open);
    eventually("the outbox is empty", async || match space.pending().await.len() {
        0 => Ok(()),
        rows => Err(rows.to_string()),
    })
    .await;
    assert_eq!(node.metric("catga_apply_total").await, 0, "nothing can be applied yet");
    let _: String = space.query(&["CONFIG", "SET", "maxmemory", "0"]).await;
    let begun = Instant::now();
    node.wait_status("up").await;
    assert!(begun.elapsed() < HONEST, "{:?}", begun.elapsed());
    node.wait_metric("catga_apply_total", 20).await;
    assert_eq!(node.get("/api/customers/customer-123").await.1["orders"], 20);
    node.wait_told_times(&[(REFUSES, 1), (TAKES, 1)]).await;
    space.clean().await;
}

#[tokio::test]
async fn a_redis_that_may_evict_is_told_of_and_not_ready() {
    const UNFIT: &str = "redis is not fit for an outbox";
    let redis = Service::redis(&[]).await;
    let space = Space::on(&redis.url, &nats_url()).await;
    let node = space.node("n1").ready().await;
    let mut books = Books::default();
    let _: String = redis.query(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let health = node.wait_detail("maxmemory-policy is allkeys-lru").await;
    assert_eq!(health["status"], "down", "{health}");
    assert_eq!(node.get("/health/ready").await.0, StatusCode::SERVICE_UNAVAILABLE);
    // Readiness keeps orders away; it does not gate them.
    books.place(&node, 3).await;
    // Seen to have been looked at again, and told of no more often for it.
    let _: String = redis.query(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]).await;
    node.wait_detail("volatile-lru").await;
    node.wait_told_times(&[(UNFIT, 1)]).await;
    let _: String = redis.query(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    node.wait_status("up").await;
    node.wait_told_times(&[(UNFIT, 1), ("redis is fit again", 1)]).await;
    books.agree(&space, &[&node]).await;
    space.clean().await;
}
