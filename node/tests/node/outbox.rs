//! The outbox: recovery under a fenced lease, and rows that only a retry or nothing can help.

use clap::Parser as _;
use node::cli::Cli;
use node::order::{MessageId, NodeId};
use node::ports::{RowFate, RowKey, Store as _};
use node::redis_store::RedisStore;
use serde_json::Value;

use crate::proxy::{Mode, Proxy};
use crate::space::{Space, authority, eventually, nats_url, redis_url};

#[tokio::test]
async fn rows_of_a_dead_node_are_recovered_by_another() {
    let space = Space::new().await;
    let nats = Proxy::to(&authority(&nats_url()), Mode::Refuse).await;
    let dying = space.node("n1").set("CATGA_NATS_URL", format!("nats://{}", nats.address)).start().await;
    dying.wait_status("degraded").await;
    for index in 0..20 {
        dying.place(&format!("order-{index}")).await;
    }
    assert_eq!(space.pending().await.len(), 20);
    assert_eq!(
        space.query::<i64>(&["PTTL", &space.key("idempotency:order-0")]).await,
        -1,
        "no time to live while the row is there"
    );
    dying.kill().await;
    let heir = space.node("n2").ready().await;
    for index in 0..20 {
        assert_eq!(heir.wait_applied(&format!("order-{index}")).await["acceptedBy"], "n1");
    }
    assert_eq!(heir.metric("catga_outbox_takeovers_total").await, 20);
    eventually("the outbox is empty", async || match space.pending().await.len() {
        0 => Ok(()),
        rows => Err(rows.to_string()),
    })
    .await;
    assert!(space.query::<i64>(&["PTTL", &space.key("idempotency:order-0")]).await > 0);
    assert!(space.query::<Vec<String>>(&["KEYS", &space.key("outbox:*")]).await.is_empty());
    space.clean().await;
}

/// The adapter itself, with the settings of a test.
pub(crate) fn store(space: &Space, node: &str) -> RedisStore {
    let redis = redis_url();
    let arguments = ["node", "--redis-url", &redis, "--key-prefix", &space.name, "--lease", "100ms"];
    RedisStore::open(&Cli::parse_from(arguments).settings, &NodeId::new(node).expect("a node id")).expect("a store")
}

#[tokio::test]
async fn damage_between_rows_and_index_is_mended() {
    let space = Space::new().await;
    let nats = Proxy::to(&authority(&nats_url()), Mode::Refuse).await;
    let node = space.node("n1").set("CATGA_NATS_URL", format!("nats://{}", nats.address)).set("CATGA_SWEEP_INTERVAL", "10ms");
    let node = node.start().await;
    node.wait_status("degraded").await;
    let message = node.place("unindexed").await["messageId"].as_str().expect("an id").to_owned();
    let index = space.key("outbox:pending");
    let _: i64 = space.query(&["ZREM", &index, &message]).await;
    let _: i64 = space.query(&["ZADD", &index, "1", "ghost"]).await;
    node.wait_metric("catga_outbox_reindexed_total", 1).await;
    nats.set(Mode::Open);
    node.wait_applied("unindexed").await;
    node.wait_metric("catga_outbox_index_dropped_total", 1).await;
    eventually("the outbox is empty", async || match space.pending().await {
        rows if rows.is_empty() => Ok(()),
        rows => Err(format!("{rows:?}")),
    })
    .await;
    space.clean().await;
}

