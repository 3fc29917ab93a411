//! The promises of the HTTP contract, one by one.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::proxy::{Mode, Proxy};
use crate::space::{Node, Space, authority, order, redis_url};

async fn post(space: &Space, node: &Node, body: &str) -> (u16, Value) {
    let request = space.client.post(format!("{}/api/orders", node.url)).header("content-type", "application/json");
    let response = request.body(body.to_owned()).send().await.expect("the node answers");
    (response.status().as_u16(), response.json().await.expect("JSON"))
}

#[tokio::test]
async fn lists_are_clamped_and_paged_and_only_null_ends_them() {
    const COUNT: u64 = 1100;
    let space = Space::new().await;
    let node = space.node("n1").ready().await;
    let ids: Vec<String> = (0..COUNT).map(|index| format!("order-{index}")).collect();
    for some in ids.chunks(100) {
        futures_util::future::join_all(some.iter().map(|id| node.place(id))).await;
    }
    node.wait_metric("catga_apply_total", COUNT).await;
    for (limit, entries, next) in [("5000", 1000, json!(1000)), ("99999999999999999999", 1000, json!(1000)), ("0", 1, json!(1))] {
        let (status, page) = node.get(&format!("/api/orders?limit={limit}")).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!((page["orders"].as_array().map(Vec::len), &page["next"]), (Some(entries), &next), "limit {limit}");
    }
    assert_eq!(node.get("/api/orders").await.1["orders"].as_array().map(Vec::len), Some(100), "the default");
    // 77 divides neither the number of orders nor the size of the store's parts.
    let (mut after, mut positions) = (0, Vec::new());
    loop {
        let (_, page) = node.get(&format!("/api/orders?limit=77&after={after}")).await;
        positions.extend(page["orders"].as_array().expect("orders").iter().map(|order| order["position"].as_u64()));
        match page["next"].as_u64() {
            Some(next) => after = next,
            None => break assert_eq!(page["next"], Value::Null),
        }
    }
    assert_eq!(positions, (1..=COUNT).map(Some).collect::<Vec<_>>());
    let (_, end) = node.get(&format!("/api/orders?after={COUNT}")).await;
    assert_eq!(end, json!({"orders": [], "next": null}));
    assert_eq!(node.get("/api/orders?after=9007199254740993").await.0, StatusCode::UNPROCESSABLE_ENTITY);
    space.clean().await;
}

