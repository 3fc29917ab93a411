//! The counters that each node keeps of what it was put through.

use std::collections::BTreeMap;
use std::time::Duration;

use judge::history::Entry;
use reqwest::Client;

use super::Post;
use super::blindness::Blindness;
use crate::cluster::Node;
use crate::http;
use crate::wire;

const PERIOD: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(1);

/// What is kept of a node's metrics.
const NAMES: [&str; 15] = [
    "catga_orders_total{outcome=\"new\"}",
    "catga_orders_total{outcome=\"replayed\"}",
    "catga_orders_total{outcome=\"conflict\"}",
    "catga_outbox_takeovers_total",
    "catga_publish_attempts_total",
    "catga_publish_duplicate_acks_total",
    "catga_publish_failures_total",
    "catga_apply_total",
    "catga_apply_redelivered_total",
    "catga_apply_skipped_total",
    "catga_parked_total",
    "catga_outbox_dead_total",
    "catga_outbox_depth",
    "catga_dependency_up{dependency=\"nats\"}",
    "catga_dependency_up{dependency=\"redis\"}",
];

/// Reads `/metrics` every second, and once more at the end.
///
/// A node that is killed takes what it counted since the last look with it: counters give a lower bound of what was
/// exercised, never more than was.
pub(super) async fn observe(node: Node, post: Post) {
    let client = http::client(PATIENCE);
    let mut blindness = Blindness::of(format!("counters {}", node.name));
    let (mut ticks, recorder) = (post.ticks(PERIOD), post.recorder);
    loop {
        let ended = !ticks.next().await;
        match read(&client, &node).await {
            Ok(values) => {
                blindness.over();
                recorder.write(&Entry::Counters { t_us: recorder.now_us(), node: node.name.clone(), values });
            }
            Err(error) => blindness.say(&recorder, &error),
        }
        if ended {
            return;
        }
    }
}

/// The counters of one node as they are now, or what it gave instead.
async fn read(client: &Client, node: &Node) -> Result<BTreeMap<String, f64>, String> {
    let url = format!("{}/metrics", node.url);
    let reply = http::get(client, &url).await.map_err(|error| error.to_string())?;
    if reply.status != 200 {
        return Err(format!("{url} answered {}", reply.status));
    }
    let mut totals = wire::prometheus::totals(&String::from_utf8_lossy(&reply.body)).map_err(|error| error.to_string())?;
    totals.retain(|name, value| NAMES.contains(&name.as_str()) && value.is_finite());
    Ok(totals)
}
