//! A large backlog: it drains when NATS comes back, in bounded memory, and new orders do not wait for its end.
//!
//! `CATGA_TEST_BACKLOG` is the number of rows; the long list runs 100,000.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use serde_json::Value;

use crate::proxy::{Mode, Proxy};
use crate::services::Container;
use crate::space::{DEADLINE, Node, Space, eventually};

/// Most resident memory of a node, in KiB.
const MEMORY: u64 = 64 * 1024;
/// Pause between two looks at a figure.
const PAUSE: Duration = Duration::from_millis(20);
/// Old rows that may be published between a new order's request and the moment when both nodes have applied it. Recovery
/// lets each node be about 1,300 ahead of its projection; the rest is for a busy machine. It does not grow with the backlog.
const OVERTAKEN: u64 = 10_000;

/// Orders as a node accepts them, without the node: row, index and record of each.
const FILL: &str = r#"
for i = ARGV[1], ARGV[2] do
  local id, customer = 'old-' .. i, 'customer-' .. i % 1000
  local payload = string.format('{"orderId":"%s","customerId":"%s","amount":1.25,"messageId":"m-%d","acceptedBy":"n1",' ..
    '"acceptedAt":"2026-01-01T00:00:00.000000Z"}', id, customer, i)
  redis.call('SET', 'catga:idempotency:' .. id, customer .. ' 125\n' .. payload)
  redis.call('HSET', 'catga:outbox:pending:m-' .. i, 'payload', payload, 'subject', 'catga.cluster.order.placed',
    'createdAt', '1', 'attempts', '0', 'leaseOwner', 'n1', 'leaseToken', 'old', 'leaseUntil', '1', 'lastError', '')
  redis.call('ZADD', 'catga:outbox:pending', i, 'm-' .. i)
end"#;

