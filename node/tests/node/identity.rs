//! One live process a name, and the end of a process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser as _;
use node::cli::Cli;
use node::core::Core;
use node::identity::{Instance, hold_identity};
use node::nats_bus::NatsBus;
use node::order::NodeId;
use node::redis_store::RedisStore;
use node::serve::RealPorts;
use node::state::Phase;
use node::system::{OsRng, SystemClock};

use crate::space::{DEADLINE, Space, eventually, nats_url, redis_url};

#[tokio::test]
async fn a_second_process_of_one_name_is_refused() {
    let space = Space::new().await;
    let first = space.node("n1").ready().await;
    let second = space.node("n1").end().await;
    assert_eq!(second.status.code(), Some(1));
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(text.contains("node id n1 is held by another live process"), "{text}");
    first.place("still-serving").await;
    space.clean().await;
}

#[tokio::test]
async fn a_killed_process_is_followed_when_its_lease_has_ended() {
    let space = Space::new().await;
    space.node("n1").ready().await.kill().await;
    let begun = Instant::now();
    let next = space.node("n1").ready().await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    next.place("after").await;
    space.clean().await;
}

#[tokio::test]
async fn a_paused_process_that_was_followed_stops_itself() {
    let space = Space::new().await;
    let mut paused = space.node("n1").ready().await;
    paused.signal("-STOP");
    let next = space.node("n1").ready().await;
    paused.signal("-CONT");
    assert_eq!(paused.exit().await.code(), Some(1));
    next.place("after").await;
    next.wait_applied("after").await;
    space.clean().await;
}

#[tokio::test]
async fn sigterm_finishes_what_is_in_flight_and_gives_the_name_up() {
    let space = Space::new().await;
    let mut node = space.node("n1").ready().await;
    let posts = (0..50).map(|index| {
        let (client, url) = (space.client.clone(), format!("{}/api/orders", node.url));
        let body = crate::space::order(&format!("order-{index}")).to_string();
        tokio::spawn(async move {
            let answer = client.post(url).header("content-type", "application/json").body(body).send().await;
            answer.map(|answer| answer.status().as_u16()).map_err(|error| error.is_connect())
        })
    });
    let posts: Vec<_> = posts.collect();
    node.wait_metric("catga_orders_total{outcome=\"new\"}", 1).await;
    let begun = Instant::now();
    node.signal("-TERM");
    let status = node.exit().await;
    assert!(status.success() && begun.elapsed() < Duration::from_secs(5), "{status} after {:?}", begun.elapsed());
    let mut accepted = 0;
    for (index, post) in posts.into_iter().enumerate() {
        let answer = post.await.expect("no panic");
        let exists: i64 = space.query(&["EXISTS", &space.key(&format!("idempotency:order-{index}"))]).await;
        match answer {
            Ok(201) => accepted += exists,
            Ok(503) | Err(true) => assert_eq!(exists, 0, "refused, so nothing was written"),
            other => panic!("order-{index}: {other:?}"),
        }
    }
    assert!(accepted > 0);
    assert_eq!(space.query::<i64>(&["EXISTS", &space.key("node:n1:owner")]).await, 0);
    let next = space.node("n1").ready().await;
    eventually("what was accepted is applied", async || match next.metric("catga_apply_position").await {
        position if position >= accepted.unsigned_abs() => Ok(()),
        position => Err(format!("{position} of {accepted}")),
    })
    .await;
    space.clean().await;
}

/// The core of a node in this process.
fn core(space: &Space, id: &str) -> Arc<Core<RealPorts>> {
    let (redis, nats) = (redis_url(), nats_url());
    let arguments = ["node", "--redis-url", &redis, "--nats-url", &nats, "--identity-lease", "1s"];
    let names = ["--key-prefix", &space.name, "--stream", &space.name, "--subject-prefix", &space.name];
    let settings = Cli::parse_from(arguments.into_iter().chain(names)).settings;
    let node = NodeId::new(id).expect("a node id");
    let store = RedisStore::open(&settings, &node).expect("a store");
    let bus = NatsBus::open(&settings, &node).expect("a bus");
    Arc::new(Core::new(node, settings, store, bus, SystemClock::default(), OsRng).0)
}

#[tokio::test]
async fn of_two_live_processes_that_call_themselves_alike_one_ends() {
    let space = Space::new().await;
    let instance = |token: &str| Instance { name: "clone/1".to_owned(), token: token.to_owned() };
    let (first, second) = (core(&space, "n1"), core(&space, "n1"));
    let mut holding = tokio::spawn(hold_identity(Arc::clone(&first), instance("a")));
    tokio::time::timeout(DEADLINE, first.life.reached(Phase::Serving)).await.expect("the first serves");
    let mut taking = tokio::spawn(hold_identity(Arc::clone(&second), instance("b")));
    let both = async {
        tokio::select! {
            ended = &mut holding => (ended, &mut taking),
            ended = &mut taking => (ended, &mut holding),
        }
    };
    let (ended, other) = tokio::time::timeout(DEADLINE, both).await.expect("one ends in time");
    let error = ended.expect("no panic").expect_err("as an error").to_string();
    assert!(error.contains("clone/1, as this one calls itself"), "{error}");
    // For longer than a lease, in which it renews several times.
    assert!(tokio::time::timeout(Duration::from_secs(2), &mut *other).await.is_err(), "the other goes on");
    other.abort();
    space.clean().await;
}