#[tokio::test]
async fn amounts_are_exact_and_their_spelling_does_not_matter() {
    let space = Space::new().await;
    let node = space.node("n1").ready().await;
    let body = |id: &str, amount: &str| format!(r#"{{"orderId":"{id}","customerId":"exact","amount":{amount}}}"#);
    let cases = [
        ("0.01", "0.01"),
        ("0.10", "0.1"),
        ("0.29", "0.29"),
        ("1.005e1", "10.05"),
        ("4.35", "4.35"),
        ("1000000000", "1000000000"),
    ];
    for (index, (sent, kept)) in cases.into_iter().enumerate() {
        let id = format!("order-{index}");
        let url = format!("{}/api/orders", node.url);
        let request = space.client.post(url).header("content-type", "application/json").body(body(&id, sent));
        let text = request.send().await.expect("an answer").text().await.expect("a body");
        assert!(text.contains(&format!(r#""amount":{kept},"#)), "{sent}: {text}");
    }
    for (amount, status) in [("100", 201), ("100.0", 200), ("1e2", 200), ("100.00", 200), ("10000e-2", 200), ("100.01", 409)] {
        assert_eq!(post(&space, &node, &body("same", amount)).await.0, status, "{amount}");
    }
    node.wait_metric("catga_apply_total", 7).await;
    let text = space.client.get(format!("{}/api/customers/exact", node.url)).send().await.expect("an answer");
    assert_eq!(text.text().await.expect("a body"), r#"{"customerId":"exact","orders":7,"total":1000000114.8}"#);
    space.clean().await;
}

#[tokio::test]
async fn problems_name_the_ids_of_their_request_and_refusals_write_nothing() {
    let space = Space::new().await;
    let redis = Proxy::to(&authority(&redis_url()), Mode::Open).await;
    let node = space.node("n1").set("CATGA_REDIS_URL", format!("redis://{}", redis.address)).ready().await;
    node.place("first").await;
    node.wait_applied("first").await;
    let keys = async || {
        let mut keys: Vec<String> = space.query(&["KEYS", &space.key("*")]).await;
        // Marks that a node keeps of itself come and go.
        keys.retain(|key| key.contains("idempotency") || key.contains("outbox") || key.contains("projection"));
        keys.sort();
        keys
    };
    let before = keys().await;
    let (status, problem) = post(&space, &node, r#"{"orderId":"first","customerId":"customer-123","amount":1}"#).await;
    assert_eq!((status, &problem["orderId"], &problem["customerId"]), (409, &json!("first"), &json!("customer-123")));
    for (body, expected) in [("{", 400), (r#"{"orderId":"second","customerId":"c","amount":-1}"#, 422)] {
        assert_eq!(post(&space, &node, body).await.0, expected);
    }
    assert_eq!(node.get("/api/orders/none").await.1["orderId"], "none");
    assert_eq!(node.get("/api/customers/none").await.1["customerId"], "none");

    redis.set(Mode::BlackHole);
    node.wait_status("down").await;
    // Not even now is a wrong order more than wrong.
    assert_eq!(post(&space, &node, r#"{"orderId":"second","customerId":"c","amount":-1}"#).await.0, 422);
    let (status, problem) = post(&space, &node, &order("second").to_string()).await;
    assert_eq!((status, &problem["orderId"], &problem["customerId"]), (503, &json!("second"), &json!("customer-123")));
    assert_eq!(keys().await, before);

    redis.set(Mode::Open);
    node.wait_status("up").await;
    redis.set(Mode::DropAnswers);
    let (status, problem) = post(&space, &node, &order("doubtful").to_string()).await;
    assert_eq!((status, &problem["orderId"], &problem["customerId"]), (504, &json!("doubtful"), &json!("customer-123")));
    redis.set(Mode::Open);
    space.clean().await;
}

#[tokio::test]
async fn every_read_answers_head_and_nothing_else() {
    let space = Space::new().await;
    let node = space.node("n1").ready().await;
    node.place("order-001").await;
    node.wait_applied("order-001").await;
    let paths = [
        "/api/orders",
        "/api/orders/order-001",
        "/api/customers/customer-123",
        "/health",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/openapi.json",
        "/swagger/",
        "/swagger/swagger-ui.css",
    ];
    for path in paths {
        let url = format!("{}{path}", node.url);
        let get = space.client.get(&url).send().await.expect("an answer");
        let head = space.client.head(&url).send().await.expect("an answer");
        assert_eq!((head.status(), get.status()), (StatusCode::OK, StatusCode::OK), "{path}");
        assert_eq!(head.headers()["content-type"], get.headers()["content-type"], "{path}");
        let length = head.headers()["content-length"].to_str().expect("text").parse::<usize>().expect("a number");
        let body = get.bytes().await.expect("a body");
        // The numbers in it move on between two requests.
        assert!(length == body.len() || path == "/metrics", "{path}: {length} and {}", body.len());
        assert!(head.bytes().await.expect("no body").is_empty(), "{path}");
    }
    let head = space.client.head(format!("{}/api/events", node.url)).send().await.expect("a feed that nobody reads ends at once");
    assert_eq!(
        (head.status(), &head.headers()["content-type"]),
        (StatusCode::OK, &"text/event-stream".parse().expect("a header"))
    );
    node.wait_gauge("catga_feed_clients", 0).await;
    for path in paths.into_iter().chain(["/api/events", "/swagger"]) {
        let allow = if path == "/api/orders" { "GET, HEAD, POST" } else { "GET, HEAD" };
        for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS, Method::TRACE] {
            let request = space.client.request(method.clone(), format!("{}{path}", node.url));
            let response = request.send().await.expect("an answer");
            let answered = (response.status().as_u16(), response.headers()["allow"].to_str().expect("text"));
            assert_eq!(answered, (405, allow), "{method} {path}");
        }
    }
    space.clean().await;
}
