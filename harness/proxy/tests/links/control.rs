//! The control interface, over HTTP.

use proxy::{LinkState, Rule, State};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::{LINK, Stage, soon};

struct Reply {
    status: u16,
    body: String,
}

impl Reply {
    fn read<T: DeserializeOwned>(&self) -> T {
        assert_eq!(self.status, 200, "{}", self.body);
        serde_json::from_str(&self.body).expect("the expected body")
    }
}

async fn ask(stage: &Stage, method: &str, path: &str, body: &str) -> Reply {
    let mut socket = TcpStream::connect(stage.proxy.control()).await.expect("control");
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    socket.write_all(format!("{head}{body}").as_bytes()).await.expect("sent");
    let mut answer = String::new();
    soon(socket.read_to_string(&mut answer)).await.expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).expect("a body");
    Reply { status, body }
}

#[tokio::test]
async fn rules_are_put_shown_and_taken_away() {
    let stage = Stage::new().await;
    let order = r#"{"rule":{"kind":"bandwidth","bytes_per_second":1000},"ttl_ms":60000}"#;
    let rule = Rule::Bandwidth { bytes_per_second: 1000 };
    let path = format!("/rules/{LINK}");

    let put: LinkState = ask(&stage, "PUT", &path, order).await.read();
    assert_eq!(put.rule.as_ref().map(|in_force| &in_force.rule), Some(&rule));
    let shown: State = ask(&stage, "GET", "/", "").await.read();
    let in_force = shown.listeners[0].rule.as_ref().expect("in force");
    assert!(in_force.rule == rule && in_force.expires_in_ms > 30_000, "{in_force:?}");
    assert_eq!(shown.listeners[0].name, LINK);

    let taken: LinkState = ask(&stage, "DELETE", &path, "").await.read();
    assert_eq!(taken.rule, None);
    ask(&stage, "PUT", &path, order).await.read::<LinkState>();
    let none: State = ask(&stage, "DELETE", "/rules", "").await.read();
    assert_eq!(none.listeners[0].rule, None);
}

#[tokio::test]
async fn what_is_refused_says_why() {
    let stage = Stage::new().await;
    let path = format!("/rules/{LINK}");
    for (method, path, body, status, said) in [
        ("PUT", "/rules/node/nobody", "{}", 404, "listeners are: node/service"),
        ("DELETE", "/rules/node/nobody", "", 404, "listeners are: node/service"),
        ("POST", "/", "", 404, "POST / is not served"),
        ("PUT", path.as_str(), "{}", 422, "missing field `rule`"),
        ("PUT", path.as_str(), r#"{"rule":{"kind":"half_close"},"ttl_ms":0}"#, 422, "ttl_ms is 0"),
        ("PUT", path.as_str(), r#"{"rule":{"kind":"halve"},"ttl_ms":1}"#, 422, "`half_close`"),
    ] {
        let reply = ask(&stage, method, path, body).await;
        assert!(reply.status == status && reply.body.contains(said), "{method} {path}: {} {}", reply.status, reply.body);
    }
    assert_eq!(stage.rule(), None);
}

#[tokio::test]
async fn probe_tells_a_proxy_from_nothing() {
    let stage = Stage::new().await;
    let within = std::time::Duration::from_secs(5);
    assert_eq!(proxy::control::probe(stage.proxy.control().port(), within).await, Ok(()));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = nobody.local_addr().expect("an address").port();
    drop(nobody);
    let error = proxy::control::probe(port, within).await.expect_err("nobody");
    assert!(error.contains(&format!("cannot ask port {port}")), "{error}");
}
