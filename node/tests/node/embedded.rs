//! The whole contract on a node that has nothing beside it.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::feed::Feed;
use crate::space::{Node, embedded, eventually, order};

#[tokio::test]
async fn an_embedded_node_serves_orders_from_place_to_ledger() {
    let node = embedded("alone").ready().await;
    let first = node.post(&json!({"orderId": "order-001", "customerId": "customer-123", "amount": 99.99})).await;
    assert_eq!(
        (first.status(), &first.headers()["location"]),
        (StatusCode::CREATED, &"/api/orders/order-001".parse().expect("a header"))
    );
    let first = first.text().await.expect("a body");
    assert!(first.contains(r#""amount":99.99,"#) && first.contains(r#""acceptedBy":"alone""#), "{first}");
    let again = node.post(&json!({"amount": 99.990, "customerId": "customer-123", "orderId": "order-001"})).await;
    assert_eq!((again.status(), &again.headers()["idempotent-replayed"]), (StatusCode::OK, &"true".parse().expect("a header")));
    assert_eq!(again.text().await.expect("a body"), first);
    let other = node.post(&json!({"orderId": "order-001", "customerId": "customer-123", "amount": 100})).await;
    assert_eq!(other.status(), StatusCode::CONFLICT);
    let invalid = node.post(&json!({"orderId": "order-002", "customerId": "customer-123", "amount": 0})).await;
    assert_eq!(invalid.status(), StatusCode::UNPROCESSABLE_ENTITY);

    let applied = node.wait_applied("order-001").await;
    let place = (&applied["sequence"], &applied["position"], &applied["applied"]);
    assert_eq!(place, (&json!(1), &json!(1), &json!(1)));
    assert_eq!(node.get("/api/orders/order-002").await.0, StatusCode::NOT_FOUND);
    node.place("order-003").await;
    node.wait_applied("order-003").await;
    let (_, list) = node.get("/api/orders?limit=1").await;
    assert_eq!((list["orders"].as_array().map(Vec::len), &list["next"]), (Some(1), &json!(1)));
    let (_, rest) = node.get("/api/orders?after=1").await;
    assert_eq!((&rest["orders"][0]["orderId"], &rest["next"]), (&json!("order-003"), &Value::Null));
    let (_, ledger) = node.get("/api/customers/customer-123").await;
    assert_eq!((&ledger["orders"], ledger["total"].to_string()), (&json!(2), "112.49".to_owned()));
    assert_eq!(node.get("/api/customers/nobody").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_embedded_node_tells_of_its_health_once_that_nothing_is_durable_and_of_its_end() {
    let mut node = embedded("alone").ready().await;
    for path in ["/health", "/health/ready", "/health/live"] {
        let (status, body) = node.get(path).await;
        let checks = (&body["checks"]["nats"], &body["checks"]["redis"]);
        assert_eq!((status, &body["status"], checks), (StatusCode::OK, &json!("up"), (&json!("up"), &json!("up"))), "{path}");
    }
    node.place("counted").await;
    node.wait_metric("catga_apply_total", 1).await;
    for (metric, value) in [
        ("catga_orders_total{outcome=\"new\"}", 1),
        ("catga_dependency_up{dependency=\"nats\"}", 1),
        ("catga_dependency_up{dependency=\"redis\"}", 1),
    ] {
        assert_eq!(node.metric(metric).await, value, "{metric}");
    }
    eventually("the outbox is empty", async || match node.metric("catga_outbox_depth").await {
        0 => Ok(()),
        depth => Err(depth.to_string()),
    })
    .await;
    node.wait_line(&["nothing is durable"]).await;
    let told = node.lines().iter().filter(|line| line.contains("nothing is durable")).count();
    assert_eq!(told, 1, "{:?}", node.lines());
    node.signal("-TERM");
    assert!(node.exit().await.success());
    let next = embedded("alone").ready().await;
    assert_eq!(next.get("/api/orders/counted").await.0, StatusCode::NOT_FOUND, "it ended with its process");
}

#[tokio::test]
async fn an_embedded_nodes_feed_resumes_without_gap_or_repeat() {
    let node = embedded("alone").ready().await;
    let place = async |node: &Node, id: &str| {
        node.post(&order(id)).await;
        node.wait_applied(id).await;
    };
    let mut feed = Feed::open(&node, None).await;
    for id in ["a", "b", "c", "d"] {
        place(&node, id).await;
    }
    let expected = |from: u64, ids: &[&str]| ids.iter().zip(from..).map(|(id, at)| (at, (*id).to_owned())).collect::<Vec<_>>();
    assert_eq!(feed.events(2).await, expected(1, &["a", "b"]));
    drop(feed);
    let mut feed = Feed::open(&node, Some(2)).await;
    assert_eq!(feed.events(2).await, expected(3, &["c", "d"]));
    place(&node, "e").await;
    assert_eq!(feed.events(1).await, expected(5, &["e"]));
}

#[tokio::test]
async fn a_full_embedded_stream_refuses_and_nothing_is_dropped() {
    let node = embedded("alone").set("CATGA_STREAM_MAX_BYTES", "2000").set("CATGA_OUTBOX_LIMIT", "3").ready().await;
    let mut accepted = 0;
    let refused = eventually("the backlog is full", async || {
        let answer = node.post(&order(&format!("order-{accepted}"))).await;
        if answer.status() == StatusCode::CREATED {
            accepted += 1;
            return Err(format!("{accepted} accepted"));
        }
        Ok(answer)
    })
    .await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    node.wait_status("down").await;
    eventually("all but what waits is applied", async || match node.metric("catga_apply_total").await {
        applied if applied >= 5 && applied + 3 == accepted => Ok(()),
        applied => Err(format!("{applied} of {accepted}")),
    })
    .await;
    assert_eq!(node.post(&order("order-0")).await.status(), StatusCode::OK, "what was accepted is still answered");
}
