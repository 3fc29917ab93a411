//! Each fault on a small cluster: nothing of it is seen before, it shows once it is injected, and is gone once it is healed.

use std::time::Duration;

use bytes::Bytes;
use judge::plan::{Direction, FaultKind, Link, Peer, Via};

use crate::embedded::{Embedded, abilities::refusal};
use crate::nemesis::fault::{Seen, Target};
use crate::poll;

const NODE: &str = "cluster-node-1";
const NATS: &str = "nats";
const REDIS: &str = "redis";

const BOTH: Direction = Direction::Both;

/// Kinds that hold until they are healed, and what they are done to.
const STEADY: [(FaultKind, &str); 17] = [
    (FaultKind::Stop, NODE),
    (FaultKind::Drain, NODE),
    (FaultKind::Kill, NODE),
    (FaultKind::Pause, NODE),
    (FaultKind::Stop, NATS),
    (FaultKind::Kill, REDIS),
    (FaultKind::Pause, NATS),
    (FaultKind::Pause, REDIS),
    (FaultKind::Cut { from: Peer::Nats, direction: BOTH }, NODE),
    (FaultKind::Cut { from: Peer::Redis, direction: BOTH }, NODE),
    (FaultKind::Flap { from: Peer::Nats, down_ms: 100, up_ms: 100 }, NODE),
    (FaultKind::Delay { link: Link::Nats, via: Via::Proxy, latency_ms: 50, jitter_ms: 0, seed: 0 }, NODE),
    (FaultKind::BlackHole { link: Link::Redis, direction: BOTH }, NODE),
    (FaultKind::DropReplies { link: Link::Redis, after_ms: 100 }, NODE),
    (FaultKind::ReadOnly, REDIS),
    (FaultKind::OutOfMemory, REDIS),
    (FaultKind::CrashLoop { pause_ms: 300 }, NODE),
];

/// Kinds that are over once they are injected.
const ONCE: [(FaultKind, &str); 6] = [
    (FaultKind::PurgeStream, NATS),
    (FaultKind::DeleteStream, NATS),
    (FaultKind::DeleteConsumer, NODE),
    (FaultKind::ClientKill, REDIS),
    (FaultKind::Restart, NODE),
    (FaultKind::Restart, REDIS),
];

async fn cluster() -> Embedded {
    let embedded = Embedded::start(&[NODE.to_owned()], None).await.expect("a cluster of one node");
    // Something that can be purged.
    embedded.services().stream().publish("catga.cluster.x", None, Bytes::from_static(b"x")).expect("published");
    embedded
}

fn asked(seen: Seen) -> Result<(), String> {
    match seen {
        Seen::Yes(_) => Ok(()),
        Seen::NotYet(what) => Err(what),
    }
}

async fn goes_round(embedded: &Embedded, kind: FaultKind, service: &str) {
    let fault = super::of(kind).expect("it can be done");
    let target = Target { service: service.to_owned(), container: String::new() };
    let before = fault.before(embedded, &target).await.expect("read");
    let shows = fault.effect(embedded, &target, &before).await.expect("looked");
    assert!(matches!(shows, Seen::NotYet(_)), "{kind} {service} shows before it is injected: {shows:?}");

    fault.inject(embedded, &target, &before).await.expect("injected");
    let effect = || async { asked(fault.effect(embedded, &target, &before).await.map_err(|error| error.to_string())?) };
    let (within, often) = (Duration::from_secs(5), Duration::from_millis(20));
    poll::until(within, often, effect).await.unwrap_or_else(|expired| panic!("{kind} {service} does not show: {expired}"));

    fault.heal(embedded, &target, &before).await.expect("healed");
    fault.heal(embedded, &target, &before).await.expect("healed again");
    let healed = || async { asked(fault.healed(embedded, &target, &before).await.map_err(|error| error.to_string())?) };
    poll::until(within, often, healed).await.unwrap_or_else(|expired| panic!("{kind} {service} is not healed: {expired}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_shows_only_while_it_is_in_force_and_can_be_healed_twice() {
    let embedded = cluster().await;
    for (kind, service) in STEADY.into_iter().chain(ONCE) {
        goes_round(&embedded, kind, service).await;
    }
    embedded.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_holds_is_seen_not_to_be_healed_until_it_is() {
    let embedded = cluster().await;
    for (kind, service) in STEADY {
        // A node in a loop of crashes is up half of the time.
        if matches!(kind, FaultKind::CrashLoop { .. }) {
            continue;
        }
        let fault = super::of(kind).expect("it can be done");
        let target = Target { service: service.to_owned(), container: String::new() };
        let before = fault.before(&embedded, &target).await.expect("read");
        fault.inject(&embedded, &target, &before).await.expect("injected");
        let healed = fault.healed(&embedded, &target, &before).await.expect("looked");
        assert!(matches!(healed, Seen::NotYet(_)), "{kind} {service} counts as healed while it holds: {healed:?}");
        fault.heal(&embedded, &target, &before).await.expect("healed");
        let is_healed = || async { asked(fault.healed(&embedded, &target, &before).await.map_err(|error| error.to_string())?) };
        let (within, often) = (Duration::from_secs(5), Duration::from_millis(20));
        poll::until(within, often, is_healed).await.unwrap_or_else(|expired| panic!("{kind} {service}: {expired}"));
    }
    embedded.end().await;
}

#[test]
fn what_a_plan_may_have_can_be_done_and_nothing_else() {
    let refused = [
        FaultKind::Cut { from: Peer::Clients, direction: BOTH },
        FaultKind::Flap { from: Peer::All, down_ms: 1, up_ms: 1 },
        FaultKind::Cut { from: Peer::Nats, direction: Direction::In },
        FaultKind::BlackHole { link: Link::Nats, direction: Direction::Out },
        FaultKind::Bandwidth { link: Link::Nats, bytes_per_second: 1 },
        FaultKind::Reset { link: Link::Nats, after_ms: 1 },
        FaultKind::Slice { link: Link::Nats, bytes: 1, gap_us: 1 },
        FaultKind::HalfClose { link: Link::Nats },
        FaultKind::Cpu { millicpus: 1 },
        FaultKind::Memory { bytes: 1 },
        FaultKind::Descriptors { limit: 1 },
        FaultKind::DiskFull,
        FaultKind::RollBack { lose_ms: 1 },
        FaultKind::ScriptFlush,
        FaultKind::SlowScript { length_ms: 1 },
        FaultKind::ScaleOut { nodes: 5 },
    ];
    for kind in refused {
        assert!(refusal(kind).is_some() && super::of(kind).is_err(), "{kind}");
    }
    for (kind, _) in STEADY.into_iter().chain(ONCE) {
        assert!(refusal(kind).is_none() && super::of(kind).is_ok(), "{kind}");
    }
}
