//! A server that answers every order at once, but for one stall: what comes during it is answered when it is over.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Whoever is loaded by our engine has to call itself a node first.
const HEALTH: &str = r#"{"status":"up","node":"a","version":"1","checks":{"nats":"up","redis":"up"}}"#;

/// Times count from the first order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stall {
    pub(crate) after: Duration,
    pub(crate) length: Duration,
}

impl Stall {
    /// What is left of the stall at `since`.
    fn left(self, since: Duration) -> Duration {
        if since < self.after { Duration::ZERO } else { (self.after + self.length).saturating_sub(since) }
    }
}

/// Serves until it is killed.
pub(crate) async fn serve(listen: &str, stall: Stall) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let began = Arc::new(OnceLock::new());
    loop {
        let (connection, _) = listener.accept().await?;
        let began = Arc::clone(&began);
        tokio::spawn(async move {
            // A client that leaves in the middle is no trouble of ours.
            let _ = answer(connection, stall, &began).await;
        });
    }
}

async fn answer(connection: TcpStream, stall: Stall, began: &OnceLock<Instant>) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut connection = BufReader::new(connection);
    let mut line = String::new();
    loop {
        let mut length = 0;
        let mut is_order = false;
        loop {
            line.clear();
            if connection.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            is_order |= line.starts_with("POST ");
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body).await?;
        let (status, text) = if is_order {
            let left = stall.left(began.get_or_init(Instant::now).elapsed());
            if !left.is_zero() {
                tokio::time::sleep(left).await;
            }
            ("201 Created", reply(&body))
        } else {
            ("200 OK", HEALTH.to_owned())
        };
        let length = text.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
        connection.write_all(format!("{head}{text}").as_bytes()).await?;
    }
}

/// An order's answer as a node gives it, so that whoever reads it finds it whole.
fn reply(body: &[u8]) -> String {
    let asked = String::from_utf8_lossy(body);
    let order = asked.trim_end().trim_end_matches('}');
    format!(r#"{order},"messageId":"m","acceptedBy":"a","acceptedAt":"2026-01-01T00:00:00.000000Z"}}"#)
}
