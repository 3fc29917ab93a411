//! Faults on what Redis and NATS hold and how they answer, on one cluster under traffic.

use std::time::{Duration, Instant};

use judge::plan::FaultKind;

use super::strike::{Struck, strike};
use super::support::Bench;
use super::traffic::{Sent, Traffic};

const HOLD: Duration = Duration::from_secs(2);
const HEALS_ITSELF: Duration = Duration::ZERO;
/// Longer than a node takes to answer on a machine that has much to do, shorter than it gives up on Redis.
const SLOW: Duration = Duration::from_millis(1_500);

#[tokio::test(flavor = "multi_thread")]
async fn redis_and_the_stream_are_hurt_under_traffic_and_nothing_acknowledged_is_lost_by_it() {
    Bench::new("services").await.run(is_hurt).await;
}

async fn is_hurt(bench: Bench) {
    let cluster = bench.up().await;
    let traffic = Traffic::start(&cluster);
    let begun = Instant::now();
    traffic.accepted_everywhere(begun, 5).await;

    for (kind, code) in [(FaultKind::ReadOnly, "NOREPLICAS"), (FaultKind::OutOfMemory, "OOM")] {
        let struck = strike(&bench, &cluster, kind, "redis", HOLD).await;
        assert!(struck.effect.contains(code), "{struck:?}");
        let meanwhile = traffic.between(struck.proven, struck.heal);
        assert!(meanwhile.len() > 10, "{kind}: {meanwhile:?}");
        assert!(meanwhile.iter().all(|sent| sent.status == Some(503)), "{kind}: {:?}", unlike(&meanwhile, 503));
        traffic.accepted_everywhere(struck.healed, 5).await;
    }

    let struck = strike(&bench, &cluster, FaultKind::ClientKill, "redis", HEALS_ITSELF).await;
    traffic.accepted_everywhere(struck.healed, 5).await;

    let struck = strike(&bench, &cluster, FaultKind::ScriptFlush, "redis", HEALS_ITSELF).await;
    let behind = traffic.accepted_everywhere(struck.healed, 5).await;
    let until = behind.iter().map(|sent| sent.at + sent.took).max().expect("some");
    let meanwhile = traffic.between(struck.injected, until);
    assert!(meanwhile.iter().all(|sent| sent.status == Some(201)), "{:?}", unlike(&meanwhile, 201));

    let length_ms = u64::try_from(SLOW.as_millis()).expect("short");
    let struck = strike(&bench, &cluster, FaultKind::SlowScript { length_ms }, "redis", HEALS_ITSELF).await;
    traffic.accepted_everywhere(struck.healed, 5).await;
    let slowest = slowest(&traffic, &struck);
    assert!(slowest >= SLOW / 2, "an order had to wait for the script, and the slowest took {slowest:?}");

    let struck = strike(&bench, &cluster, FaultKind::DeleteConsumer, "cluster-node-2", HEALS_ITSELF).await;
    assert!(struck.proof.contains("set up as before"), "{struck:?}");
    traffic.accepted_everywhere(struck.healed, 5).await;
    traffic.applied_once_everywhere(&acknowledged(&traffic)).await;

    // What nobody had applied yet is destroyed by these, so only what comes behind them must arrive.
    for kind in [FaultKind::PurgeStream, FaultKind::DeleteStream] {
        let struck = strike(&bench, &cluster, kind, "nats", HEALS_ITSELF).await;
        let behind = traffic.accepted_everywhere(struck.healed, 5).await;
        traffic.applied_once_everywhere(&behind).await;
    }
}

/// What was in flight while the fault was.
fn slowest(traffic: &Traffic, struck: &Struck) -> Duration {
    let touched = traffic.all().into_iter().filter(|sent| sent.at < struck.healed && sent.at + sent.took > struck.injected);
    touched.map(|sent| sent.took).max().unwrap_or_default()
}

fn acknowledged(traffic: &Traffic) -> Vec<Sent> {
    traffic.all().into_iter().filter(|sent| sent.status == Some(201)).collect()
}

fn unlike(sent: &[Sent], status: u16) -> Vec<&Sent> {
    sent.iter().filter(|sent| sent.status != Some(status)).collect()
}
