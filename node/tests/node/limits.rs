//! Limits: what a client may send, how long it may take, and how many there may be.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::proxy::{Mode, Proxy};
use crate::space::{DEADLINE, Space, authority, eventually, order, redis_url};

#[tokio::test]
async fn a_request_that_took_all_its_time_is_doubtful_once_it_was_handed_on() {
    let space = Space::new().await;
    let redis = Proxy::to(&authority(&redis_url()), Mode::Open).await;
    let node = space.node("n1").set("CATGA_REDIS_URL", format!("redis://{}", redis.address));
    let node = node.set("CATGA_REQUEST_TIMEOUT", "500ms").set("CATGA_REDIS_TIMEOUT", "8s").set("CATGA_PROBE_TIMEOUT", "8s");
    let node = node.set("CATGA_IDENTITY_LEASE", "30s").ready().await;
    redis.set(Mode::DropAnswers);
    let begun = Instant::now();
    let doubtful = node.post(&order("doubtful")).await;
    assert_eq!(doubtful.status(), StatusCode::GATEWAY_TIMEOUT, "the store has it");
    assert_eq!(node.get("/api/orders/doubtful").await.0, StatusCode::SERVICE_UNAVAILABLE, "a read wrote nothing");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}, and Redis may take 8 s", begun.elapsed());
    assert_eq!(node.metric("catga_orders_total{outcome=\"indeterminate\"}").await, 1);
    assert_eq!(space.query::<i64>(&["EXISTS", &space.key("idempotency:doubtful")]).await, 1);
    space.clean().await;
}

