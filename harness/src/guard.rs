//! Guards: what makes a run give up before its end. Nothing more is injected then, everything is healed, and what was
//! recorded is judged; the verdict cannot be `Valid`.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;
use judge::plan::Guard;
use tokio::process::Command;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::cluster::Cluster;
use crate::{doctor, http, tool};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a node may take to say that it lives.
const PATIENCE: Duration = Duration::from_secs(1);
const DISK_EVERY: Duration = Duration::from_secs(2);
/// How long a question to the machine, or the scenario's own probe, may take.
const ASK: Duration = Duration::from_secs(30);
/// Tells the scenario's probe where the nodes are: their urls, with spaces between them.
const NODES: &str = "CATGA_NODE_URLS";

/// A guard that gave the run up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tripped {
    /// As the scenario calls it: `all_nodes_down`, `disk_free`, `probe`.
    pub guard: &'static str,
    pub seen: String,
}

/// Returns when the first guard trips, else never. `disks` are folders that the run fills: its own, the engine's.
pub async fn watch(guard: &Guard, cluster: &Cluster, disks: &[PathBuf]) -> Tripped {
    let (guard, seen) = tokio::select! {
        seen = all_nodes_down(Duration::from_millis(guard.all_nodes_down_ms), cluster) => ("all_nodes_down", seen),
        seen = disk_free(guard.disk_free_bytes, disks) => ("disk_free", seen),
        seen = probe(guard, cluster) => ("probe", seen),
    };
    Tripped { guard, seen }
}

/// Whatever a node answers, it is there.
async fn all_nodes_down(limit: Duration, cluster: &Cluster) -> String {
    let client = http::client(PATIENCE);
    let mut ticks = ticks(LOOK_EVERY);
    let mut answered = Instant::now();
    loop {
        ticks.tick().await;
        let asked = cluster.nodes.iter().map(|node| {
            let (client, url) = (&client, format!("{}/health/live", node.url));
            async move { http::get(client, &url).await.map(drop).map_err(|error| error.to_string()) }
        });
        let looks = join_all(asked).await;
        if looks.iter().any(Result::is_ok) {
            answered = Instant::now();
        } else if answered.elapsed() >= limit {
            let last: Vec<String> = looks.into_iter().filter_map(Result::err).collect();
            return format!("no node has answered for {limit:?}: {}", last.join("; "));
        }
    }
}

/// Where `df` does not tell, there is no such guard; `harness doctor` says so.
async fn disk_free(least: u64, disks: &[PathBuf]) -> String {
    let mut ticks = ticks(DISK_EVERY);
    loop {
        ticks.tick().await;
        for disk in disks {
            if let Some(free) = doctor::free_bytes(disk, ASK).await
                && free < least
            {
                return format!("{free} bytes are free at {}, and the run wants {least}", disk.display());
            }
        }
    }
}

async fn probe(guard: &Guard, cluster: &Cluster) -> String {
    let Some(words) = &guard.probe else { return std::future::pending().await };
    let urls: Vec<&str> = cluster.nodes.iter().map(|node| node.url.as_str()).collect();
    let mut ticks = ticks(Duration::from_millis(guard.probe_every_ms));
    loop {
        ticks.tick().await;
        let mut command = Command::new("sh");
        command.args(["-c", words]).env(NODES, urls.join(" "));
        if let Err(error) = tool::run(&mut command, ASK).await {
            return format!("`{words}`: {error}");
        }
    }
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = interval(every);
    // A slow look must not be followed by a burst of others.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

#[cfg(test)]
mod tests;
