//! A probe through a link: a connection of our own to a listener of the proxy, over which the service itself has to send
//! back what we sent.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use judge::plan::Link;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// Longer than any line of either protocol that comes before the echo.
const LINE: u64 = 64 << 10;

/// What a probe met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// Everything came back, as it was sent.
    Answered { quickest: Duration, slowest: Duration },
    /// The connection stayed open, and what was due did not come for so long.
    Silent(Duration),
    /// The connection was ended so long after it was made.
    Ended(Duration),
}

/// In words, for the history.
impl std::fmt::Display for Met {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Answered { quickest, slowest } if quickest == slowest => write!(out, "the probe's echo took {quickest:.1?}"),
            Self::Answered { quickest, slowest } => write!(out, "the probe's echoes took {quickest:.1?} to {slowest:.1?}"),
            Self::Silent(waited) => write!(out, "the probe's connection was silent for {waited:.1?}"),
            Self::Ended(after) => write!(out, "the probe's connection was ended after {after:.1?}"),
        }
    }
}

/// What is sent through a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    pub bytes: usize,
    /// So many times, one after the other on one connection.
    pub times: u32,
    /// Then the connection is kept open to see whether somebody ends it.
    pub stays: bool,
    /// For all of it.
    pub patience: Duration,
}

/// Sends to the service behind `address`, and reads each time back what was sent.
///
/// # Errors
/// No connection came about, or what came back was something else.
pub async fn echo(address: &str, link: Link, probe: Probe) -> Result<Met, String> {
    let Probe { bytes, times, stays, patience } = probe;
    let began = Instant::now();
    let deadline = began + patience;
    let wrong = |what: &str, error: io::Error| format!("a probe of {} at {address}: {what}: {error}", link.word());
    let connected = timeout_at(deadline, TcpStream::connect(address)).await;
    let socket = match connected {
        Ok(connected) => connected.map_err(|error| wrong("connecting", error))?,
        Err(_) => return Err(wrong("connecting", io::ErrorKind::TimedOut.into())),
    };
    socket.set_nodelay(true).map_err(|error| wrong("connecting", error))?;
    let mut talk = Talk { socket: BufStream::new(socket), link, inbox: inbox() };
    let opened = Instant::now();
    match timeout_at(deadline, talk.echoes(bytes, times)).await {
        Ok(Ok((quickest, slowest))) => {
            let ended = stays && timeout_at(deadline, talk.end()).await.is_ok();
            Ok(if ended { Met::Ended(opened.elapsed()) } else { Met::Answered { quickest, slowest } })
        }
        Ok(Err(error)) if is_end(&error) => Ok(Met::Ended(opened.elapsed())),
        Ok(Err(error)) => Err(wrong("reading", error)),
        Err(_) => Ok(Met::Silent(opened.elapsed())),
    }
}

fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// A subject that only this probe listens to.
fn inbox() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("_INBOX.catga-harness.{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

struct Talk {
    socket: BufStream<TcpStream>,
    link: Link,
    inbox: String,
}

impl Talk {
    async fn echoes(&mut self, bytes: usize, times: u32) -> io::Result<(Duration, Duration)> {
        self.greet().await?;
        let (mut quickest, mut slowest) = (Duration::MAX, Duration::ZERO);
        for turn in 0..times.max(1) {
            // Told apart, so that an echo of the turn before would not do.
            let filling = b'a' + u8::try_from(turn % 26).unwrap_or_default();
            let payload = vec![filling; bytes];
            let began = Instant::now();
            self.send(&payload).await?;
            self.receive(&payload).await?;
            quickest = quickest.min(began.elapsed());
            slowest = slowest.max(began.elapsed());
        }
        Ok((quickest, slowest))
    }

    /// Waits until the other side ends the connection, whatever it says before.
    async fn end(&mut self) {
        let mut chunk = [0; 1024];
        while let Ok(1..) = self.socket.read(&mut chunk).await {}
    }

    async fn greet(&mut self) -> io::Result<()> {
        if self.link == Link::Redis {
            return Ok(());
        }
        self.line_with("INFO ").await?;
        let hello = "CONNECT {\"verbose\":false,\"pedantic\":false,\"name\":\"catga-harness-probe\"}\r\n";
        self.socket.write_all(format!("{hello}SUB {} 1\r\n", self.inbox).as_bytes()).await
    }

    async fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        let length = payload.len();
        let head = match self.link {
            Link::Redis => format!("*2\r\n$4\r\nECHO\r\n${length}\r\n"),
            Link::Nats => format!("PUB {} {length}\r\n", self.inbox),
        };
        self.socket.write_all(head.as_bytes()).await?;
        self.socket.write_all(payload).await?;
        self.socket.write_all(b"\r\n").await?;
        self.socket.flush().await
    }

    async fn receive(&mut self, payload: &[u8]) -> io::Result<()> {
        match self.link {
            Link::Redis => self.line_with("$").await?,
            Link::Nats => self.line_with("MSG ").await?,
        }
        let mut got = vec![0; payload.len() + 2];
        self.socket.read_exact(&mut got).await?;
        if got.strip_suffix(b"\r\n") == Some(payload) { Ok(()) } else { Err(io::Error::other("not what was sent came back")) }
    }

    /// Reads lines up to one that begins as it should; NATS may ask for a sign of life in between.
    async fn line_with(&mut self, beginning: &str) -> io::Result<()> {
        loop {
            let line = next_line(&mut self.socket).await?;
            match line.as_str() {
                line if line.starts_with(beginning) => return Ok(()),
                "PING" => {
                    self.socket.write_all(b"PONG\r\n").await?;
                    self.socket.flush().await?;
                }
                line => return Err(io::Error::other(format!("{line:?} came instead of {beginning:?}"))),
            }
        }
    }
}

async fn next_line(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<String> {
    let mut line = String::new();
    from.take(LINE).read_line(&mut line).await?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A service that reads up to `expects` and then says `says`, again and again.
    async fn service(hello: &'static [u8], expects: &'static str, says: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.expect("called");
            socket.write_all(hello).await.expect("sent");
            let mut all = String::new();
            let mut chunk = [0; 1024];
            while let Ok(count @ 1..) = socket.read(&mut chunk).await {
                all.push_str(&String::from_utf8_lossy(&chunk[..count]));
                if all.ends_with(expects) {
                    socket.write_all(says).await.expect("sent");
                }
            }
        });
        address
    }

    const PROBE: Probe = Probe { bytes: 3, times: 1, stays: false, patience: Duration::from_secs(10) };
    const HASTY: Probe = Probe { patience: Duration::from_millis(80), ..PROBE };

    #[tokio::test]
    async fn what_comes_back_as_it_was_sent_is_an_answer() {
        let redis = service(b"", "\r\naaa\r\n", b"$3\r\naaa\r\n").await;
        assert!(matches!(echo(&redis, Link::Redis, PROBE).await, Ok(Met::Answered { .. })));
        let nats = service(b"INFO {}\r\n", "\r\naaa\r\n", b"PING\r\nMSG x 1 3\r\naaa\r\n").await;
        assert!(matches!(echo(&nats, Link::Nats, PROBE).await, Ok(Met::Answered { .. })));
    }

    #[tokio::test]
    async fn anything_else_is_none() {
        let other = service(b"", "\r\naaa\r\n", b"$3\r\nbbb\r\n").await;
        assert!(echo(&other, Link::Redis, PROBE).await.expect_err("wrong").contains("not what was sent"));
        let refusing = service(b"-ERR no\r\n", "never", b"").await;
        assert!(echo(&refusing, Link::Nats, PROBE).await.expect_err("refused").contains("\"-ERR no\" came"));
    }

    #[tokio::test]
    async fn silence_and_an_end_are_told_apart() {
        let silent = service(b"", "never", b"").await;
        assert!(matches!(echo(&silent, Link::Redis, HASTY).await, Ok(Met::Silent(_))));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let ending = listener.local_addr().expect("an address").to_string();
        tokio::spawn(async move { listener.accept().await.map(drop) });
        assert!(matches!(echo(&ending, Link::Nats, PROBE).await, Ok(Met::Ended(_))));
        let staying = service(b"", "\r\naaa\r\n", b"$3\r\naaa\r\n").await;
        let stays = Probe { stays: true, ..HASTY };
        assert!(matches!(echo(&staying, Link::Redis, stays).await, Ok(Met::Answered { .. })));
    }
}
