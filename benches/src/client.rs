//! The least of an HTTP/1.1 client that a measurement needs.

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Largest answer that is understood, in bytes.
const ANSWER: usize = 16 * 1024;

/// A kept connection, with one request at a time.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, request: Vec::with_capacity(512), answer: vec![0; ANSWER] })
    }

    /// Sends a JSON body and returns the status of the answer, when all of it has come.
    pub async fn post(&mut self, path: &str, body: &str) -> anyhow::Result<u16> {
        use std::io::Write as _;
        self.request.clear();
        let length = body.len();
        write!(
            self.request,
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        self.stream.write_all(&self.request).await?;
        let mut filled = 0;
        loop {
            match self.stream.read(&mut self.answer[filled..]).await? {
                0 => bail!("the connection ended before its answer, or the answer is too long"),
                count => filled += count,
            }
            if let Some(status) = whole(&self.answer[..filled])? {
                return Ok(status);
            }
        }
    }

    /// Sends a GET and leaves the answer to be read as it comes.
    pub async fn follow(mut self, path: &str) -> anyhow::Result<TcpStream> {
        self.stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await?;
        Ok(self.stream)
    }
}

/// The status of an answer with a content length, once it is whole.
fn whole(answer: &[u8]) -> anyhow::Result<Option<u16>> {
    let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&answer[..head])?;
    let status = text.get(9..12).context("no status")?.parse()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then_some(value.trim())
    });
    let length: usize = length.context("an answer without a content length")?.parse()?;
    Ok((answer.len() >= head + 4 + length).then_some(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_when_all_of_it_is_there() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}";
        for end in 0..answer.len() {
            assert_eq!(whole(&answer[..end]).ok().flatten(), None, "{end} bytes");
        }
        assert_eq!(whole(answer).ok().flatten(), Some(201));
        assert!(whole(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
