//! Targets that are known only when a fault is injected: found in the moments before.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use judge::plan::Dynamic;
use tokio::time::{Instant, sleep_until};

use crate::cluster::Cluster;
use crate::http;
use crate::stores::{Redis, StoreError};
use crate::wire::{self, keys};

/// How long before its time the search for a target begins.
pub const AHEAD_MS: u64 = 3_000;
/// How long one question may take.
const PATIENCE: Duration = Duration::from_millis(400);
/// The metric of orders that were taken in.
const ACCEPTED: &str = "catga_orders_total{outcome=\"new\"}";
/// Leases come and go within milliseconds: many looks tell more than one.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Rows of the outbox that one look reads.
const ROWS: isize = 500;

/// The services that faults have hit so far, each with the number of its fault, in the order of the hits.
pub type Hits = [(usize, String)];

/// Finds the services that a word stands for now; the answer is there by `due`.
///
/// # Errors
/// There is none that the word fits, and why.
pub async fn find(dynamic: Dynamic, cluster: &Cluster, hits: &Hits, due: Instant) -> Result<Vec<String>, String> {
    let until = due.checked_sub(PATIENCE).unwrap_or(due);
    match dynamic {
        Dynamic::Busiest => {
            let before = accepted(cluster).await;
            // A rate takes time to show.
            sleep_until(until).await;
            busiest(&before, &accepted(cluster).await).map(|node| vec![node])
        }
        Dynamic::MostLeases => most_leases(&leases(cluster, until).await?, cluster).map(|node| vec![node]),
        Dynamic::LastHit => last_hit(hits, cluster),
    }
}

/// What each node had accepted since its start, or why it did not tell.
async fn accepted(cluster: &Cluster) -> BTreeMap<String, Result<f64, String>> {
    let client = http::client(PATIENCE);
    let asked = cluster.nodes.iter().map(|node| async {
        let url = format!("{}/metrics", node.url);
        let reply = http::get(&client, &url).await.map_err(|error| error.to_string());
        let total = reply.and_then(|reply| {
            let totals = wire::prometheus::totals(&String::from_utf8_lossy(&reply.body)).map_err(|error| error.to_string())?;
            totals.get(ACCEPTED).copied().ok_or_else(|| format!("{url} answered {} without {ACCEPTED}", reply.status))
        });
        (node.name.clone(), total)
    });
    join_all(asked).await.into_iter().collect()
}

fn busiest(
    before: &BTreeMap<String, Result<f64, String>>,
    after: &BTreeMap<String, Result<f64, String>>,
) -> Result<String, String> {
    let since = |node: &String, now: f64| match before.get(node) {
        // A counter that is lower than before began anew with its process.
        Some(Ok(then)) if *then <= now => now - then,
        _ => now,
    };
    let read = after.iter().filter_map(|(node, now)| Some((node, since(node, *now.as_ref().ok()?))));
    let most = read.filter(|(_, count)| *count > 0.0).reduce(|most, other| if other.1 > most.1 { other } else { most });
    most.map(|(node, _)| node.clone()).ok_or_else(|| {
        let errors: Vec<&str> = after.values().filter_map(|read| read.as_ref().err().map(String::as_str)).collect();
        let errors = if errors.is_empty() { String::new() } else { format!("; {}", errors.join("; ")) };
        format!("no node is the busiest: by their metrics none accepted an order in the last seconds{errors}")
    })
}

/// How many leases each owner held, over many looks until the deadline.
async fn leases(cluster: &Cluster, until: Instant) -> Result<BTreeMap<String, u64>, String> {
    let mut redis = Redis::of(cluster, PATIENCE).map_err(|error| error.to_string())?;
    let mut held = BTreeMap::new();
    let mut failed = None;
    while Instant::now() < until {
        match look(&mut redis).await {
            Ok(owners) => owners.into_iter().for_each(|owner| *held.entry(owner).or_default() += 1),
            Err(error) => failed = Some(error.to_string()),
        }
        sleep_until(until.min(Instant::now() + LOOK_EVERY)).await;
    }
    match failed {
        Some(error) if held.is_empty() => Err(format!("who holds leases cannot be read: {error}")),
        _ => Ok(held),
    }
}

/// The owners of the rows that are pending now, as far as one look goes.
async fn look(redis: &mut Redis) -> Result<Vec<String>, StoreError> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("ZRANGE").arg(keys::OUTBOX_INDEX).arg(0).arg(ROWS - 1);
    let (ids,): (Vec<String>,) = redis.ask("looking for leases", &pipeline).await?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipeline = redis::pipe();
    for id in &ids {
        pipeline.cmd("HGET").arg(format!("{}{id}", keys::OUTBOX_ROW)).arg(keys::ROW_LEASE_OWNER);
    }
    let owners: Vec<Option<String>> = redis.ask("reading who holds leases", &pipeline).await?;
    Ok(owners.into_iter().flatten().filter(|owner| !owner.is_empty()).collect())
}

fn most_leases(held: &BTreeMap<String, u64>, cluster: &Cluster) -> Result<String, String> {
    let known = cluster.nodes.iter().filter_map(|node| Some((&node.name, *held.get(&node.id)?)));
    let most = known.reduce(|most, other| if other.1 > most.1 { other } else { most });
    most.map(|(node, _)| node.clone())
        .ok_or_else(|| format!("no node holds a lease: the pending rows of the outbox belong to {:?}", held.keys()))
}

/// The nodes among the services that the latest fault hit which hit a node at all.
fn last_hit(hits: &Hits, cluster: &Cluster) -> Result<Vec<String>, String> {
    let is_node = |service: &String| cluster.nodes.iter().any(|node| node.name == *service);
    let on_nodes = || hits.iter().filter(|(_, service)| is_node(service));
    let last = on_nodes().map(|(fault, _)| *fault).max().ok_or("no fault has hit a node yet")?;
    Ok(on_nodes().filter(|(fault, _)| *fault == last).map(|(_, service)| service.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(totals: &[(&str, Option<f64>)]) -> BTreeMap<String, Result<f64, String>> {
        totals.iter().map(|(node, total)| ((*node).to_owned(), total.ok_or_else(|| format!("{node} is away")))).collect()
    }

    #[test]
    fn busiest_is_the_node_whose_count_grew_most() {
        let before = read(&[("a", Some(5_000.0)), ("b", Some(10.0)), ("c", Some(900.0))]);
        let after = read(&[("a", Some(5_010.0)), ("b", Some(40.0)), ("c", None)]);
        assert_eq!(busiest(&before, &after).as_deref(), Ok("b"));
        let restarted = read(&[("a", Some(200.0)), ("b", Some(40.0)), ("c", Some(900.0))]);
        assert_eq!(busiest(&before, &restarted).as_deref(), Ok("a"), "what it counted since its new start");
    }

    #[test]
    fn nobody_is_busiest_where_nobody_accepts_or_tells() {
        let idle = read(&[("a", Some(5.0)), ("b", None)]);
        let why = busiest(&idle, &idle).expect_err("nobody");
        assert!(why.contains("none accepted an order") && why.contains("b is away"), "{why}");
    }
}
