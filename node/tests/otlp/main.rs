//! Spans as a collector gets them. The collector is a few lines of HTTP and protobuf of its own, so that what is checked
//! is what is on the wire.

mod collector;

use std::process::Stdio;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use collector::{Collector, Span};

const DEADLINE: Duration = Duration::from_secs(20);
const CLIENT_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT_SPAN: &str = "00f067aa0ba902b7";

/// A node with its services in memory, as a process; killed when dropped.
struct Node {
    child: Child,
    url: String,
    client: Client,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

async fn node(collector: &str) -> Node {
    let mut command = Command::new(env!("CARGO_BIN_EXE_node"));
    command.arg("--embedded").env_clear().env("CATGA_LISTEN", "127.0.0.1:0").env("CATGA_NODE_ID", "n1");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector).env("OTEL_BSP_SCHEDULE_DELAY", "100");
    command.env("OTEL_EXPORTER_OTLP_TIMEOUT", "500");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("the node starts");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    let serving = async {
        loop {
            let line = lines.next_line().await.expect("stdout is read").expect("the node says where it serves");
            let event: serde_json::Value = serde_json::from_str(&line).expect("a JSON line");
            if event["message"] == "serving" {
                return event["address"].as_str().expect("an address").to_owned();
            }
        }
    };
    let address = tokio::time::timeout(DEADLINE, serving).await.expect("the node serves in time");
    let client = Client::builder().no_proxy().timeout(DEADLINE).build().expect("a client");
    let node = Node { child, url: format!("http://{address}"), client, lines };
    let begun = Instant::now();
    loop {
        let health = node.client.get(format!("{}/health", node.url)).send().await.expect("the node answers");
        let body = health.text().await.expect("a body");
        if body.contains(r#""status":"up""#) {
            return node;
        }
        assert!(begun.elapsed() < DEADLINE, "the node is not up: {body}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Node {
    async fn place(&self, id: &str, traceparent: Option<&str>) {
        let body = format!(r#"{{"orderId":"{id}","customerId":"c","amount":1}}"#);
        let mut request = self.client.post(format!("{}/api/orders", self.url)).header("content-type", "application/json");
        if let Some(traceparent) = traceparent {
            request = request.header("traceparent", traceparent);
        }
        let response = request.body(body).send().await.expect("the node answers");
        assert_eq!(response.status(), StatusCode::CREATED);
    }
}

fn of<'a>(spans: &'a [Span], order: &str, name: &str) -> Option<&'a Span> {
    spans.iter().find(|span| span.name == name && span.attributes.get("orderId").is_some_and(|id| id == order))
}

#[tokio::test]
async fn an_order_is_accepted_published_and_applied_in_one_trace() {
    let collector = Collector::start().await;
    let node = node(&collector.url).await;
    node.place("of-a-client", Some(&format!("00-{CLIENT_TRACE}-{CLIENT_SPAN}-01"))).await;
    node.place("of-nobody", None).await;
    let spans = collector
        .wait(DEADLINE, |spans| {
            let all = |order| ["accept", "publish", "apply"].iter().all(|name| of(spans, order, name).is_some());
            all("of-a-client") && all("of-nobody")
        })
        .await;
    for (order, trace, parent) in [("of-a-client", Some(CLIENT_TRACE), Some(CLIENT_SPAN)), ("of-nobody", None, None)] {
        let [accept, publish, apply] = ["accept", "publish", "apply"].map(|name| of(&spans, order, name).expect("found"));
        assert_eq!(accept.parent.as_deref(), parent, "{accept:?}");
        assert!(trace.is_none_or(|trace| accept.trace == trace), "{accept:?}");
        assert_eq!((publish.parent.as_ref(), &publish.trace), (Some(&accept.id), &accept.trace), "{publish:?}");
        assert_eq!((apply.parent.as_ref(), &apply.trace), (Some(&publish.id), &accept.trace), "{apply:?}");
        for span in [accept, publish, apply] {
            assert_eq!(span.attributes.get("node").map(String::as_str), Some("n1"), "{span:?}");
            assert!(span.attributes.get("messageId").is_some_and(|id| *id == apply.attributes["messageId"]), "{span:?}");
            assert_eq!(span.service, "catga-node");
            assert!(span.start > 0 && span.start <= span.end, "{span:?}");
        }
    }
    let (one, other) = (of(&spans, "of-a-client", "apply"), of(&spans, "of-nobody", "apply"));
    assert_ne!(one.map(|span| &span.trace), other.map(|span| &span.trace));
}

#[tokio::test]
async fn a_collector_that_is_away_or_never_answers_holds_up_no_order_and_no_exit() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let urls = [&silent, &closed].map(|listener| format!("http://{}", listener.local_addr().expect("an address")));
    drop(closed);
    for url in urls {
        let mut node = node(&url).await;
        // More than the exporter's queue holds.
        for number in 0..1500 {
            node.place(&format!("order-{number}"), None).await;
        }
        let told = async {
            let mut told = 0;
            let id = node.child.id().expect("the node runs").to_string();
            let mut stopped = false;
            while let Some(line) = node.lines.next_line().await.expect("stdout is read") {
                told += u32::from(line.contains("spans cannot be exported"));
                if told > 0 && !stopped {
                    stopped = true;
                    let status = std::process::Command::new("kill").args(["-TERM", &id]).status();
                    assert!(status.expect("kill runs").success());
                }
            }
            told
        };
        let told = tokio::time::timeout(DEADLINE, told).await.expect("it tells of it, and ends, in time");
        assert_eq!(told, 1, "once");
        let status = tokio::time::timeout(DEADLINE, node.child.wait()).await.expect("it ends").expect("a status");
        assert!(status.success(), "{status}");
    }
}
