//! What can be seen of a node, and what its pipeline does around a request.

use std::collections::BTreeMap;
use std::time::Duration;

use node::ports::Store as _;
use reqwest::StatusCode;

use crate::outbox::store;
use crate::proxy::{Mode, Proxy};
use crate::space::{Node, Space, authority, eventually, order, redis_url};

#[path = "../../src/metrics/strict.rs"]
mod strict;

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

async fn metrics(space: &Space, node: &Node) -> BTreeMap<String, strict::Metric> {
    let response = space.client.get(format!("{}/metrics", node.url)).send().await.expect("the node answers");
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = response.text().await.expect("a body");
    strict::read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn value(metrics: &BTreeMap<String, strict::Metric>, sample: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let wanted: Vec<_> = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
    let mut samples = metrics.values().flat_map(|metric| &metric.samples);
    samples.find(|(name, labels, _)| name == sample && *labels == wanted).map(|(_, _, value)| *value)
}

#[tokio::test]
async fn a_strict_reader_takes_the_metrics_of_a_node_at_work() {
    let space = Space::new().await;
    let node = space.node("n1").ready().await;
    node.place("one").await;
    node.place("two").await;
    assert_eq!(node.post(&order("one")).await.status(), StatusCode::OK);
    node.wait_applied("two").await;
    assert_eq!(node.get("/api/orders/absent").await.0, StatusCode::NOT_FOUND);
    assert_eq!(node.get("/a/client/makes/up/paths").await.0, StatusCode::NOT_FOUND);
    node.wait_metric("catga_apply_total", 2).await;

    let metrics = metrics(&space, &node).await;
    assert!(metrics.values().all(|metric| !metric.help.is_empty()));
    let requests = |route: &str, method: &str, status: &str| {
        let labels = [("route", route), ("method", method), ("status", status)];
        value(&metrics, "catga_http_request_duration_seconds_count", &labels)
    };
    assert_eq!(requests("/api/orders", "POST", "201"), Some(2.0));
    assert_eq!(requests("/api/orders", "POST", "200"), Some(1.0));
    assert!(requests("/api/orders/{orderId}", "GET", "404") >= Some(1.0));
    assert_eq!(requests("other", "GET", "404"), Some(1.0));
    assert_eq!(value(&metrics, "catga_orders_total", &[("outcome", "new")]), Some(2.0));
    assert_eq!(value(&metrics, "catga_orders_total", &[("outcome", "replayed")]), Some(1.0));
    assert_eq!(value(&metrics, "catga_dependency_up", &[("dependency", "nats")]), Some(1.0));
    assert_eq!(value(&metrics, "catga_apply_lag_seconds_count", &[]), Some(2.0));
    let lag = value(&metrics, "catga_apply_lag_seconds_sum", &[]).expect("a sum");
    assert!(lag > 0.0 && lag < 30.0, "{lag}");
    assert_eq!(value(&metrics, "catga_publish_duration_seconds_count", &[]), Some(2.0));
    space.clean().await;
}

#[tokio::test]
async fn the_age_of_the_outbox_is_that_of_its_oldest_row() {
    let space = Space::new().await;
    let store = store(&space, "n1");
    assert!(store.link().wait_up().await.is_some());
    let backlog = store.backlog().await.expect("a backlog");
    assert_eq!((backlog.depth, backlog.oldest_age), (0, std::time::Duration::ZERO));
    let now: Vec<u64> = space.query(&["TIME"]).await;
    for (id, due, age) in [("young", "1", 5_u64), ("old", "2", 90), ("older", "3", 120)] {
        let created = (now[0] - age) * 1000;
        let row = space.key(&format!("outbox:pending:{id}"));
        let _: i64 = space.query(&["HSET", &row, "createdAt", &created.to_string()]).await;
        let _: i64 = space.query(&["ZADD", &space.key("outbox:pending"), due, id]).await;
    }
    let _: i64 = space.query(&["ZADD", &space.key("outbox:pending"), "0", "without-a-row"]).await;
    let _: String = space.query(&["SET", &space.key("outbox:pending:no-hash"), "x"]).await;
    let _: i64 = space.query(&["ZADD", &space.key("outbox:pending"), "0", "no-hash"]).await;
    let backlog = store.backlog().await.expect("a backlog");
    assert_eq!(backlog.depth, 5);
    assert!((120..150).contains(&backlog.oldest_age.as_secs()), "{backlog:?}");
    space.clean().await;
}

#[tokio::test]
async fn an_order_that_takes_longer_than_its_limit_may_exist() {
    let space = Space::new().await;
    let redis = Proxy::to(&authority(&redis_url()), Mode::Open).await;
    let node = space
        .node("n1")
        .set("CATGA_REDIS_URL", format!("redis://{}", redis.address))
        .set("CATGA_REQUEST_TIMEOUT", "200ms")
        .set("CATGA_REDIS_TIMEOUT", "10s")
        .set("CATGA_PROBE_TIMEOUT", "10s")
        .ready()
        .await;
    redis.set(Mode::DropAnswers);
    let late = order("late");
    let (placed, read) = tokio::join!(node.post(&late), node.get("/api/orders/late"));
    assert_eq!(placed.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(read.0, StatusCode::SERVICE_UNAVAILABLE, "a read wrote nothing");
    assert_eq!(node.metric("catga_orders_total{outcome=\"indeterminate\"}").await, 1);
    eventually("the order exists", async || match space.query::<i64>(&["EXISTS", &space.key("idempotency:late")]).await {
        1 => Ok(()),
        count => Err(count.to_string()),
    })
    .await;
    space.clean().await;
}

#[tokio::test]
async fn retries_in_flight_share_a_success_and_no_failure() {
    let space = Space::new().await;
    let redis = Proxy::to(&authority(&redis_url()), Mode::Open).await;
    let node = space.node("n1").set("CATGA_REDIS_URL", format!("redis://{}", redis.address)).ready().await;
    let hot = order("hot");
    // The first is on its way to the store for long enough that the others find it there.
    redis.set(Mode::Slow(Duration::from_millis(100)));
    let answers = futures_util::future::join_all((0..30).map(|_| node.post(&hot))).await;
    let mut created = 0;
    let mut bodies = std::collections::BTreeSet::new();
    for answer in answers {
        created += u32::from(answer.status() == StatusCode::CREATED);
        assert!(answer.status().is_success(), "{}", answer.status());
        bodies.insert(answer.text().await.expect("a body"));
    }
    assert_eq!((created, bodies.len()), (1, 1), "{bodies:?}");
    let replayed = node.metric("catga_orders_total{outcome=\"replayed\"}").await;
    assert_eq!(replayed, 29);
    let coalesced = node.metric("catga_orders_coalesced_total").await;
    assert!((1..=replayed).contains(&coalesced), "{coalesced} of {replayed} shared the first answer");
    redis.set(Mode::Open);

    // The answer to the first is lost. The others are not told its failure as theirs: each asks by itself.
    redis.set(Mode::DropAnswers);
    let lost = order("lost");
    let answers = futures_util::future::join_all((0..5).map(|_| node.post(&lost))).await;
    let unknown = answers.iter().filter(|answer| answer.status() == StatusCode::GATEWAY_TIMEOUT).count();
    assert!(unknown >= 1, "{answers:?}");
    for answer in answers {
        let status = answer.status();
        assert!(status == StatusCode::GATEWAY_TIMEOUT || status == StatusCode::SERVICE_UNAVAILABLE, "{status}");
    }
    redis.set(Mode::Open);
    node.wait_status("up").await;
    assert_eq!(node.post(&lost).await.status(), StatusCode::OK, "it was accepted once");
    space.clean().await;
}

#[tokio::test]
async fn a_trace_goes_from_the_request_to_every_node() {
    let space = Space::new().await;
    let debug = "info,node=debug,async_nats=off";
    let one = space.node("n1").set("CATGA_LOG", debug).ready().await;
    let two = space.node("n2").set("CATGA_LOG", debug).ready().await;
    let request = space.client.post(format!("{}/api/orders", one.url)).header("content-type", "application/json");
    let response = request.header("traceparent", TRACEPARENT).body(order("traced").to_string()).send().await;
    let response = response.expect("the node answers");
    assert_eq!(response.status(), StatusCode::CREATED);
    let body = response.text().await.expect("a body");
    // Accepted is not yet published; what another node applied is.
    two.wait_applied("traced").await;
    let message = space.stream().await.get_raw_message(1).await.expect("the message is there");
    assert_eq!(message.headers.get("traceparent").map(async_nats::HeaderValue::as_str), Some(TRACEPARENT));
    assert_eq!(message.payload, body.as_bytes(), "the payload is as it would be without");

    let broken = space.client.post(format!("{}/api/orders", one.url)).header("content-type", "application/json");
    let broken = broken.header("traceparent", "nonsense").body(order("untraced").to_string()).send().await;
    assert_eq!(broken.expect("the node answers").status(), StatusCode::CREATED);
    two.wait_applied("untraced").await;
    let message = space.stream().await.get_raw_message(2).await.expect("the message is there");
    assert!(message.headers.get("traceparent").is_none());

    eventually("the other node logs the order in its trace", async || {
        let line = two.lines().into_iter().find(|line| line.contains("order applied") && line.contains("\"traced\""));
        match line.map(|line| serde_json::from_str::<serde_json::Value>(&line).expect("JSON")) {
            Some(line) if line["span"]["traceId"] == TRACEPARENT[3..35] && line["span"]["node"] == "n2" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    space.clean().await;
}