fn rows() -> u64 {
    std::env::var("CATGA_TEST_BACKLOG").map_or(20_000, |rows| rows.parse().expect("CATGA_TEST_BACKLOG is a number"))
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The most memory that a node ever had resident, in KiB.
fn peak(node: &Node) -> u64 {
    let id = node.child.id().expect("the node runs");
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("linux tells of processes");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number")
}

/// Waits until a figure is `wanted`; only standing still is an error, however long it takes.
async fn progress(what: &str, wanted: u64, read: impl AsyncFn() -> u64) -> Duration {
    let begun = Instant::now();
    let (mut last, mut moved) = (read().await, Instant::now());
    while last != wanted {
        let now = read().await;
        if now != last {
            (last, moved) = (now, Instant::now());
        }
        assert!(moved.elapsed() < DEADLINE, "{what} stands still at {last}, and should become {wanted}");
        tokio::time::sleep(PAUSE).await;
    }
    begun.elapsed()
}

/// When a new order was applied on each node, counted from its request.
struct Fresh {
    posted: Duration,
    took: Duration,
    before: u64,
    after: u64,
}

/// Rows in the outbox; asked over a connection of its own, since starting a command takes longer than what is measured.
async fn backlog(redis: &MultiplexedConnection) -> u64 {
    let mut redis = redis.clone();
    redis::cmd("ZCARD").arg("catga:outbox:pending").query_async(&mut redis).await.expect("redis answers")
}

async fn place_new_orders(nodes: [&Node; 2], redis: &MultiplexedConnection, begun: Instant) -> Vec<Fresh> {
    // What is accepted before is a part of the backlog.
    for node in nodes {
        node.wait_status("up").await;
    }
    let mut fresh = Vec::new();
    loop {
        let id = format!("new-{}", fresh.len());
        let (before, posted, since) = (backlog(redis).await, begun.elapsed(), Instant::now());
        nodes[fresh.len() % 2].place(&id).await;
        for node in nodes {
            assert_eq!(node.wait_applied(&id).await["applied"], 1);
        }
        let (took, after) = (since.elapsed(), backlog(redis).await);
        fresh.push(Fresh { posted, took, before, after });
        if after == 0 {
            return fresh;
        }
    }
}

/// Each order is in the node's list once, and was applied once.
async fn applied_once(node: &Node, wanted: u64) {
    let (mut after, mut seen) = (0, BTreeSet::new());
    loop {
        let (_, page) = node.get(&format!("/api/orders?after={after}&limit=1000")).await;
        for order in page["orders"].as_array().expect("orders") {
            assert_eq!(order["applied"], 1, "{order}");
            assert!(seen.insert(order["orderId"].as_str().expect("an id").to_owned()), "{order} is there twice");
        }
        match page["next"].as_u64() {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(seen.len() as u64, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_backlog_drains_in_bounded_memory_and_new_orders_do_not_wait_for_its_end() {
    let (space, rows) = (Space::new().await, rows());
    let (redis, nats) = (Container::redis(&[], &[]).await, Container::nats(&[("nats.conf", "")]).await);
    for first in (1..=rows).step_by(10_000) {
        let last = (first + 9999).min(rows);
        redis.redis_cli(&["EVAL", FILL, "0", &first.to_string(), &last.to_string()]);
    }
    let way = Proxy::to(&nats.address(), Mode::Refuse).await;
    let node = async |id: &str| {
        let node = space.node(id).set("CATGA_KEY_PREFIX", "catga").set("CATGA_STREAM", "CATGA_CLUSTER");
        let node = node.set("CATGA_SUBJECT_PREFIX", "catga.cluster").set("CATGA_LEASE", "5s").set("CATGA_ACK_WAIT", "5s");
        let node = node.set("CATGA_REDIS_URL", format!("redis://{}", redis.address()));
        node.set("CATGA_NATS_URL", format!("nats://{}", way.address)).start().await
    };
    let (first, second) = (node("n1").await, node("n2").await);
    first.wait_status("degraded").await;
    second.wait_status("degraded").await;
    let idle = peak(&first).max(peak(&second));

    way.set(Mode::Open);
    let begun = Instant::now();
    let client = redis::Client::open(format!("redis://{}", redis.address())).expect("a url");
    let patient = redis::AsyncConnectionConfig::new().set_response_timeout(Some(DEADLINE));
    let asked = client.get_multiplexed_async_connection_with_config(&patient).await.expect("redis answers");
    let drained = progress("the outbox", 0, async || backlog(&asked).await);
    let (drained, fresh) = tokio::join!(drained, place_new_orders([&first, &second], &asked, begun));
    let all = rows + fresh.len() as u64;
    for node in [&first, &second] {
        progress("the projection", all, async || node.metric("catga_apply_position").await).await;
    }
    let applied = begun.elapsed();
    let peak = peak(&first).max(peak(&second));

    let slowest = fresh.iter().map(|order| order.took).max().expect("at least one");
    let during = fresh.iter().filter(|order| order.after > 0).count();
    say(&format!(
        "backlog of {rows}: published in {drained:.1?} ({:.0} rows/s), applied by both nodes in {applied:.1?} ({:.0} rows/s); \
         {during} new orders meanwhile, applied by both after at most {slowest:.1?}; peak memory {peak} KiB, {idle} KiB before",
        rows as f64 / drained.as_secs_f64(),
        rows as f64 / applied.as_secs_f64(),
    ));
    for (index, order) in fresh.iter().enumerate().step_by(1 + fresh.len() / 20) {
        say(&format!(
            "  new-{index}: posted at {:.2?}, took {:.2?}, backlog {} to {}",
            order.posted, order.took, order.before, order.after
        ));
    }
    assert!(peak < MEMORY, "{peak} KiB");
    assert!(during > 0, "the backlog was gone before a new order could be seen");
    for order in &fresh {
        let overtaken = order.before.saturating_sub(order.after);
        assert!(overtaken < OVERTAKEN, "{overtaken} rows went before an order that was posted at {:?}", order.posted);
    }
    for node in [&first, &second] {
        applied_once(node, all).await;
        let ledger: Value = node.get("/api/customers/customer-7").await.1;
        assert_eq!(ledger["orders"], rows / 1000);
    }
    eventually("no row is left", async || match redis.redis_cli(&["--scan", "--pattern", "catga:outbox:*"]) {
        keys if keys.is_empty() => Ok(()),
        keys => Err(keys),
    })
    .await;
}
