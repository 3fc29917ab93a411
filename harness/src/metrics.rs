//! How a run goes, for Prometheus: `GET /metrics` at the address that was asked for, as long as the run lasts.

mod text;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use judge::plan::Plan;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::failure::{Exit, Failure};
use crate::recorder::Recorder;

/// A scraper that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// No request line that we answer is longer.
const HEAD_MAX: usize = 8 * 1024;

/// What is told, and where.
#[derive(Debug)]
pub struct Exporter<'a> {
    listener: TcpListener,
    plan: &'a Plan,
    recorder: Recorder,
}

impl<'a> Exporter<'a> {
    /// Takes the address; nothing is broken yet then, so that a wrong one does no harm.
    ///
    /// # Errors
    /// It is taken, or none of this machine.
    pub async fn bind(address: SocketAddr, plan: &'a Plan, recorder: Recorder) -> Result<Self, Failure> {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            let error = anyhow::anyhow!("cannot serve metrics on {address}: {error}; choose another port with --metrics");
            Failure { exit: Exit::Environment, error }
        })?;
        Ok(Self { listener, plan, recorder })
    }
}

/// Serves until it is dropped; for ever silent where nothing is to be served.
pub async fn serve(exporter: Option<Exporter<'_>>) -> Infallible {
    match exporter {
        Some(exporter) => exporter.serve().await,
        None => std::future::pending().await,
    }
}

impl Exporter<'_> {
    async fn serve(&self) -> Infallible {
        loop {
            match self.listener.accept().await {
                // One after the other: there is one scraper, and an answer takes a millisecond. One that goes away harms nobody.
                Ok((stream, _)) => drop(timeout(PATIENCE, self.answer(stream)).await),
                // Out of descriptors, for instance: not at once again.
                Err(_) => tokio::time::sleep(PATIENCE).await,
            }
        }
    }

    async fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            if head.len() > HEAD_MAX || stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let wanted = head.starts_with(b"GET /metrics ") || head.starts_with(b"GET /metrics?");
        let (status, body) = if wanted {
            ("200 OK", text::text(self.plan, &self.recorder.live().state()))
        } else {
            ("404 Not Found", "GET /metrics\n".to_owned())
        };
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    }
}

#[cfg(test)]
mod tests {
    use judge::history::{Header, Outcome};

    use super::*;

    fn recorder(folder: &std::path::Path) -> Recorder {
        let header: Header = serde_json::from_value(serde_json::json!({
            "format": 2, "harness": "t", "nonce": "n", "scenario": "s", "seed": 1, "started_at": "x", "nodes": [], "cluster": "c"
        }))
        .expect("a header");
        Recorder::create(folder, &header).expect("a recorder")
    }

    #[tokio::test]
    async fn a_scrape_tells_what_was_recorded() {
        let folder = tempfile::tempdir().expect("a folder");
        let recorder = recorder(folder.path());
        recorder.write(&crate::live::tests::invoke(1, 1_000));
        recorder.write(&crate::live::tests::complete(1, 2_500, Outcome::Ok));
        let plan = text::tests::plan();
        let exporter = Exporter::bind(([127, 0, 0, 1], 0).into(), &plan, recorder).await.expect("a free port");
        let url = format!("http://{}", exporter.listener.local_addr().expect("an address"));
        let client = crate::http::client(Duration::from_secs(5));
        let (metrics, other) = (format!("{url}/metrics"), format!("{url}/"));
        let asked = async {
            let body = crate::http::get(&client, &metrics).await.expect("an answer");
            (body, crate::http::get(&client, &other).await.expect("an answer").status)
        };
        let (body, missing) = tokio::select! {
            never = exporter.serve() => match never {},
            answers = asked => answers,
        };
        assert_eq!((body.status, missing), (200, 404));
        let text = String::from_utf8_lossy(&body.body).into_owned();
        let line = "harness_operations_total{node=\"cluster-node-1\",kind=\"place\",outcome=\"ok\"} 1\n";
        assert!(text.contains(line), "{text}");
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_told() {
        let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let folder = tempfile::tempdir().expect("a folder");
        let plan = text::tests::plan();
        let address = taken.local_addr().expect("an address");
        let failure = Exporter::bind(address, &plan, recorder(folder.path())).await.expect_err("it is taken");
        assert!(failure.error.to_string().contains("--metrics"), "{}", failure.error);
    }
}
