//! The least that a node must be allowed to do, as `docs/security.md` writes it: enough for all that it does.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::proxy::{Mode, Proxy};
use crate::services::Container;
use crate::space::{Node, Space, eventually, order, tells};

const GUIDE: &str = include_str!("../../../docs/security.md");

/// The block of the guide that begins with these words.
fn block(begin: &str) -> &'static str {
    let blocks = GUIDE.split("```\n").skip(1).step_by(2);
    blocks.into_iter().find(|block| block.starts_with(begin)).unwrap_or_else(|| panic!("no block begins with {begin:?}"))
}

/// Commands that the adapter's scripts and its own source use.
fn used_commands() -> BTreeSet<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/redis_store");
    let mut paths = vec![format!("{folder}.rs")];
    for folder in [folder.to_owned(), format!("{folder}/scripts")] {
        let entries = std::fs::read_dir(folder).expect("a folder");
        paths.extend(entries.map(|entry| entry.expect("an entry").path().to_string_lossy().into_owned()));
    }
    let mut found = BTreeSet::new();
    for path in paths.into_iter().filter(|path| !path.ends_with("/scripts")) {
        let text = std::fs::read_to_string(path).expect("read");
        for opening in ["call('", "cmd(\""] {
            for rest in text.split(opening).skip(1) {
                let word: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
                found.insert(word.to_ascii_lowercase());
            }
        }
    }
    found
}

#[test]
fn the_documented_user_may_run_exactly_the_commands_that_the_node_sends() {
    let line = block("ACL SETUSER");
    let allowed: BTreeSet<String> =
        line.split_whitespace().filter_map(|word| word.strip_prefix('+')).map(str::to_owned).collect();
    // What the client library sends by itself: login, scripts, transactions.
    let library = ["auth", "select", "client|setinfo", "evalsha", "script|load", "multi", "exec"].map(str::to_owned);
    let used: BTreeSet<String> = used_commands().into_iter().chain(library).collect();
    let (lacking, idle): (Vec<_>, Vec<_>) = (used.difference(&allowed).collect(), allowed.difference(&used).collect());
    assert!(lacking.is_empty() && idle.is_empty(), "docs/security.md lacks {lacking:?} and allows without need {idle:?}");
}

/// Sees that an order gets everywhere.
async fn settled(node: &Node, id: &str) {
    assert_eq!(node.wait_applied(id).await["applied"], 1);
    eventually("the outbox is empty", async || match node.metric("catga_outbox_depth").await {
        0 => Ok(()),
        depth => Err(depth.to_string()),
    })
    .await;
}

#[tokio::test]
async fn the_whole_path_of_orders_runs_under_the_documented_permissions() {
    let space = Space::new().await;
    let config = block("authorization").replace("PASSWORD", "hush-nats");
    let nats = Container::nats(&[("nats.conf", &config)]).await;
    let redis = Container::redis(&[], &[]).await;
    let user = block("ACL SETUSER").trim().replace("PASSWORD", "hush-redis");
    redis.redis_cli(&user.split(' ').collect::<Vec<_>>());
    let way = Proxy::to(&nats.address(), Mode::Open).await;
    let node = || {
        let node = space.node("n1").set("CATGA_KEY_PREFIX", "catga").set("CATGA_STREAM", "CATGA_CLUSTER");
        let node = node.set("CATGA_SUBJECT_PREFIX", "catga.cluster").set("CATGA_NATS_URL", format!("nats://{}", way.address));
        let node =
            node.set("CATGA_NATS_USER", "n1").set("CATGA_NATS_PASSWORD", "hush-nats").set("CATGA_NATS_INBOX_PREFIX", "_INBOX_n1");
        let node = node.set("CATGA_REDIS_URL", format!("redis://catga:hush-redis@{}", redis.address()));
        node.set("CATGA_SWEEP_INTERVAL", "10ms").set("CATGA_PUBLISH_TIMEOUT", "500ms")
    };
    let mut first = node().ready().await;
    first.place("order-1").await;
    settled(&first, "order-1").await;
    assert_eq!(first.post(&order("order-1")).await.status(), 200);
    assert_eq!(first.get("/api/orders").await.1["orders"].as_array().map(Vec::len), Some(1));
    assert_eq!(first.get("/api/customers/customer-123").await.1["orders"], 1);

    // The answers of NATS get lost: rows are postponed, claimed again, and proven by the message that the stream has.
    way.set(Mode::DropAnswers);
    first.place("order-2").await;
    first.wait_status("degraded").await;
    way.set(Mode::Open);
    settled(&first, "order-2").await;

    // A row without an index that is no order is found, claimed and set aside.
    redis.redis_cli(&["HSET", "catga:outbox:pending:stray", "payload", "no order", "subject", "x", "createdAt", "1"]);
    first.wait_metric("catga_outbox_dead_total", 1).await;

    // Redis is behind what was acknowledged: the consumer is made anew.
    redis.redis_cli(&["HSET", "catga:projection:n1:progress", "floor", "0"]);
    first.wait_metric("catga_apply_rewinds_total", 1).await;
    first.place("order-3").await;
    settled(&first, "order-3").await;

    first.signal("-TERM");
    assert!(first.exit().await.success());
    assert_eq!(redis.redis_cli(&["EXISTS", "catga:node:n1:owner"]), "0", "the name was given up");
    let second = node().ready().await;
    settled(&second, "order-3").await;
    second.kill().await;

    let denied = redis.redis_cli(&["ACL", "LOG"]);
    assert!(denied.trim().is_empty(), "Redis denied: {denied}");
    let denied: Vec<_> = nats.logs().lines().filter(|line| line.contains("Violation")).map(str::to_owned).collect();
    assert!(denied.is_empty(), "NATS denied: {denied:?}");
}

