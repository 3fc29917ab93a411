//! NATS is told to go, under traffic: healed before it has gone, after it went by itself, by another process than the one
//! that told it, and where it was never told.

use std::io::Write as _;
use std::time::{Duration, Instant};

use harness::cluster::Cluster;
use harness::engine::{ContainerState, Status};
use harness::nemesis::leftovers;
use judge::history::Step;
use judge::plan::FaultKind;
use tokio::net::TcpStream;

use super::stage::InForce;
use super::strike::strike;
use super::support::Bench;
use super::traffic::Traffic;

/// NATS leaves its clients alone for 10 s, and then ends them at most a second apart: the nodes, and those of the harness.
const GONE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or more: for the long list"]
async fn a_lame_duck_goes_by_itself_and_nothing_acknowledged_is_lost_by_it() {
    Bench::new("lameduck").await.run(goes).await;
}

async fn goes(bench: Bench) {
    let cluster = bench.up().await;
    let traffic = Traffic::start(&cluster);
    let begun = Instant::now();
    traffic.accepted_everywhere(begun, 5).await;
    is_restarted_before_it_goes(&bench, &cluster, &traffic).await;
    goes_and_is_started(&bench, &cluster, &traffic).await;
    is_healed_by_another(&bench, &cluster, &traffic).await;
    is_left_alone_where_it_was_never_told(&bench, &cluster).await;
    let behind = traffic.accepted_everywhere(Instant::now(), 5).await;
    traffic.applied_once_everywhere(&behind).await;
}

async fn nats(bench: &Bench, cluster: &Cluster) -> ContainerState {
    bench.engine.inspect(&cluster.containers["nats"]).await.expect("inspected")
}

async fn is_restarted_before_it_goes(bench: &Bench, cluster: &Cluster, traffic: &Traffic) {
    let before = nats(bench, cluster).await;
    let fault = InForce::new(bench, cluster, FaultKind::LameDuck, "nats").await;
    let during = nats(bench, cluster).await;
    assert_eq!((during.status, &during.started_at), (Status::Running, &before.started_at), "{during:?}");
    let meanwhile = traffic.accepted_everywhere(Instant::now(), 5).await;
    let steps = fault.heal().await;
    let proven = steps.iter().find(|step| step.step == Step::EffectVerified).expect("proven");
    assert!(proven.detail.contains("a new connection is refused"), "{proven:?}");
    assert_ne!(nats(bench, cluster).await.started_at, before.started_at, "another life");
    TcpStream::connect(&cluster.nats).await.expect("it takes connections");
    traffic.applied_once_everywhere(&meanwhile).await;
}

async fn goes_and_is_started(bench: &Bench, cluster: &Cluster, traffic: &Traffic) {
    let before = nats(bench, cluster).await;
    let struck = strike(bench, cluster, FaultKind::LameDuck, "nats", GONE).await;
    let after = nats(bench, cluster).await;
    assert_eq!(after.restart_count, before.restart_count, "the engine left it down: {after:?}");
    assert_ne!(after.started_at, before.started_at, "{struck:?}");
    let meanwhile = traffic.between(struck.proven, struck.heal);
    assert!(meanwhile.len() > 100, "{meanwhile:?}");
    let refused: Vec<_> = meanwhile.iter().filter(|sent| sent.status != Some(201)).collect();
    assert!(refused.is_empty(), "orders need no NATS: {refused:?}");
    traffic.accepted_everywhere(struck.healed, 5).await;
    traffic.applied_once_everywhere(&meanwhile).await;
}

async fn is_healed_by_another(bench: &Bench, cluster: &Cluster, traffic: &Traffic) {
    InForce::new(bench, cluster, FaultKind::LameDuck, "nats").await.die_and_heal().await;
    assert!(nats(bench, cluster).await.is_healthy());
    traffic.accepted_everywhere(Instant::now(), 5).await;
}

/// The harness died between its line in the journal and its call.
async fn is_left_alone_where_it_was_never_told(bench: &Bench, cluster: &Cluster) {
    let folder = tempfile::tempdir().expect("a folder");
    let (site, journal) = bench.journal(cluster, folder.path()).await;
    let path = journal.path().to_owned();
    drop(journal);
    let before = nats(bench, cluster).await;
    let line = serde_json::json!({
        "step": "will_inject", "fault": 0, "kind": FaultKind::LameDuck, "target": site.target("nats").expect("a target"),
        "before": {"at": before.started_at}, "call_ms": 0,
    });
    let mut file = std::fs::OpenOptions::new().append(true).open(path).expect("a journal");
    writeln!(file, "{line}").expect("written");
    let healed = leftovers::heal(folder.path(), &bench.project).await.expect("healed").expect("a journal");
    assert_eq!((healed.faults.len(), &healed.differences), (1, &None), "{healed:?}");
    assert_eq!(nats(bench, cluster).await.started_at, before.started_at, "its life goes on");
}
