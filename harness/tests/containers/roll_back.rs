//! Redis and NATS go back to what they were a moment ago, under traffic.

use std::time::{Duration, Instant};

use harness::cluster::Cluster;
use harness::engine::Status;
use harness::nemesis::{Nemesis, leftovers};
use harness::poll;
use judge::plan::FaultKind;

use super::stage;
use super::strike::{plan, strike};
use super::support::Bench;
use super::traffic::Traffic;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or more: for the long list"]
async fn a_store_goes_back_to_what_it_was_and_the_cluster_goes_on() {
    Bench::new("rollback").await.run(goes_back).await;
}

async fn goes_back(bench: Bench) {
    let cluster = bench.up().await;
    let traffic = Traffic::start(&cluster);
    let begun = Instant::now();
    let first = traffic.accepted_everywhere(begun, 5).await;
    traffic.applied_once_everywhere(&first).await;
    for (service, words) in [("redis", "is gone"), ("nats", "which was of")] {
        let struck = strike(&bench, &cluster, FaultKind::RollBack { lose_ms: 1_000 }, service, Duration::ZERO).await;
        assert!(struck.effect.contains(words), "{struck:?}");
        let behind = traffic.accepted_everywhere(struck.healed, 5).await;
        traffic.applied_once_everywhere(&behind).await;
        // What was old enough is as it was.
        traffic.applied_once_everywhere(&first).await;
    }
    for when in [Status::Paused, Status::Exited] {
        dies_in_the_middle(&bench, &cluster, when).await;
    }
    let behind = traffic.accepted_everywhere(Instant::now(), 5).await;
    traffic.applied_once_everywhere(&behind).await;
    traffic.applied_once_everywhere(&first).await;
}

/// The harness ends when Redis is frozen for it, or killed, and a later one finds the journal.
async fn dies_in_the_middle(bench: &Bench, cluster: &Cluster, when: Status) {
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = stage::recorder(folder.path());
    let (site, journal) = bench.journal(cluster, folder.path()).await;
    let plan = plan(FaultKind::RollBack { lose_ms: 500 }, "redis", Duration::ZERO);
    let nemesis = Nemesis::start(&plan, &site, journal, &recorder, recorder.now_us());
    let reached = poll::until(Duration::from_secs(60), Duration::from_millis(20), || async {
        let state = bench.engine.inspect(&cluster.containers["redis"]).await.map_err(|error| error.to_string())?;
        if state.status == when { Ok(()) } else { Err(state.summary()) }
    });
    reached.await.unwrap_or_else(|error| panic!("redis is never {when:?}: {error}"));
    drop(nemesis);
    let healed = leftovers::heal(folder.path(), &bench.project).await.expect("healed").expect("a journal").faults;
    assert_eq!(healed.len(), 1, "{healed:?}");
    let state = bench.engine.inspect(&cluster.containers["redis"]).await.expect("inspected");
    assert!(state.is_healthy(), "{state:?}");
}
