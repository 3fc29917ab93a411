//! Bring-up, and every call that a fault is made of.

use std::time::Duration;

use futures_util::StreamExt;
use harness::cluster::{self, ClusterError, Port, Ports};
use harness::engine::{ContainerState, Engine, Status};
use harness::poll;

use super::support::{Bench, options, quiet};

const SHOWS_WITHIN: Duration = Duration::from_secs(10);
const HEALS_WITHIN: Duration = Duration::from_secs(40);
/// What the node may take while it idles.
const IDLE_BYTES: u64 = 25 << 20;

async fn seen(engine: &Engine, id: &str, within: Duration, good: impl Fn(&ContainerState) -> bool) -> ContainerState {
    let asked = poll::until(within, Duration::from_millis(50), || async {
        let state = engine.inspect(id).await.map_err(|error| error.to_string())?;
        if good(&state) { Ok(state) } else { Err(format!("{state:?}")) }
    });
    asked.await.expect("the expected state")
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_comes_up_and_every_fault_call_shows_and_heals() {
    Bench::new("faults").await.run(comes_up_and_is_broken).await;
}

async fn comes_up_and_is_broken(bench: Bench) {
    let engine = &bench.engine;
    let cluster = bench.up().await;
    let names: Vec<&str> = cluster.containers.keys().map(String::as_str).collect();
    assert_eq!(names, ["cluster-node-1", "cluster-node-2", "cluster-node-3", "nats", "redis"]);
    assert!(cluster.nodes.iter().all(|node| !node.id.is_empty()), "{cluster:?}");
    assert_eq!(cluster::attach(engine, &bench.project).await.expect("the same cluster"), cluster);

    for node in &cluster.nodes {
        let usage = engine.usage(&node.container).await.expect("measured");
        assert!(usage.memory_bytes < IDLE_BYTES, "{} idles at {} bytes", node.name, usage.memory_bytes);
    }
    stop_and_start(engine, &cluster.containers["cluster-node-1"]).await;
    kill_and_start(engine, &cluster.containers["redis"]).await;
    pause_and_unpause(engine, &cluster.containers["nats"]).await;
    restart(engine, &cluster.containers["cluster-node-2"]).await;
    logs_go_on_after_a_restart(engine, &cluster.containers["nats"]).await;
}

async fn stop_and_start(engine: &Engine, id: &str) {
    engine.stop(id, Duration::from_secs(12)).await.expect("stopped");
    let state = seen(engine, id, SHOWS_WITHIN, |state| state.status == Status::Exited).await;
    assert_eq!(state.exit_code, 0, "a node drains and ends well: {state:?}");
    engine.start(id).await.expect("started");
    seen(engine, id, HEALS_WITHIN, ContainerState::is_healthy).await;
}

async fn kill_and_start(engine: &Engine, id: &str) {
    engine.kill(id, "SIGKILL").await.expect("killed");
    let state = seen(engine, id, SHOWS_WITHIN, |state| state.status == Status::Exited).await;
    assert_eq!(state.exit_code, 137, "{state:?}");
    engine.start(id).await.expect("started");
    seen(engine, id, HEALS_WITHIN, ContainerState::is_healthy).await;
}

async fn pause_and_unpause(engine: &Engine, id: &str) {
    let before = engine.inspect(id).await.expect("inspected");
    engine.pause(id).await.expect("paused");
    seen(engine, id, SHOWS_WITHIN, |state| state.status == Status::Paused).await;
    engine.pause(id).await.expect_err("it is paused already");
    engine.unpause(id).await.expect("unpaused");
    let after = seen(engine, id, HEALS_WITHIN, ContainerState::is_healthy).await;
    assert_eq!((after.pid, after.started_at), (before.pid, before.started_at), "the same process goes on");
}

async fn restart(engine: &Engine, id: &str) {
    let before = engine.inspect(id).await.expect("inspected");
    engine.restart(id, Duration::from_secs(12)).await.expect("restarted");
    let after = seen(engine, id, HEALS_WITHIN, ContainerState::is_healthy).await;
    assert_ne!(after.started_at, before.started_at);
}

async fn logs_go_on_after_a_restart(engine: &Engine, id: &str) {
    let (before, last) = ready_lines(engine, id, "").await;
    engine.restart(id, Duration::from_secs(12)).await.expect("restarted");
    let (after, _) = ready_lines(engine, id, &last).await;
    assert_eq!((before, after), (1, 1), "what was followed before is not followed again");
}

/// Counts the server's ready lines after `last`, up to the first second of silence; and the time of the last line.
async fn ready_lines(engine: &Engine, id: &str, last: &str) -> (usize, String) {
    let mut lines = std::pin::pin!(engine.follow_logs(id, last));
    let (mut count, mut newest) = (0, last.to_owned());
    while let Ok(Some(line)) = tokio::time::timeout(Duration::from_secs(1), lines.next()).await {
        let line = line.expect("a line");
        if line.at > newest {
            newest = line.at;
            count += usize::from(String::from_utf8_lossy(&line.text).contains("Server is ready"));
        }
    }
    (count, newest)
}

#[tokio::test(flavor = "multi_thread")]
async fn leftovers_of_an_earlier_run_are_healed_or_removed() {
    Bench::new("leftovers").await.run(leaves_and_comes_up_again).await;
}

async fn leaves_and_comes_up_again(bench: Bench) {
    let engine = &bench.engine;
    let first = bench.up().await;
    engine.pause(&first.containers["nats"]).await.expect("paused");
    engine.kill(&first.containers["cluster-node-3"], "SIGKILL").await.expect("killed");

    let keep = cluster::UpOptions { start: cluster::Start::Keep, ..options() };
    let kept = cluster::up(engine, &bench.tool, &bench.images, &bench.project, &keep, &quiet).await.expect("healed");
    assert_eq!(kept.containers, first.containers, "the same containers go on");

    engine.pause(&first.containers["redis"]).await.expect("paused");
    let fresh = bench.up().await;
    assert!(fresh.containers.values().all(|id| !first.containers.values().any(|old| old == id)), "{fresh:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn taken_port_is_told_with_its_holder_before_anything_is_made() {
    Bench::new("port").await.run(is_refused_a_port).await;
}

async fn is_refused_a_port(bench: Bench) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let options = cluster::UpOptions { ports: Ports::free().with("CATGA_REDIS_PORT", Port::Fixed(port)), ..options() };
    let error =
        cluster::up(&bench.engine, &bench.tool, &bench.images, &bench.project, &options, &quiet).await.expect_err("taken");
    assert!(matches!(error, ClusterError::PortTaken { .. }), "{error:?}");
    let expected = format!("port {port} for redis is taken by process {} (", std::process::id());
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert_eq!(bench.engine.containers(&bench.project).await.expect("listed"), []);
}
