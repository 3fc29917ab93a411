//! Nodes that join and leave under traffic.

use std::time::{Duration, Instant};

use harness::cluster::Cluster;
use harness::engine::ContainerState;
use harness::stores::JetStream;
use judge::plan::FaultKind;

use super::strike::strike;
use super::support::Bench;
use super::traffic::Traffic;

const HOLD: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or more: for the long list"]
async fn nodes_join_and_leave_and_nothing_that_ran_before_is_touched() {
    Bench::new("scale").await.run(grows_and_shrinks).await;
}

async fn grows_and_shrinks(bench: Bench) {
    let cluster = bench.up().await;
    let traffic = Traffic::start(&cluster);
    let begun = Instant::now();
    traffic.accepted_everywhere(begun, 5).await;
    let before = (running(&bench).await, consumers(&cluster).await);
    let struck = strike(&bench, &cluster, FaultKind::ScaleOut { nodes: 5 }, "cluster-node-1", HOLD).await;
    assert_eq!(struck.effect.matches("has 0 messages before it").count(), 2, "{struck:?}");
    assert_eq!((running(&bench).await, consumers(&cluster).await), before, "as it was");
    let behind = traffic.accepted_everywhere(struck.healed, 5).await;
    let meanwhile = traffic.between(struck.injected, struck.healed);
    assert!(meanwhile.iter().all(|sent| sent.status == Some(201)), "nobody noticed: {meanwhile:?}");
    traffic.applied_once_everywhere(&behind).await;
    traffic.applied_once_everywhere(&meanwhile).await;
}

/// Every container with its process.
async fn running(bench: &Bench) -> Vec<(String, String, i64)> {
    let told = |container: ContainerState| (container.id, container.started_at, container.pid);
    bench.engine.containers(&bench.project).await.expect("listed").into_iter().map(told).collect()
}

async fn consumers(cluster: &Cluster) -> Vec<String> {
    let jetstream = JetStream::connect(&cluster.nats, Duration::from_secs(2)).await.expect("an address");
    jetstream.consumers().await.expect("consumers").into_keys().collect()
}
