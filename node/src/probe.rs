//! `node probe`: one GET by hand, so that an image without a shell or curl has a healthcheck.

use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::settings::duration;

/// Most bytes of an answer that are read.
const ANSWER: u64 = 64 * 1024;

#[derive(Debug, Clone, Args)]
pub struct ProbeArgs {
    /// What to GET
    #[arg(long, default_value = "http://127.0.0.1:8080/health/ready", value_name = "URL")]
    pub url: String,
    /// How long the answer may take
    #[arg(long, default_value = "2s", value_parser = duration, value_name = "TIME")]
    pub timeout: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("url {0:?} is not of the form http://HOST[:PORT][/PATH]")]
    Url(String),
    #[error("{url} gave no answer in {limit:?}")]
    Slow { url: String, limit: Duration },
    #[error("{url}: {source}")]
    Io { url: String, source: std::io::Error },
    #[error("{url} answered {answer:?}, which is no HTTP")]
    NotHttp { url: String, answer: String },
    #[error("{url} answered {status}: {body}")]
    Unhealthy { url: String, status: u16, body: String },
}

/// Asks once; the body of a 2xx answer.
pub async fn probe(args: &ProbeArgs) -> Result<String, ProbeError> {
    let url = args.url.as_str();
    let rest = url.strip_prefix("http://").ok_or_else(|| ProbeError::Url(url.to_owned()))?;
    let (authority, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let answer = match timeout(args.timeout, get(&address, authority, path)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(source)) => return Err(ProbeError::Io { url: url.to_owned(), source }),
        Err(_) => return Err(ProbeError::Slow { url: url.to_owned(), limit: args.timeout }),
    };
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|line| line.get(..3)?.parse::<u16>().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
    match status {
        Some(200..=299) => Ok(body),
        Some(status) => Err(ProbeError::Unhealthy { url: url.to_owned(), status, body }),
        None => Err(ProbeError::NotHttp { url: url.to_owned(), answer: answer.chars().take(80).collect() }),
    }
}

async fn get(address: &str, host: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAccept: application/json\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