#[tokio::test]
async fn a_duplicate_ack_for_a_purged_message_removes_no_row() {
    let space = Space::new().await;
    let nats = Proxy::to(&authority(&nats_url()), Mode::Open).await;
    let node = space.node("n1").set("CATGA_NATS_URL", format!("nats://{}", nats.address)).set("CATGA_DUPLICATE_WINDOW", "3s");
    let node = node.ready().await;
    nats.set(Mode::Refuse);
    node.wait_status("degraded").await;
    let mut rows = Vec::new();
    for id in ["purged-1", "purged-2", "purged-3"] {
        let answer = node.place(id).await;
        let message = answer["messageId"].as_str().expect("an id");
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Msg-Id", message);
        let sent = space.jetstream.publish_with_headers(space.subject(), headers, answer.to_string().into()).await;
        sent.expect("sent").await.expect("acknowledged");
        rows.push(space.key(&format!("outbox:pending:{message}")));
    }
    space.stream().await.purge().await.expect("purged");
    nats.set(Mode::Open);
    node.wait_metric("catga_publish_duplicate_acks_total", 3).await;
    for row in rows {
        eventually("the row says why it waits", async || {
            let error: Option<String> = space.query(&["HGET", &row, "lastError"]).await;
            match error {
                Some(error) if error.contains("called a duplicate") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }
    for id in ["purged-1", "purged-2", "purged-3"] {
        assert_eq!(node.wait_applied(id).await["applied"], 1, "published again when the window has passed");
    }
    let doubted = "a duplicate is not proven; publishing again when the stream's window has passed";
    node.wait_told_times(&[(doubted, 1), ("what was called a duplicate is in the stream", 1)]).await;
    space.clean().await;
}

#[tokio::test]
async fn a_full_stream_keeps_the_backlog_and_a_row_it_can_never_take_is_set_aside() {
    let space = Space::new().await;
    let config = async_nats::jetstream::stream::Config {
        name: space.name.clone(),
        subjects: vec![format!("{}.>", space.name)],
        discard: async_nats::jetstream::stream::DiscardPolicy::New,
        max_messages: 1,
        max_message_size: 300,
        ..Default::default()
    };
    space.jetstream.create_stream(config).await.expect("a stream");
    let node = space.node("n1").start().await;
    let health = node.wait_detail("takes messages of 300 bytes at most").await;
    assert_eq!((&health["status"], &health["checks"]["nats"]), (&"degraded".into(), &"up".into()), "{health}");
    node.place("fits").await;
    node.wait_applied("fits").await;
    node.place("waits").await;
    node.wait_metric("catga_publish_failures_total", 2).await;
    assert_eq!(space.pending().await.len(), 1);
    space.stream().await.purge().await.expect("purged");
    node.wait_applied("waits").await;
    node.place(&"long".repeat(32)).await;
    node.wait_metric("catga_outbox_dead_total", 1).await;
    assert!(space.pending().await.is_empty());
    let dead: Vec<String> = space.query(&["KEYS", &space.key("outbox:dead:*")]).await;
    let payload: String = space.query(&["HGET", &dead[0], "payload"]).await;
    let payload: Value = serde_json::from_str(&payload).expect("an order");
    assert_eq!(payload["orderId"], "long".repeat(32));
    assert_eq!(space.query::<i64>(&["PTTL", &space.key(&format!("idempotency:{}", "long".repeat(32)))]).await, -1);
    space.clean().await;
}

#[tokio::test]
async fn a_row_key_of_another_type_does_not_hold_up_the_others() {
    let space = Space::new().await;
    let nats = Proxy::to(&authority(&nats_url()), Mode::Refuse).await;
    let node = space.node("n1").set("CATGA_NATS_URL", format!("nats://{}", nats.address)).start().await;
    node.wait_status("degraded").await;
    let index = space.key("outbox:pending");
    let _: String = space.query(&["SET", &space.key("outbox:pending:damaged"), "no row"]).await;
    let _: i64 = space.query(&["ZADD", &index, "1", "damaged"]).await;
    node.place("good").await;
    nats.set(Mode::Open);
    node.wait_applied("good").await;
    eventually("the damaged row alone is left", async || match space.pending().await.as_slice() {
        [id] if id == "damaged" => Ok(()),
        ids => Err(format!("{ids:?}")),
    })
    .await;
    node.wait_line(&["is no hash", "damaged"]).await;
    let store = store(&space, "n2");
    assert!(store.link().wait_up().await.is_some());
    let row = RowKey { message_id: MessageId::new("damaged").expect("an id"), order_id: None, token: "t".to_owned() };
    assert_eq!(store.remove(&[row]).await.expect("an answer"), [RowFate::Fenced]);
    space.clean().await;
}
