//! Dependencies under weather: slow, gone, restarted, refusing, forgetful, or set up otherwise. `docs/weather.md` has a row
//! for each of these tests.

mod address;
mod consumer;
mod nats_away;
mod redis_away;
mod redis_forgets;
mod redis_refuses;
mod service;
mod stream;
mod table;

use std::time::{Duration, Instant};

use reqwest::StatusCode;

use crate::proxy::{Mode, Proxy};
use crate::space::{Node, Space, authority, eventually, nats_url, order, redis_url};

/// The time in which health has to tell of a cut and of its end.
const HONEST: Duration = Duration::from_secs(2);

/// What a node says while a dependency is away, once and not with every attempt.
const REDIS_DOWN: [&str; 2] = ["redis is down", "redis does not answer; trying on"];
const NATS_DOWN: [&str; 2] = ["nats is down", "nats does not answer; trying on"];

fn told(node: &Node, messages: [&str; 2]) -> usize {
    messages.iter().map(|message| node.told(message)).sum()
}

/// Waits until the log tells of so many outages of a dependency, each once, and of the end of each. The first time that it
/// is up ends no outage.
async fn outages(node: &Node, name: &str, count: usize) {
    let (down, up) = if name == "redis" { (REDIS_DOWN, "redis is up") } else { (NATS_DOWN, "nats is up") };
    eventually(&format!("{count} outages of {name} are told of"), async || match (told(node, down), node.told(up)) {
        told if told == (count, count + 1) => Ok(()),
        told => Err(format!("{told:?}")),
    })
    .await;
}

/// Waits until the node has tried so often to reach a dependency that it would have filled its log by now; returns the
/// pauses between its attempts, in milliseconds.
async fn attempts(node: &Node, message: &str, least: usize) -> Vec<u64> {
    eventually(&format!("{least} lines {message:?}"), async || {
        let lines = node.lines();
        let lines = lines.iter().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let pauses: Vec<u64> =
            lines.filter(|line| line["message"] == message).filter_map(|line| line["pause_ms"].as_u64()).collect();
        if pauses.len() >= least { Ok(pauses) } else { Err(format!("{pauses:?}")) }
    })
    .await
}

/// Each pause is drawn from the upper half of a step, which doubles from `first` up to `cap`.
fn assert_backed_off(pauses: &[u64], first: u64, cap: u64) {
    let mut step = first;
    for pause in pauses {
        assert!((step / 2..=step).contains(pause), "{pause} ms is not in the upper half of {step} ms: {pauses:?}");
        step = (2 * step).min(cap);
    }
    assert_eq!(step, cap, "there were too few attempts to reach the cap: {pauses:?}");
}

