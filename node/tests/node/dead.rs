//! Rows that no retry can help: set aside, told of, and put back as `docs/dead-rows.md` says.

use std::collections::BTreeMap;

use async_nats::jetstream::stream::{Config, DiscardPolicy};
use serde_json::{Value, json};

use crate::services::Container;
use crate::space::{Node, Space, eventually};

const GUIDE: &str = include_str!("../../../docs/dead-rows.md");

/// Runs the commands of one part of the guide.
fn follow(redis: &Container, part: &str, message: &str, order: &str) -> Vec<String> {
    let text = GUIDE.split("\n## ").find(|text| text.starts_with(part)).unwrap_or_else(|| panic!("no part {part}"));
    let commands = text.lines().filter_map(|line| line.strip_prefix("redis-cli "));
    commands
        .map(|line| {
            let line = line.replace("<message-id>", message).replace("<order-id>", order);
            redis.redis_cli(&line.split(' ').collect::<Vec<_>>())
        })
        .collect()
}

/// A row as the node writes it, but for what the test wants wrong.
fn row(redis: &Container, id: &str, payload: &str, subject: &str) {
    let key = format!("catga:outbox:pending:{id}");
    redis.redis_cli(&["HSET", &key, "payload", payload, "subject", subject, "createdAt", "1", "attempts", "0"]);
    redis.redis_cli(&["ZADD", "catga:outbox:pending", "1", id]);
}

fn payload(message: &str) -> String {
    let at = "2026-01-01T00:00:00.000000Z";
    json!({"orderId": message, "customerId": "c", "amount": 1, "messageId": message, "acceptedBy": "n9", "acceptedAt": at})
        .to_string()
}

async fn make_stream(nats: &Container, name: &str, subjects: &[&str], largest: i32) -> async_nats::jetstream::Context {
    let client = async_nats::connect(format!("nats://{}", nats.address())).await.expect("nats answers");
    let jetstream = async_nats::jetstream::new(client);
    jetstream.create_stream(stream(name, subjects, largest)).await.expect("a stream");
    jetstream
}

fn stream(name: &str, subjects: &[&str], largest: i32) -> Config {
    let subjects = subjects.iter().map(|subject| (*subject).to_owned()).collect();
    let max_message_size = largest;
    Config { name: name.to_owned(), subjects, discard: DiscardPolicy::New, max_message_size, ..Config::default() }
}

async fn node(space: &Space, id: &str, redis: &Container, nats: &Container) -> Node {
    let node = start(space, id, redis, nats).await;
    node.wait_status("up").await;
    node
}

async fn start(space: &Space, id: &str, redis: &Container, nats: &Container) -> Node {
    let node = space.node(id).set("CATGA_KEY_PREFIX", "catga").set("CATGA_STREAM", "CATGA_CLUSTER");
    let node = node.set("CATGA_SUBJECT_PREFIX", "catga.cluster").set("CATGA_REDIS_URL", format!("redis://{}", redis.address()));
    node.set("CATGA_NATS_URL", format!("nats://{}", nats.address())).start().await
}

/// Waits for that many lines at least: they come a moment after what they tell of.
async fn wait_told(nodes: &[&Node], least: usize) -> Vec<Value> {
    eventually(&format!("{least} lines"), async || match told(nodes) {
        lines if lines.len() >= least => Ok(lines),
        lines => Err(lines.len().to_string()),
    })
    .await
}

fn told(nodes: &[&Node]) -> Vec<Value> {
    let lines = nodes.iter().flat_map(|node| node.lines());
    let events = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    events.filter(|event| event["message"].as_str().is_some_and(|text| text.contains("set aside"))).collect()
}

async fn dead(nodes: &[&Node]) -> u64 {
    let mut sum = 0;
    for node in nodes {
        sum += node.metric("catga_outbox_dead_total").await;
    }
    sum
}

async fn wait_dead(nodes: &[&Node], wanted: u64) {
    eventually(&format!("{wanted} rows are set aside"), async || match dead(nodes).await {
        count if count == wanted => Ok(()),
        count => Err(format!("{count}: {:?}", told(nodes))),
    })
    .await;
}

