//! Cuts: from NATS, Redis and clients, whole and in one direction, for good and coming and going.

use std::time::Duration;

use harness::cluster::{Cluster, Node};
use harness::engine::Attachment;
use harness::poll;
use judge::plan::{Direction, FaultKind, Peer};

use super::stage::{InForce, becomes, checks, placed, up_with_helpers};
use super::support::Bench;

fn cut(from: Peer, direction: Direction) -> FaultKind {
    FaultKind::Cut { from, direction }
}

async fn is_whole(node: &Node) {
    becomes(&node.name, Some("nats up, redis up".to_owned()), || checks(node)).await;
    becomes(&node.name, Some(201), || placed(node)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_cut_from_their_peers_and_come_back_with_all_their_names() {
    Bench::new("networks").await.run(is_cut).await;
}

async fn is_cut(bench: Bench) {
    let cluster = up_with_helpers(&bench).await;
    let before = all_attachments(&bench, &cluster).await;
    whole_cuts_and_a_flap(&bench, &cluster).await;
    assert_eq!(all_attachments(&bench, &cluster).await, before);
    filters_of_a_run_that_dies(&bench, &cluster).await;
    assert_eq!(all_attachments(&bench, &cluster).await, before);
    assert_eq!(bench.engine.remove_helpers(&bench.project).await.expect("listed"), 0, "no helper is left");
}

async fn all_attachments(bench: &Bench, cluster: &Cluster) -> Vec<Vec<Attachment>> {
    let mut all = Vec::new();
    for node in &cluster.nodes {
        all.push(bench.engine.attachments(&node.container).await.expect("inspected"));
    }
    all
}

async fn whole_cuts_and_a_flap(bench: &Bench, cluster: &Cluster) {
    let [from_nats, flapping, from_clients] = &cluster.nodes[..] else { panic!("three nodes: {cluster:?}") };
    let flap = FaultKind::Flap { from: Peer::Redis, down_ms: 700, up_ms: 700 };
    let faults: [(FaultKind, &[&str]); 3] = [
        (cut(Peer::Nats, Direction::Both), &[&from_nats.name]),
        (flap, &[&flapping.name]),
        (cut(Peer::Clients, Direction::Both), &[&from_clients.name]),
    ];
    let fault = InForce::all(bench, cluster, &faults).await;
    becomes(&from_nats.name, Some("nats down, redis up".to_owned()), || checks(from_nats)).await;
    assert_eq!(placed(from_nats).await, Some(201), "orders are accepted without NATS");
    assert_eq!(placed(from_clients).await, None, "no client gets an answer");
    let state = bench.engine.inspect(&from_clients.container).await.expect("inspected");
    assert!(state.is_healthy(), "the node itself lives on: {state:?}");
    comes_and_goes(bench, flapping).await;
    fault.heal().await;
    for node in &cluster.nodes {
        is_whole(node).await;
    }
}

async fn filters_of_a_run_that_dies(bench: &Bench, cluster: &Cluster) {
    let [from_all, to_nats, from_redis] = &cluster.nodes[..] else { panic!("three nodes: {cluster:?}") };
    let faults: [(FaultKind, &[&str]); 3] = [
        (cut(Peer::All, Direction::Both), &[&from_all.name]),
        (cut(Peer::Nats, Direction::Out), &[&to_nats.name]),
        (cut(Peer::Redis, Direction::In), &[&from_redis.name]),
    ];
    let fault = InForce::all(bench, cluster, &faults).await;
    assert_eq!(placed(from_all).await, None, "no client gets an answer");
    becomes(&to_nats.name, Some("nats down, redis up".to_owned()), || checks(to_nats)).await;
    assert_eq!(placed(to_nats).await, Some(201), "orders are accepted without NATS");
    becomes(&from_redis.name, Some("nats up, redis down".to_owned()), || checks(from_redis)).await;
    assert_ne!(placed(from_redis).await, Some(201), "nothing is stored without an answer from Redis");
    fault.die_and_heal().await;
    for node in &cluster.nodes {
        is_whole(node).await;
    }
}

async fn comes_and_goes(bench: &Bench, node: &Node) {
    let store = bench.engine.network(&bench.project, "store").await.expect("found");
    for is_on in [true, false, true, false] {
        let turned = poll::until(Duration::from_secs(10), Duration::from_millis(20), || async {
            let on = bench.engine.attachments(&node.container).await.map_err(|error| error.to_string())?;
            if on.iter().any(|attachment| attachment.network == store) == is_on { Ok(()) } else { Err(format!("{on:?}")) }
        });
        turned.await.expect("the next turn");
    }
}