async fn wait_check(node: &Node, name: &str, wanted: &str) {
    let begun = Instant::now();
    eventually(&format!("{name} is {wanted}"), async || match node.get("/health").await.1 {
        body if body["checks"][name] == wanted => Ok(()),
        body => Err(body.to_string()),
    })
    .await;
    assert!(begun.elapsed() < HONEST, "{name} {wanted} after {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_silent_redis_is_told_of_in_time_and_refuses_orders_with_proof() {
    let space = Space::new().await;
    let redis = Proxy::to(&authority(&redis_url()), Mode::Open).await;
    let node = space.node("n1").set("CATGA_REDIS_URL", format!("redis://{}", redis.address)).ready().await;
    redis.set(Mode::DropAnswers);
    let in_flight = node.post(&order("in-flight")).await;
    assert_eq!(in_flight.status(), StatusCode::GATEWAY_TIMEOUT, "it may have been written");
    assert_eq!(space.query::<i64>(&["EXISTS", &space.key("idempotency:in-flight")]).await, 1, "and it was");
    redis.set(Mode::Open);
    node.wait_status("up").await;
    assert_eq!(node.post(&order("in-flight")).await.status(), StatusCode::OK, "a retry finds it");
    node.wait_applied("in-flight").await;

    redis.set(Mode::BlackHole);
    wait_check(&node, "redis", "down").await;
    let refused = node.post(&order("refused")).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(node.get("/api/orders/in-flight").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(node.get("/health/ready").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(node.get("/health/live").await.0, StatusCode::OK);
    assert_eq!(space.query::<i64>(&["EXISTS", &space.key("idempotency:refused")]).await, 0);
    redis.set(Mode::Open);
    wait_check(&node, "redis", "up").await;
    node.place("refused").await;
    node.wait_applied("refused").await;
    outages(&node, "redis", 2).await;
    space.clean().await;
}

#[tokio::test]
async fn a_silent_nats_is_told_of_in_time_and_propagation_waits() {
    let space = Space::new().await;
    let nats = Proxy::to(&authority(&nats_url()), Mode::Open).await;
    let node = space.node("n1").set("CATGA_NATS_URL", format!("nats://{}", nats.address)).ready().await;
    nats.set(Mode::BlackHole);
    wait_check(&node, "nats", "down").await;
    assert_eq!(node.get("/health/ready").await.0, StatusCode::OK, "degraded is ready");
    node.place("waiting").await;
    assert_eq!(space.pending().await.len(), 1);
    nats.set(Mode::Open);
    wait_check(&node, "nats", "up").await;
    node.wait_applied("waiting").await;
    outages(&node, "nats", 1).await;
    space.clean().await;
}

#[tokio::test]
async fn a_node_may_start_before_its_dependencies() {
    let space = Space::new().await;
    let redis = Proxy::to(&authority(&redis_url()), Mode::Refuse).await;
    let nats = Proxy::to(&authority(&nats_url()), Mode::Refuse).await;
    let node = space.node("n1").set("CATGA_REDIS_URL", format!("redis://{}", redis.address));
    let node = node.set("CATGA_NATS_URL", format!("nats://{}", nats.address)).start().await;
    assert_eq!(node.get("/health/live").await.0, StatusCode::OK);
    let (status, body) = node.get("/health").await;
    assert_eq!(
        (status, &body["checks"]["redis"], &body["checks"]["nats"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"down".into(), &"down".into())
    );
    assert_eq!(node.post(&order("early")).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    redis.set(Mode::Open);
    node.wait_status("degraded").await;
    node.place("early").await;
    nats.set(Mode::Open);
    node.wait_status("up").await;
    node.wait_applied("early").await;
    space.clean().await;
}

#[tokio::test]
async fn slow_and_broken_clients_are_let_go() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let space = Space::new().await;
    let node = space
        .node("n1")
        .set("CATGA_HEADER_TIMEOUT", "300ms")
        .set("CATGA_BODY_TIMEOUT", "300ms")
        .set("CATGA_MAX_CONNECTIONS", "8");
    let node = node.ready().await;
    let address = authority(&node.url);
    let answer = async |request: &'static [u8]| {
        let mut stream = tokio::net::TcpStream::connect(&address).await.expect("a connection");
        stream.write_all(request).await.expect("written");
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        read.expect("the node lets go in time").expect("read");
        String::from_utf8_lossy(&answer).into_owned()
    };
    assert!(answer(b"GET /health HTT").await.starts_with("HTTP/1.1 408") || answer(b"GET /health HTT").await.is_empty());
    assert!(answer(b"\x00\xff\x00\xff\r\n\r\n").await.starts_with("HTTP/1.1 400"));
    let slow = b"POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{";
    assert!(answer(slow).await.starts_with("HTTP/1.1 408"));
    let chunked =
        b"POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    assert!(answer(chunked).await.starts_with("HTTP/1.1 400"));
    let announced = b"POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 999999\r\n\r\n";
    assert!(answer(announced).await.starts_with("HTTP/1.1 413"));
    let mut crowd = Vec::new();
    for _ in 0..20 {
        crowd.push(tokio::net::TcpStream::connect(&address).await.expect("a connection"));
    }
    assert_eq!(node.get("/health").await.0, StatusCode::OK, "health has a place beyond the limit");
    eventually("an order is taken again", async || match node.post(&order("after")).await.status() {
        StatusCode::CREATED => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
    space.clean().await;
}
