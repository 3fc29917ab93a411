//! A loop of orders, closed unless it is paced: each connection sends its next order when the answer to the one before is there.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::client::Connection;
use crate::percentile;

/// What to send.
#[derive(Debug)]
pub struct Orders {
    pub address: String,
    pub connections: usize,
    pub seconds: f64,
    /// Orders a second over all connections; 0 is as many as there is an answer to.
    pub rate: f64,
    /// One order again and again, instead of new ones.
    pub hot: bool,
    /// Begins every order id.
    pub prefix: String,
}

#[derive(Debug, Default)]
struct Counts {
    new: u64,
    replayed: u64,
    other: u64,
    micros: Vec<u32>,
}

/// Sends until the time is over; reports counts, the rate of 2xx answers and the latency.
pub async fn run(orders: Orders) -> anyhow::Result<String> {
    let begun = Instant::now();
    let until = begun + Duration::from_secs_f64(orders.seconds);
    let mut clients = JoinSet::new();
    for number in 0..orders.connections {
        let connection = Connection::open(&orders.address).await?;
        let prefix = if orders.hot { orders.prefix.clone() } else { format!("{}-{number}", orders.prefix) };
        let pace = (orders.rate > 0.0).then(|| Duration::from_secs_f64(orders.connections as f64 / orders.rate));
        clients.spawn(client(connection, prefix, orders.hot, pace, until));
    }
    let mut all = Counts::default();
    while let Some(counts) = clients.join_next().await {
        let counts = counts.context("a client")??;
        all.new += counts.new;
        all.replayed += counts.replayed;
        all.other += counts.other;
        all.micros.extend(counts.micros);
    }
    let seconds = begun.elapsed().as_secs_f64();
    all.micros.sort_unstable();
    Ok(format!(
        r#"{{"new":{},"replayed":{},"other":{},"seconds":{seconds:.3},"rate":{:.1},"latency_us_p50":{},"latency_us_p99":{}}}"#,
        all.new,
        all.replayed,
        all.other,
        (all.new + all.replayed) as f64 / seconds,
        percentile(&all.micros, 0.5),
        percentile(&all.micros, 0.99),
    ))
}

async fn client(
    mut connection: Connection,
    prefix: String,
    hot: bool,
    pace: Option<Duration>,
    until: Instant,
) -> anyhow::Result<Counts> {
    let mut counts = Counts::default();
    let mut body = String::new();
    let mut ticks = tokio::time::interval(pace.unwrap_or(Duration::from_secs(1)));
    for number in 0_u64.. {
        if pace.is_some() {
            ticks.tick().await;
        }
        let sent = Instant::now();
        if sent >= until {
            break;
        }
        body.clear();
        if hot {
            write!(body, r#"{{"orderId":"{prefix}","customerId":"customer-123","amount":99.99}}"#)?;
        } else {
            let (customer, amount) = (number % 2_000, 1 + number % 9_999);
            write!(body, r#"{{"orderId":"{prefix}-{number}","customerId":"customer-{customer}","amount":{amount}.25}}"#)?;
        }
        match connection.post("/api/orders", &body).await? {
            201 => counts.new += 1,
            200 => counts.replayed += 1,
            _ => counts.other += 1,
        }
        counts.micros.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    Ok(counts)
}
