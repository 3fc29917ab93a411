//! The HTTP clients: one request on the wire, to the address that was named.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use harness::http::{self, HttpError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A server that answers each connection's first request with these bytes and closes; counts connections.
async fn server(answer: &'static [u8]) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let count = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let mut head = [0; 1_024];
            // Whoever asks has been read or has gone away; either way the answer is all there is.
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(answer).await;
        }
    });
    (url, count)
}

#[tokio::test]
async fn a_request_whose_connection_breaks_is_sent_once() {
    let (url, count) = server(b"").await;
    let client = http::client(Duration::from_secs(2));
    let error = http::get(&client, &url).await.expect_err("no answer came");
    assert!(matches!(error, HttpError::Broken { .. }), "{error}");
    let error = http::send(client.post(&url).body("{}"), &url).await.expect_err("no answer came");
    assert!(matches!(error, HttpError::Broken { .. }), "{error}");
    assert_eq!(count.load(Ordering::SeqCst), 2, "two requests, two connections");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (url, count) = server(b"HTTP/1.1 307 Go\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    let reply = http::get(&http::client(Duration::from_secs(2)), &url).await.expect("an answer");
    assert_eq!((reply.status, count.load(Ordering::SeqCst)), (307, 1));
}

#[tokio::test]
async fn an_answer_cut_short_is_broken_and_not_shorter() {
    let (url, _) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    let error = http::get(&http::client(Duration::from_secs(2)), &url).await.expect_err("half an answer");
    assert!(matches!(error, HttpError::Broken { .. }), "{error}");
}

#[tokio::test]
async fn no_answer_in_time_and_no_connection_are_told_apart() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let client = http::client(Duration::from_millis(200));
    let url = format!("http://{}/", silent.local_addr().expect("an address"));
    let error = http::get(&client, &url).await.expect_err("nobody answers");
    assert!(matches!(error, HttpError::Timeout { .. }), "{error}");
    let error = http::get(&client, "http://127.0.0.1:1/").await.expect_err("nobody listens");
    assert!(matches!(error, HttpError::Connect { .. }), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}