#[tokio::test]
async fn rows_that_can_never_be_published_are_set_aside_told_of_once_and_put_back() {
    let space = Space::new().await;
    let (redis, nats) = (Container::redis(&[], &[]).await, Container::nats(&[("nats.conf", "max_payload: 4096")]).await);
    let jetstream = make_stream(&nats, "CATGA_CLUSTER", &["catga.cluster.>"], 300).await;
    let (first, second) = (start(&space, "n1", &redis, &nats).await, start(&space, "n2", &redis, &nats).await);
    for node in [&first, &second] {
        assert_eq!(node.wait_detail("takes messages of 300 bytes at most").await["status"], "degraded");
    }
    let (long, ours) = ("long".repeat(32), "catga.cluster.order.placed");
    let answer = first.place(&long).await;
    row(&redis, "nonsense", "no order at all", ours);
    row(&redis, "borrowed", &payload("somebody"), ours);
    row(&redis, "foreign", &payload("foreign"), "elsewhere.order.placed");
    row(&redis, "spaced", &payload("spaced"), "a subject");
    row(&redis, "wild", &payload("wild"), "catga.cluster.>");
    row(&redis, "unnamed", &payload("unnamed"), "");
    row(&redis, "huge", &format!("{}{}", payload("huge"), " ".repeat(5000)), ours);
    for index in 0..20 {
        first.place(&format!("good-{index}")).await;
    }
    wait_dead(&[&first, &second], 8).await;
    for index in 0..20 {
        second.wait_applied(&format!("good-{index}")).await;
    }
    assert_eq!(redis.redis_cli(&["ZCARD", "catga:outbox:pending"]), "0", "nothing is held up");

    let message = answer["messageId"].as_str().expect("an id");
    let expected = BTreeMap::from([
        (message, "message size exceeds maximum allowed"),
        ("nonsense", "holds no order"),
        ("borrowed", "the order of another message"),
        ("foreign", "takes catga.cluster.>, and not elsewhere.order.placed"),
        ("spaced", "no subject to publish to"),
        ("wild", "no subject to publish to"),
        ("unnamed", "no subject to publish to"),
        ("huge", "payload"),
    ]);
    for (id, reason) in &expected {
        let looked = follow(&redis, "Look", id, "");
        assert!(looked[0].contains(&format!("catga:outbox:dead:{id}")), "{looked:?}");
        assert!(looked[1].contains("payload") && looked[2].contains(reason), "{id}: {looked:?}");
    }
    let lines = wait_told(&[&first, &second], expected.len()).await;
    let mut ids: Vec<_> = lines.iter().map(|line| line["messageId"].as_str().expect("an id")).collect();
    ids.sort_unstable();
    assert_eq!(ids, expected.keys().copied().collect::<Vec<_>>(), "one line each");

    // The stream's limit is raised, the subject corrected, and both rows are put back.
    jetstream.update_stream(stream("CATGA_CLUSTER", &["catga.cluster.>"], 4000)).await.expect("updated");
    for node in [&first, &second] {
        node.wait_status("up").await;
    }
    assert_eq!(redis.redis_cli(&["TTL", &format!("catga:idempotency:{long}")]), "-1", "the answer is kept with the row");
    assert_eq!(redis.redis_cli(&["HSET", "catga:outbox:dead:foreign", "subject", ours]), "0");
    for (id, order) in [(message, long.as_str()), ("foreign", "foreign")] {
        follow(&redis, "Put back", id, order);
        for node in [&first, &second] {
            assert_eq!(node.wait_applied(order).await["applied"], 1);
        }
    }
    eventually("the record of the order ends", async || match redis.redis_cli(&["TTL", &format!("catga:idempotency:{long}")]) {
        ttl if ttl.parse::<u64>().is_ok() => Ok(()),
        ttl => Err(ttl),
    })
    .await;
    follow(&redis, "Give up", "wild", "wild");
    let left = redis.redis_cli(&["--scan", "--pattern", "catga:outbox:dead:*"]);
    assert_eq!(left.lines().count(), 5, "{left}");
    assert_eq!(dead(&[&first, &second]).await, 8, "nothing is set aside again");
}

