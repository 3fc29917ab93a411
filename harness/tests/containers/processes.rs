//! Faults on processes that take more than one call.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use harness::cluster::Cluster;
use harness::poll;
use judge::history::Step;
use judge::plan::FaultKind;

use super::stage::{InForce, becomes, placed};
use super::support::Bench;

const NODES: [&str; 3] = ["cluster-node-1", "cluster-node-2", "cluster-node-3"];

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_drained_restarted_in_turn_and_kept_crashing() {
    Bench::new("processes").await.run(is_broken).await;
}

async fn is_broken(bench: Bench) {
    let cluster = bench.up().await;
    drains(&bench, &cluster).await;
    tokio::join!(crashes_again_and_again(&bench, &cluster), async {
        // Another node's faults are none of its business.
        becomes("an order on the second node", Some(201), || placed(&cluster.nodes[1])).await;
    });
    restarts_in_turn(&bench, &cluster).await;
}

async fn drains(bench: &Bench, cluster: &Cluster) {
    let fault = InForce::new(bench, cluster, FaultKind::Drain, "cluster-node-3").await;
    assert_eq!(placed(&cluster.nodes[2]).await, None, "nobody listens");
    let state = bench.engine.inspect(&cluster.containers["cluster-node-3"]).await.expect("inspected");
    assert_eq!(state.exit_code, 0, "{state:?}");
    fault.heal().await;
    assert_eq!(placed(&cluster.nodes[2]).await, Some(201));
}

async fn crashes_again_and_again(bench: &Bench, cluster: &Cluster) {
    let id = &cluster.containers["cluster-node-1"];
    let before = bench.engine.inspect(id).await.expect("inspected").started_at;
    let fault = InForce::new(bench, cluster, FaultKind::CrashLoop { pause_ms: 1_000 }, "cluster-node-1").await;
    let starts = Mutex::new(BTreeSet::from([before]));
    let lives = poll::until(Duration::from_secs(20), Duration::from_millis(50), || async {
        let state = bench.engine.inspect(id).await.map_err(|error| error.to_string())?;
        let mut starts = starts.lock().expect("no panic");
        starts.insert(state.started_at);
        if starts.len() >= 4 { Ok(()) } else { Err(format!("{starts:?}")) }
    });
    lives.await.expect("three more lives");
    fault.heal().await;
    let after = bench.engine.inspect(id).await.expect("inspected");
    assert_eq!(placed(&cluster.nodes[0]).await, Some(201));
    let later = poll::until(Duration::from_millis(2_500), Duration::from_millis(100), || async {
        let now = bench.engine.inspect(id).await.map_err(|error| error.to_string())?;
        if now.started_at == after.started_at { Err("the same life".to_owned()) } else { Ok(now) }
    });
    later.await.expect_err("nobody kills it any more");
}

async fn restarts_in_turn(bench: &Bench, cluster: &Cluster) {
    let fault = InForce::injected(bench, cluster, &[(FaultKind::RollingRestart, &NODES)]).await;
    fault.seen(Step::HealVerified).await;
    let steps = fault.heal().await;
    let order: Vec<(Step, &str)> = steps.iter().map(|step| (step.step, step.target.as_str())).collect();
    let place_of = |step, node| order.iter().position(|other| *other == (step, node)).expect("a step");
    for pair in NODES.windows(2) {
        assert!(place_of(Step::HealVerified, pair[0]) < place_of(Step::Inject, pair[1]), "{order:?}");
    }
    for node in &cluster.nodes {
        assert_eq!(placed(node).await, Some(201), "{}", node.name);
    }
}