#[tokio::test]
async fn a_permission_that_is_missing_is_named() {
    let space = Space::new().await;
    let config = block("authorization").replace("PASSWORD", "hush-nats").replace("\"$JS.API.STREAM.INFO.CATGA_CLUSTER\"", "");
    let nats = Container::nats(&[("nats.conf", &config)]).await;
    let redis = Container::redis(&[], &[]).await;
    let user = block("ACL SETUSER").trim().replace("PASSWORD", "hush-redis").replace("+evalsha ", "");
    redis.redis_cli(&user.split(' ').collect::<Vec<_>>());
    let node = space.node("n1").set("CATGA_KEY_PREFIX", "catga").set("CATGA_STREAM", "CATGA_CLUSTER");
    let node = node.set("CATGA_SUBJECT_PREFIX", "catga.cluster").set("CATGA_NATS_INBOX_PREFIX", "_INBOX_n1");
    let node = node.set("CATGA_NATS_URL", format!("nats://n1:hush-nats@{}", nats.address()));
    let node = node.set("CATGA_REDIS_URL", format!("redis://catga:hush-redis@{}", redis.address())).start().await;
    let detail = async |wanted: &'static str| {
        eventually(&format!("detail has {wanted:?}"), async || match node.get("/health").await.1 {
            body if body["detail"].as_str().is_some_and(|detail| detail.contains(wanted)) => Ok(body),
            body => Err(body.to_string()),
        })
        .await
    };
    let body: Value = detail("'evalsha'").await;
    assert_eq!((&body["status"], &body["checks"]["nats"]), (&"down".into(), &"down".into()));
    let refused = node.post(&order("refused")).await;
    assert_eq!(refused.status(), 503, "a command that Redis did not even begin is a proof");
    redis.redis_cli(&["ACL", "SETUSER", "catga", "+evalsha"]);
    node.wait_status("degraded").await;
    detail("Permissions Violation for Publish to \"$JS.API.STREAM.INFO.CATGA_CLUSTER\"").await;
    nats.write("nats.conf", &block("authorization").replace("PASSWORD", "hush-nats"));
    nats.signal("HUP");
    node.wait_status("up").await;
    node.place("order-1").await;
    settled(&node, "order-1").await;
}

#[tokio::test]
async fn a_node_whose_orders_may_not_get_on_is_degraded_and_says_what_it_may_not_do() {
    let space = Space::new().await;
    let whole = block("authorization").replace("PASSWORD", "hush-nats");
    let nats = Container::nats(&[("nats.conf", &whole)]).await;
    let node = space.node("n1").set("CATGA_STREAM", "CATGA_CLUSTER").set("CATGA_SUBJECT_PREFIX", "catga.cluster");
    let node = node.set("CATGA_NATS_INBOX_PREFIX", "_INBOX_n1").set("CATGA_RETRY_CAP", "1s");
    let node = node.set("CATGA_NATS_URL", format!("nats://n1:hush-nats@{}", nats.address())).ready().await;
    for (index, subject) in ["catga.cluster.order.placed", "$JS.API.CONSUMER.MSG.NEXT.CATGA_CLUSTER.n1"].into_iter().enumerate() {
        nats.write("nats.conf", &whole.replace(&format!("\"{subject}\""), ""));
        nats.signal("HUP");
        // NATS takes a moment to read it, and an order that comes before that is published.
        let (mut count, mut id) = (0, String::new());
        let words = format!("Permissions Violation for Publish to \"{subject}\"");
        let health = eventually(&format!("health tells of {words}"), async || {
            count += 1;
            id = format!("order-{index}-{count}");
            let status = node.post(&order(&id)).await.status().as_u16();
            let health = node.get("/health").await.1;
            if tells(&health, &words) && [200, 201].contains(&status) { Ok(health) } else { Err(format!("{status}, {health}")) }
        })
        .await;
        assert_eq!((&health["status"], &health["checks"]["nats"]), (&"degraded".into(), &"up".into()), "{health}");
        nats.write("nats.conf", &whole);
        nats.signal("HUP");
        settled(&node, &id).await;
        node.wait_status("up").await;
    }
}

#[tokio::test]
async fn a_command_that_only_acceptance_needs_is_missed_before_an_order_needs_it() {
    let space = Space::new().await;
    let redis = Container::redis(&[], &[]).await;
    let user = block("ACL SETUSER").trim().replace("PASSWORD", "hush-redis");
    let node = space.node("n1").set("CATGA_KEY_PREFIX", "catga");
    redis.redis_cli(&user.split(' ').collect::<Vec<_>>());
    let node = node.set("CATGA_REDIS_URL", format!("redis://catga:hush-redis@{}", redis.address())).ready().await;
    for command in ["mset", "hset", "zadd", "mget"] {
        redis.redis_cli(&["ACL", "SETUSER", "catga", &format!("-{command}")]);
        let health = node.wait_detail(&format!("'{command}'")).await;
        assert_eq!((&health["status"], &health["checks"]["redis"]), (&"down".into(), &"up".into()), "{health}");
        redis.redis_cli(&["ACL", "SETUSER", "catga", &format!("+{command}")]);
        node.wait_status("up").await;
    }
    node.place("order-1").await;
    settled(&node, "order-1").await;
}