#[tokio::test]
async fn a_flood_of_dead_rows_holds_up_no_order_and_does_not_flood_the_log() {
    let space = Space::new().await;
    let (redis, nats) = (Container::redis(&[], &[]).await, Container::nats(&[("nats.conf", "")]).await);
    let fill = "for i = 1, 2000 do
        redis.call('HSET', 'catga:outbox:pending:dead-' .. i, 'payload', 'x', 'subject', 'x', 'createdAt', '1')
        redis.call('ZADD', 'catga:outbox:pending', i, 'dead-' .. i)
    end";
    redis.redis_cli(&["EVAL", fill, "0"]);
    let node = node(&space, "n1", &redis, &nats).await;
    node.place("good").await;
    node.wait_applied("good").await;
    wait_dead(&[&node], 2000).await;
    let told = wait_told(&[&node], 100).await;
    assert!((100..=300).contains(&told.len()), "{} lines", told.len());
    let kept = redis.redis_cli(&["EVAL", "return #redis.call('KEYS', 'catga:outbox:dead:*')", "0"]);
    assert_eq!(kept, "2000", "each of them is kept");
}

#[tokio::test]
async fn an_order_waits_for_a_stream_that_is_set_up_for_other_subjects() {
    let space = Space::new().await;
    let (redis, nats) = (Container::redis(&[], &[]).await, Container::nats(&[("nats.conf", "")]).await);
    let jetstream = make_stream(&nats, "CATGA_CLUSTER", &["catga.other.>"], -1).await;
    let node = start(&space, "n1", &redis, &nats).await;
    let health = node.wait_detail("does not take catga.cluster.order.placed").await;
    assert_eq!(health["status"], "degraded", "{health}");
    let message = node.place("patient").await["messageId"].as_str().expect("an id").to_owned();
    let tried = async |what: &'static str| {
        let key = format!("catga:outbox:pending:{message}");
        eventually(&format!("the row says {what:?}"), async || match redis.redis_cli(&["HGET", &key, "lastError"]) {
            error if error.contains(what) => Ok(()),
            error => Err(error),
        })
        .await;
    };
    tried("no stream found").await;
    // Another stream that takes the order proves nothing for ours, and is no reason to give it up.
    jetstream.create_stream(stream("OTHER", &["catga.cluster.>"], -1)).await.expect("a stream");
    tried("stored by stream OTHER").await;
    assert_eq!(dead(&[&node]).await, 0);
    jetstream.delete_stream("OTHER").await.expect("deleted");
    jetstream.update_stream(stream("CATGA_CLUSTER", &["catga.cluster.>"], -1)).await.expect("updated");
    assert_eq!(node.wait_applied("patient").await["applied"], 1);
}

#[tokio::test]
async fn a_row_that_only_a_human_can_mend_is_told_of_once() {
    let space = Space::new().await;
    let (redis, nats) = (Container::redis(&[], &[]).await, Container::nats(&[("nats.conf", "")]).await);
    redis.redis_cli(&["SET", "catga:outbox:pending:text", "no row"]);
    redis.redis_cli(&["ZADD", "catga:outbox:pending", "1", "text"]);
    row(&redis, "not/an/id", "x", "x");
    let node = node(&space, "n1", &redis, &nats).await;
    let due = || redis.redis_cli(&["ZMSCORE", "catga:outbox:pending", "text", "not/an/id"]);
    for _ in 0..3 {
        let before = due();
        eventually("both are met again", async || match due() {
            now if now.lines().zip(before.lines()).all(|(now, before)| now != before) => Ok(()),
            now => Err(now),
        })
        .await;
    }
    for (id, what) in [("text", "is no hash"), ("not/an/id", "no valid message id")] {
        let lines = node.lines();
        let told = lines.iter().filter(|line| line.contains(what) && line.contains(&format!("\"{id}\""))).count();
        assert_eq!(told, 1, "{id}: {lines:?}");
    }
    node.place("good").await;
    node.wait_applied("good").await;
}
