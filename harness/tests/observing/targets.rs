//! Targets that are found when a fault is injected, on a real Redis and scripted nodes.

use std::time::Duration;

use harness::engine::Engine;
use harness::nemesis::{Site, targets};
use harness::poll;
use judge::plan::Dynamic;
use tokio::time::Instant;

use crate::scripted::ScriptedNode;
use crate::services;
use crate::stage::{cluster, nowhere, order};

async fn site(urls: &[&str], redis: &str) -> Site {
    Site { engine: Engine::connect().await.expect("an engine"), cluster: cluster(urls, redis, &nowhere()) }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(900)
}

#[tokio::test]
async fn most_leases_are_held_by_the_owner_of_most_pending_rows() {
    let mut services = services::empty().await;
    let site = site(&[&nowhere(), &nowhere()], &services.redis_address).await;
    let none = targets::find(Dynamic::MostLeases, &site.cluster, &[], soon()).await.expect_err("no row, no lease");
    assert!(none.contains("no node holds a lease"), "{none}");
    let now = services.now_ms().await;
    for number in 0..3 {
        services.add_row(&format!("m-{number}"), &order(number, "1"), now, now + 5_000).await;
    }
    for row in ["m-1", "m-2"] {
        services.run(redis::cmd("HSET").arg(format!("catga:outbox:pending:{row}")).arg("leaseOwner").arg("n2")).await;
    }
    let found = targets::find(Dynamic::MostLeases, &site.cluster, &[], soon()).await;
    assert_eq!(found, Ok(vec!["cluster-node-2".to_owned()]));
}

#[tokio::test]
async fn leases_that_cannot_be_read_make_nobody_a_target() {
    let site = site(&[&nowhere()], &nowhere()).await;
    let error = targets::find(Dynamic::MostLeases, &site.cluster, &[], soon()).await.expect_err("nobody answers");
    assert!(error.contains("who holds leases cannot be read"), "{error}");
}

#[tokio::test]
async fn busiest_is_told_by_what_nodes_counted_meanwhile() {
    let (quiet, busy) = (ScriptedNode::start().await, ScriptedNode::start().await);
    let metrics = |count: u64| format!("catga_orders_total{{outcome=\"new\"}} {count}\n");
    quiet.answer("/metrics", 200, metrics(9_000));
    busy.answer("/metrics", 200, metrics(10));
    let site = site(&[&quiet.url, &busy.url], &nowhere()).await;
    let due = Instant::now() + Duration::from_secs(3);
    let (found, ()) = tokio::join!(targets::find(Dynamic::Busiest, &site.cluster, &[], due), async {
        // Between the two readings: the second is not made before 400 ms are left.
        let read = |node: &ScriptedNode| node.script().asked.contains_key("/metrics");
        let both = poll::until(Duration::from_secs(5), Duration::from_millis(5), || {
            std::future::ready(if read(&quiet) && read(&busy) { Ok(()) } else { Err("not read yet".to_owned()) })
        });
        both.await.expect("the first reading");
        quiet.answer("/metrics", 200, metrics(9_001));
        busy.answer("/metrics", 200, metrics(60));
    });
    assert_eq!(found, Ok(vec!["cluster-node-2".to_owned()]));
}

#[tokio::test]
async fn last_hit_are_the_nodes_of_the_latest_fault_that_hit_any() {
    let site = site(&[&nowhere(), &nowhere(), &nowhere()], &nowhere()).await;
    let hit = |hits: &[(usize, &str)]| {
        let hits: Vec<(usize, String)> = hits.iter().map(|(fault, service)| (*fault, (*service).to_owned())).collect();
        let site = site.clone();
        async move { targets::find(Dynamic::LastHit, &site.cluster, &hits, Instant::now()).await }
    };
    assert!(hit(&[(0, "redis")]).await.is_err());
    let hits = [(0, "cluster-node-3"), (1, "cluster-node-1"), (1, "cluster-node-2"), (2, "nats")];
    assert_eq!(hit(&hits).await, Ok(vec!["cluster-node-1".to_owned(), "cluster-node-2".to_owned()]));
}
