//! Faults on what a service may take of the machine.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use harness::cluster::Cluster;
use judge::plan::FaultKind;

use super::stage::{InForce, becomes, placed, up_with_helpers};
use super::support::Bench;

#[tokio::test(flavor = "multi_thread")]
async fn services_are_short_of_processor_memory_and_descriptors_and_get_back_what_they_had() {
    Bench::new("resources").await.run(are_short).await;
}

async fn are_short(bench: Bench) {
    let cluster = up_with_helpers(&bench).await;
    has_little_processor(&bench, &cluster).await;
    has_little_memory_and_few_descriptors(&bench, &cluster).await;
    assert_eq!(bench.engine.remove_helpers(&bench.project).await.expect("listed"), 0, "no helper is left");
}

/// What two seconds of requests cost a node: the share of a core that it takes, and the share of the kernel's periods for
/// which it is halted.
async fn busy(bench: &Bench, cluster: &Cluster) -> (f64, f64) {
    let node = &cluster.nodes[0];
    let began = Instant::now();
    let before = bench.engine.usage(&node.container).await.expect("measured");
    let clients = (0..4).map(|_| async {
        while began.elapsed() < Duration::from_secs(2) {
            placed(node).await;
        }
    });
    join_all(clients).await;
    let after = bench.engine.usage(&node.container).await.expect("measured");
    let seconds = began.elapsed().as_secs_f64();
    let halted = after.throttled_periods.saturating_sub(before.throttled_periods);
    (after.cpu.saturating_sub(before.cpu).as_secs_f64() / seconds, halted as f64 / (10.0 * seconds))
}

async fn has_little_processor(bench: &Bench, cluster: &Cluster) {
    let id = &cluster.nodes[0].container;
    let before = bench.engine.limits(id).await.expect("inspected");
    let fault = InForce::new(bench, cluster, FaultKind::Cpu { millicpus: 20 }, "cluster-node-1").await;
    let (share, halted) = busy(bench, cluster).await;
    // The kernel gives its share out in slices, so that one may be left over from before.
    assert!(share < 0.04, "{share} of a core, and 0.02 are allowed");
    assert!(halted > 0.5, "halted for {halted} of the time, which its share does not reach for");
    fault.heal().await;
    assert_eq!(bench.engine.limits(id).await.expect("inspected"), before);
    let (share, still) = busy(bench, cluster).await;
    assert!(still < halted / 4.0, "halted for {still} of the time once healed, {halted} before; it takes {share} of a core");
}

async fn has_little_memory_and_few_descriptors(bench: &Bench, cluster: &Cluster) {
    let (small, closed) = (&cluster.nodes[1], &cluster.nodes[2]);
    let before = bench.engine.limits(&small.container).await.expect("inspected");
    let memory = FaultKind::Memory { bytes: 32 << 20 };
    // Fewer than it has open: not one more connection.
    let descriptors = FaultKind::Descriptors { limit: 8 };
    let faults: [(FaultKind, &[&str]); 2] = [(memory, &[&small.name]), (descriptors, &[&closed.name])];
    let fault = InForce::all(bench, cluster, &faults).await;
    assert_eq!(bench.engine.memory_limit_in_force(&small.container).await.expect("measured"), 32 << 20);
    assert_eq!(placed(small).await, Some(201), "that is enough for a node at rest");
    assert_eq!(placed(closed).await, None, "no connection is taken");
    fault.heal().await;
    assert_eq!(bench.engine.limits(&small.container).await.expect("inspected"), before);
    becomes(&closed.name, Some(201), || placed(closed)).await;
}
