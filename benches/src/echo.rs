//! Echoes over TCP: what a link costs, without a service that costs more.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::percentile;

/// Sends back what comes, for ever.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(listen: &str) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("listening on {listen}"))?;
    loop {
        let (mut socket, _) = listener.accept().await?;
        tokio::spawn(async move {
            socket.set_nodelay(true)?;
            let mut buffer = vec![0; 64 << 10];
            loop {
                let count = socket.read(&mut buffer).await?;
                if count == 0 {
                    return Ok::<_, std::io::Error>(());
                }
                socket.write_all(&buffer[..count]).await?;
            }
        });
    }
}

/// Copies between each connection and one to `to`, as the runtime's own function does it, for ever.
///
/// # Errors
/// The address cannot be listened on.
pub async fn copy(listen: &str, to: &str) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("listening on {listen}"))?;
    loop {
        let (mut near, _) = listener.accept().await?;
        let to = to.to_owned();
        tokio::spawn(async move {
            let mut far = TcpStream::connect(to).await?;
            near.set_nodelay(true)?;
            far.set_nodelay(true)?;
            tokio::io::copy_bidirectional(&mut near, &mut far).await
        });
    }
}

/// Echoes of so many bytes, one at a time on each connection; rate and latency as JSON.
///
/// # Errors
/// A connection cannot be made, or breaks.
pub async fn measure(to: &str, connections: usize, seconds: f64, bytes: usize) -> anyhow::Result<String> {
    let mut clients = JoinSet::new();
    let begun = Instant::now();
    let until = begun + Duration::from_secs_f64(seconds);
    for _ in 0..connections {
        let mut socket = TcpStream::connect(to).await.with_context(|| format!("connecting to {to}"))?;
        socket.set_nodelay(true)?;
        clients.spawn(async move {
            let (sent, mut got, mut nanos) = (vec![7; bytes], vec![0; bytes], Vec::new());
            while Instant::now() < until {
                let sent_at = Instant::now();
                socket.write_all(&sent).await?;
                socket.read_exact(&mut got).await?;
                nanos.push(u32::try_from(sent_at.elapsed().as_nanos()).unwrap_or(u32::MAX));
            }
            Ok::<_, std::io::Error>(nanos)
        });
    }
    let mut nanos = Vec::new();
    while let Some(client) = clients.join_next().await {
        nanos.extend(client??);
    }
    let rate = nanos.len() as f64 / begun.elapsed().as_secs_f64();
    nanos.sort_unstable();
    let micros = |share| f64::from(percentile(&nanos, share)) / 1_000.0;
    let (p50, p99) = (micros(0.5), micros(0.99));
    Ok(format!("{{\"rate\":{rate:.0},\"latency_us_p50\":{p50:.1},\"latency_us_p99\":{p99:.1}}}"))
}
