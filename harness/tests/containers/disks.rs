//! Data volumes that are full.

use harness::cluster::{self, Cluster, Overlay, UpOptions};
use judge::plan::FaultKind;

use super::stage::{InForce, becomes, place, placed, sees};
use super::support::{Bench, options, quiet};

#[tokio::test(flavor = "multi_thread")]
async fn full_disks_stop_orders_and_lose_none_of_those_before() {
    Bench::new("disks").await.run(are_full).await;
}

async fn are_full(bench: Bench) {
    let options = UpOptions { overlays: vec![Overlay::SmallDisks], ..options() };
    let up = cluster::up(&bench.engine, &bench.tool, &bench.images, &bench.project, &options, &quiet);
    let cluster = up.await.expect("a cluster");
    redis_is_full(&bench, &cluster).await;
    nats_is_full(&bench, &cluster).await;
}

async fn redis_is_full(bench: &Bench, cluster: &Cluster) {
    let node = &cluster.nodes[0];
    let (status, order) = place(node).await;
    assert_eq!(status, Some(201));
    let fault = InForce::new(bench, cluster, FaultKind::DiskFull, "redis").await;
    // What fits into the last page that Redis has already is still taken.
    becomes("an order without room for it", true, || async { placed(node).await != Some(201) }).await;
    fault.heal().await;
    becomes("an order once healed", Some(201), || placed(node)).await;
    becomes("the order from before", true, || sees(node, &order)).await;
}

async fn nats_is_full(bench: &Bench, cluster: &Cluster) {
    let fault = InForce::new(bench, cluster, FaultKind::DiskFull, "nats").await;
    let (status, order) = place(&cluster.nodes[0]).await;
    assert_eq!(status, Some(201), "orders are accepted without NATS");
    fault.heal().await;
    becomes("the order on another node", true, || sees(&cluster.nodes[1], &order)).await;
}
