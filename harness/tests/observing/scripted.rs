//! A node that says what a test tells it to say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::stage::NONCE;

/// What the node does, changed by tests as they go.
#[derive(Clone, Default)]
pub(crate) struct Script {
    /// Events of the feed; the position of each is its place, from 1.
    pub(crate) events: Vec<String>,
    /// Feeds opened before this changed are closed.
    pub(crate) cuts: u64,
    /// A feed that is cut ends with an `end` of this data.
    pub(crate) end: Option<String>,
    /// Feeds say nothing, not even comments.
    pub(crate) silent: bool,
    /// Everything is refused with 503.
    pub(crate) refusing: bool,
    /// Status and body by path with query; what is missing is a 404.
    pub(crate) answers: HashMap<String, (u16, String)>,
    /// The `Last-Event-ID` of each feed that was opened.
    pub(crate) resumed_from: Vec<Option<u64>>,
    /// Requests by path with query.
    pub(crate) asked: HashMap<String, u64>,
    /// The first so many requests to each path are answered with 503.
    pub(crate) hiccups: u64,
}

#[derive(Clone)]
pub(crate) struct ScriptedNode {
    pub(crate) url: String,
    script: Arc<Mutex<Script>>,
    changed: watch::Sender<u64>,
}

impl ScriptedNode {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let node = Self { url, script: Arc::default(), changed: watch::Sender::new(0) };
        let serving = node.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let node = serving.clone();
                // A client that goes away in the middle is no failure of the node.
                tokio::spawn(async move {
                    let _ = node.serve(stream).await;
                });
            }
        });
        node
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_modify(|version| *version += 1);
    }

    pub(crate) fn script(&self) -> Script {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Applies order `number` of the run with this nonce.
    pub(crate) fn apply(&self, nonce: &str, number: u64) {
        self.change(|script| {
            script.events.push(format!(
                r#"{{"orderId":"{nonce}-{number}","messageId":"m-{number}","sequence":{number},"acceptedAt":"2026-01-01T00:00:00Z","appliedAt":"2026-01-01T00:00:01Z"}}"#
            ));
        });
    }

    pub(crate) fn answer(&self, path: &str, status: u16, body: impl Into<String>) {
        self.change(|script| {
            script.answers.insert(path.to_owned(), (status, body.into()));
        });
    }

    pub(crate) fn say_health(&self, status: u16, health: &str, nats: &str, redis: &str) {
        let body = format!(r#"{{"status":"{health}","node":"n1","version":"1","checks":{{"nats":"{nats}","redis":"{redis}"}}}}"#);
        self.answer("/health", status, body);
    }

    async fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let head = read_head(&mut stream).await?;
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let script = self.script();
        let mut asked = 0;
        self.change(|script| {
            let count = script.asked.entry(path.clone()).or_default();
            *count += 1;
            asked = *count;
        });
        if script.refusing || asked <= script.hiccups {
            return answer(&mut stream, 503, "{}").await;
        }
        if path == "/api/events" {
            let from = head.lines().find_map(|line| line.to_lowercase().strip_prefix("last-event-id:")?.trim().parse().ok());
            self.change(|script| script.resumed_from.push(from));
            return self.feed(stream, from).await;
        }
        match script.answers.get(&path) {
            Some((status, body)) => answer(&mut stream, *status, body).await,
            None => answer(&mut stream, 404, "{}").await,
        }
    }

    async fn feed(&self, mut stream: TcpStream, from: Option<u64>) -> std::io::Result<()> {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await?;
        let opened = self.script();
        let mut sent = from.map_or(opened.events.len(), |from| usize::try_from(from).expect("a position"));
        let mut changed = self.changed.subscribe();
        loop {
            let script = self.script();
            if script.cuts != opened.cuts {
                return match script.end {
                    Some(end) => stream.write_all(format!("event: end\nid: 1\ndata: {end}\n\n").as_bytes()).await,
                    None => Ok(()),
                };
            }
            if !script.silent {
                for event in &script.events[sent..] {
                    sent += 1;
                    let event = format!("id: {sent}\nevent: order\ndata: {event}\n\n");
                    stream.write_all(event.as_bytes()).await?;
                }
            }
            if tokio::time::timeout(Duration::from_millis(500), changed.changed()).await.is_err() && !script.silent {
                stream.write_all(b": here\n\n").await?;
            }
        }
    }
}

async fn read_head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

async fn answer(stream: &mut TcpStream, status: u16, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).await
}

/// The id of order `number` of the run.
pub(crate) fn id(number: u64) -> String {
    format!("{NONCE}-{number}")
}