#[tokio::test]
async fn too_many_requests_at_once_are_refused_with_proof_and_health_is_not_among_them() {
    let space = Space::new().await;
    let redis = Proxy::to(&authority(&redis_url()), Mode::Open).await;
    let node = space.node("n1").set("CATGA_REDIS_URL", format!("redis://{}", redis.address));
    let node = node.set("CATGA_MAX_IN_FLIGHT", "4").set("CATGA_REDIS_TIMEOUT", "6s").set("CATGA_PROBE_TIMEOUT", "6s");
    let node = node.set("CATGA_IDENTITY_LEASE", "30s").ready().await;
    redis.set(Mode::DropRequests);
    let keys = async || space.query::<Vec<String>>(&["KEYS", &space.key("idempotency:*")]).await;
    let held: Vec<_> = (0..4)
        .map(|index| {
            let url = format!("{}/api/orders", node.url);
            let request = space.client.post(url).header("content-type", "application/json");
            tokio::spawn(request.body(order(&format!("held-{index}")).to_string()).send())
        })
        .collect();
    node.wait_gauge("catga_http_requests_in_flight", 4).await;
    let refused = node.post(&order("refused")).await;
    assert_eq!(
        (refused.status(), &refused.headers()["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().expect("a header"))
    );
    let problem: Value = refused.json().await.expect("JSON");
    assert_eq!((&problem["status"], &problem["orderId"]), (&503.into(), &"refused".into()));
    assert_eq!(node.get("/api/orders").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(node.get("/health/live").await.0, StatusCode::OK);
    assert!(node.metric("catga_http_requests_refused_total").await >= 2);
    assert_eq!(keys().await, Vec::<String>::new(), "nothing was written");
    for answer in held {
        let answer = answer.await.expect("no panic").expect("an answer");
        assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT, "what was handed on is doubtful");
    }
    space.clean().await;
}

#[tokio::test]
async fn orders_need_a_key_where_one_is_set_and_reads_never_do() {
    let space = Space::new().await;
    let file = std::env::temp_dir().join(format!("{}-key", space.name));
    std::fs::write(&file, "from-the-file\n").expect("written");
    let node = space.node("n1").set("CATGA_API_KEY", "old-secret,new-secret").set("CATGA_API_KEY_FILE", file.to_string_lossy());
    let node = node.ready().await;
    let post = async |name: &'static str, value: &'static str, body: String| {
        let request = space.client.post(format!("{}/api/orders", node.url)).header(name, value);
        request.header("content-type", "application/json").body(body).send().await.expect("an answer")
    };
    let wrong =
        [("x-api-key", "wrong"), ("authorization", "Bearer wrong"), ("authorization", "Basic new-secret"), ("x-other", "1")];
    for (name, value) in wrong {
        let refused = post(name, value, order("refused").to_string()).await;
        assert_eq!(
            (refused.status(), &refused.headers()["www-authenticate"]),
            (StatusCode::UNAUTHORIZED, &"Bearer realm=\"catga\"".parse().expect("a header"))
        );
        let problem = refused.text().await.expect("a body");
        assert!(problem.contains(r#""status":401"#) && !problem.contains("secret"), "{problem}");
    }
    // Whoever may not write learns nothing of what is wrong with the rest.
    let request = space.client.post(format!("{}/api/orders", node.url)).header("content-type", "text/plain");
    assert_eq!(request.body("x".repeat(20_000)).send().await.expect("an answer").status(), StatusCode::UNAUTHORIZED);
    assert_eq!(space.query::<i64>(&["EXISTS", &space.key("idempotency:refused")]).await, 0);
    let right = [("x-api-key", "old-secret"), ("authorization", "Bearer new-secret"), ("x-api-key", "from-the-file")];
    for (index, (name, value)) in right.into_iter().enumerate() {
        let id = format!("order-{index}");
        assert_eq!(post(name, value, order(&id).to_string()).await.status(), StatusCode::CREATED, "{value}");
        node.wait_applied(&id).await;
    }
    for path in ["/api/orders", "/health", "/metrics", "/openapi.json", "/swagger/"] {
        let response = space.client.get(format!("{}{path}", node.url)).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
    let told = node.lines().join("\n");
    assert!(!told.contains("secret") && !told.contains("from-the-file"), "{told}");
    std::fs::remove_file(&file).expect("removed");
    let missing = space.node("n2").set("CATGA_API_KEY_FILE", file.to_string_lossy()).end().await;
    let text = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(!missing.status.success() && text.contains("CATGA_API_KEY_FILE"), "{text}");
    space.clean().await;
}

#[tokio::test]
async fn the_body_limit_and_keep_alive_are_settings() {
    let space = Space::new().await;
    let node = space.node("n1").set("CATGA_BODY_LIMIT", "300").set("CATGA_KEEP_ALIVE", "false").ready().await;
    let fits = format!("{}{}", order("fits"), " ".repeat(200));
    let request = space.client.post(format!("{}/api/orders", node.url)).header("content-type", "application/json");
    let fits = request.body(fits).send().await.expect("an answer");
    assert_eq!((fits.status(), &fits.headers()["connection"]), (StatusCode::CREATED, &"close".parse().expect("a header")));
    let request = space.client.post(format!("{}/api/orders", node.url)).header("content-type", "application/json");
    let large = request.body(format!("{}{}", order("large"), " ".repeat(300))).send().await.expect("an answer");
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let problem = large.text().await.expect("a body");
    assert!(problem.contains("at most 300 bytes"), "{problem}");
    space.clean().await;
}

#[tokio::test]
async fn a_client_that_vanished_does_not_keep_its_place_on_the_feed() {
    let space = Space::new().await;
    let node = space.node("n1").set("CATGA_WRITE_TIMEOUT", "2s").ready().await;
    let socket = TcpSocket::new_v4().expect("a socket");
    // The smallest window that there is: a few events shut it, while the socket's buffer has room for minutes of comments.
    socket.set_recv_buffer_size(1).expect("set");
    let mut stream = socket.connect(authority(&node.url).parse().expect("an address")).await.expect("a connection");
    stream.write_all(b"GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("written");
    node.wait_metric("catga_feed_clients", 1).await;
    for index in 0..20 {
        node.place(&format!("order-{index}")).await;
    }
    node.wait_metric("catga_apply_total", 20).await;
    let begun = Instant::now();
    while node.metric("catga_feed_clients").await > 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is still there after {:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    node.wait_metric("catga_http_connections_timed_out_total", 1).await;
    space.clean().await;
}

/// Sends one request as text and reads all of the answer.
async fn exchange(address: &str, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    read.expect("the node lets go in time")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn beyond_the_connection_limit_there_is_health_and_503_and_nothing_is_written() {
    let space = Space::new().await;
    let node = space.node("n1").set("CATGA_MAX_CONNECTIONS", "4").set("CATGA_HEADER_TIMEOUT", "10s").ready().await;
    let address = authority(&node.url);
    let mut crowd = Vec::new();
    let post = {
        let body = order("crowded").to_string();
        format!(
            "POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    // The tests' own client keeps a connection, so fewer than four fill the places.
    let refused = eventually("the places are taken", async || {
        crowd.push(TcpStream::connect(&address).await.expect("a connection"));
        match exchange(&address, "GET /api/orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await {
            Ok(answer) if answer.starts_with("HTTP/1.1 503") => Ok(answer),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(refused.contains("retry-after: 1") && refused.contains("too many connections"), "{refused}");
    let answer = exchange(&address, &post).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("connection: close"), "{answer}");
    assert_eq!(space.query::<i64>(&["EXISTS", &space.key("idempotency:crowded")]).await, 0);
    for path in ["/health", "/health/live", "/metrics"] {
        let answer = exchange(&address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    drop(crowd);
    eventually("an order is taken again", async || {
        match exchange(&address, &post.replace("Host: x", "Host: x\r\nConnection: close")).await {
            Ok(answer) if answer.starts_with("HTTP/1.1 201") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    space.clean().await;
}
