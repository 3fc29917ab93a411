//! Accepting orders over HTTP.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::proxy::{Mode, Proxy};
use crate::space::{Space, authority, eventually, nats_url, order};

async fn send(space: &Space, url: &str, content_type: Option<&str>, body: impl Into<reqwest::Body>) -> (u16, String, Value) {
    let mut request = space.client.post(url).body(body);
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    let response = request.send().await.expect("the node answers");
    let kind = response.headers().get("content-type").map_or("", |kind| kind.to_str().expect("text")).to_owned();
    (response.status().as_u16(), kind, response.json().await.expect("the answer is JSON"))
}

#[tokio::test]
async fn answers_follow_the_table_in_its_order() {
    let space = Space::new().await;
    let node = space.node("n1").ready().await;
    let orders = format!("{}/api/orders", node.url);
    let big = "x".repeat(20_000);
    let json = Some("application/json");
    let cases = [
        (Some("text/plain"), big.as_str(), 415),
        (None, "{}", 415),
        (json, big.as_str(), 413),
        (json, "{", 400),
        (json, "", 400),
        (json, "[]", 422),
        (json, r#"{"orderId":"a","customerId":"c"}"#, 422),
        (json, r#"{"orderId":"a","customerId":"c","amount":1,"more":1}"#, 422),
        (json, r#"{"orderId":"a/b","customerId":"c","amount":1}"#, 422),
        (json, r#"{"orderId":"a","customerId":"c","amount":-1}"#, 422),
        (json, r#"{"orderId":"a","customerId":"c","amount":0.001}"#, 422),
        (json, r#"{"orderId":"a","customerId":"c","amount":1000000000.01}"#, 422),
    ];
    for (content_type, body, expected) in cases {
        let (status, kind, problem) = send(&space, &orders, content_type, body.to_owned()).await;
        assert_eq!(status, expected, "{content_type:?} {body:.60} {problem}");
        assert_eq!(kind, "application/problem+json");
        assert_eq!(problem["status"], expected);
    }
    assert_eq!(space.pending().await, Vec::<String>::new());
    let keys: Vec<String> = space.query(&["KEYS", &space.key("idempotency:*")]).await;
    assert_eq!(keys, Vec::<String>::new(), "nothing was written");

    for (path, expected) in
        [("/nothing", 404), ("/api/orders/none", 404), ("/api/customers/none", 404), ("/api/orders?limit=x", 422)]
    {
        assert_eq!(node.get(path).await.0.as_u16(), expected, "{path}");
    }
    let response = space.client.delete(&orders).send().await.expect("the node answers");
    assert_eq!((response.status().as_u16(), &response.headers()["allow"]), (405, &"GET, HEAD, POST".parse().expect("a header")));
    space.clean().await;
}

#[tokio::test]
async fn an_order_is_new_once_then_replayed_or_in_conflict() {
    let space = Space::new().await;
    let node = space.node("n1").ready().await;
    let order = json!({"orderId": "order-001", "customerId": "customer-123", "amount": 99.99});
    let first = node.post(&order).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    assert_eq!(first.headers()["location"], "/api/orders/order-001");
    let first = first.text().await.expect("a body");
    assert!(first.contains(r#""amount":99.99,"#) && first.contains(r#""acceptedBy":"n1""#), "{first}");

    let same = r#"{"amount":9.999e1,"customerId":"customer-123","orderId":"order-001"}"#;
    let request = space.client.post(format!("{}/api/orders", node.url)).header("content-type", "application/json; charset=utf-8");
    let replay = request.body(same).send().await.expect("the node answers");
    assert_eq!((replay.status(), &replay.headers()["idempotent-replayed"]), (StatusCode::OK, &"true".parse().expect("a header")));
    assert_eq!(replay.text().await.expect("a body"), first);

    let other = json!({"orderId": "order-001", "customerId": "customer-123", "amount": 100});
    let conflict = node.post(&other).await;
    assert_eq!(conflict.status(), StatusCode::CONFLICT);
    assert!(conflict.text().await.expect("a body").contains("order-001"));
    assert_eq!(node.metric("catga_orders_total{outcome=\"new\"}").await, 1);
    assert_eq!(node.metric("catga_orders_total{outcome=\"replayed\"}").await, 1);
    assert_eq!(node.metric("catga_orders_total{outcome=\"conflict\"}").await, 1);
    space.clean().await;
}

#[tokio::test]
async fn concurrent_first_requests_with_one_key_give_one_201() {
    let space = Space::new().await;
    let (one, two) = tokio::join!(space.node("n1").ready(), space.node("n2").ready());
    let order = order("hot");
    let posts = (0..40).map(|index| if index % 2 == 0 { one.post(&order) } else { two.post(&order) });
    let mut answers = Vec::new();
    for response in futures_util::future::join_all(posts).await {
        answers.push((response.status().as_u16(), response.text().await.expect("a body")));
    }
    assert_eq!(answers.iter().filter(|(status, _)| *status == 201).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|(status, body)| (*status == 201 || *status == 200) && *body == answers[0].1), "{answers:?}");
    assert_eq!(one.wait_applied("hot").await["applied"], 1);
    space.clean().await;
}

#[tokio::test]
async fn an_applied_order_is_answered_even_when_its_record_has_expired() {
    let space = Space::new().await;
    let node = space.node("n1").set("CATGA_RECORD_TTL", "100ms").ready().await;
    let first = node.place("brief").await;
    node.wait_applied("brief").await;
    eventually("the record expires", async || match space.query::<i64>(&["EXISTS", &space.key("idempotency:brief")]).await {
        0 => Ok(()),
        count => Err(count.to_string()),
    })
    .await;
    let replay = node.post(&order("brief")).await;
    assert_eq!(replay.status(), StatusCode::OK);
    assert_eq!(replay.json::<Value>().await.expect("JSON"), first);
    let other = json!({"orderId": "brief", "customerId": "somebody-else", "amount": 12.5});
    assert_eq!(node.post(&other).await.status(), StatusCode::CONFLICT);
    space.clean().await;
}

#[tokio::test]
async fn a_full_backlog_refuses_new_orders_and_writes_nothing() {
    let space = Space::new().await;
    let nats = Proxy::to(&authority(&nats_url()), Mode::Refuse).await;
    let node =
        space.node("n1").set("CATGA_OUTBOX_LIMIT", "1").set("CATGA_NATS_URL", format!("nats://{}", nats.address)).start().await;
    node.wait_status("degraded").await;
    node.place("first").await;
    let refused = node.post(&order("second")).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(space.query::<i64>(&["EXISTS", &space.key("idempotency:second")]).await, 0);
    assert_eq!(node.post(&order("first")).await.status(), StatusCode::OK, "what was accepted is still answered");
    node.wait_status("down").await;
    nats.set(Mode::Open);
    node.wait_status("up").await;
    node.wait_applied("first").await;
    node.place("second").await;
    space.clean().await;
}

#[tokio::test]
async fn a_refused_body_that_is_still_being_sent_gets_its_answer() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let space = Space::new().await;
    let node = space.node("n1").ready().await;
    for (kind, status) in [("text/plain", "HTTP/1.1 415"), ("application/json", "HTTP/1.1 413")] {
        for framing in ["Content-Length: 200000", "Transfer-Encoding: chunked"] {
            let mut stream = tokio::net::TcpStream::connect(crate::space::authority(&node.url)).await.expect("a connection");
            let head = format!("POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.expect("written");
            let chunked = framing.ends_with("chunked");
            for _ in 0..10 {
                let piece = "x".repeat(20_000);
                let piece = if chunked { format!("4e20\r\n{piece}\r\n") } else { piece };
                stream.write_all(piece.as_bytes()).await.expect("the node reads on");
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            if chunked {
                stream.write_all(b"0\r\n\r\n").await.expect("the node reads on");
            }
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("an answer and not a reset");
            assert!(answer.starts_with(status), "{kind}, {framing}: {answer}");
        }
    }
    space.clean().await;
}
