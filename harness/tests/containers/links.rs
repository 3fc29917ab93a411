//! The fault proxy between nodes and services, and the faults that it makes.

use std::path::Path;
use std::time::{Duration, Instant};

use harness::cluster::{self, Cluster};
use harness::links::Links;
use harness::nemesis::Nemesis;
use harness::nemesis::journal;
use harness::recorder::{HISTORY, Recorder};
use harness::{http, images, poll};
use judge::history::{Entry, Step};
use judge::plan::{Direction, Fault, FaultKind, Link, Plan, Via};

use super::stage;
use super::support::{Bench, options, quiet, root};

const HOLD: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_secs(30);

/// A cluster with the proxy between nodes and services.
async fn up_with_links(bench: &mut Bench) -> Cluster {
    bench.images.proxy = Some(images::ensure_proxy(&bench.engine, &root(), &quiet, false).await.expect("an image"));
    bench.up().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or more: for the long list"]
async fn every_node_reaches_nats_and_redis_through_links_of_its_own() {
    Bench::new("links").await.run(links_carry_everything).await;
}

async fn links_carry_everything(mut bench: Bench) {
    let cluster = up_with_links(&mut bench).await;
    assert_eq!(cluster::attach(&bench.engine, &bench.project).await.expect("the same cluster"), cluster);
    let client = http::client(Duration::from_secs(5));
    let control = cluster.links.clone().expect("a fault proxy");
    let state = http::get(&client, &control).await.expect("an answer");
    let state: proxy::State = serde_json::from_slice(&state.body).expect("a state");
    for listener in &state.listeners {
        let used = listener.name.starts_with("cluster-node-");
        assert_eq!(listener.counts.open() > 0, used, "{listener:?}");
        assert_eq!(listener.rule, None);
    }

    // The server might tell its clients of another way to it: all come from the proxy all the same.
    let connz = http::get(&client, &format!("{}/connz", cluster.nats_monitor)).await.expect("an answer");
    let connz: serde_json::Value = serde_json::from_slice(&connz.body).expect("json");
    let connections = connz["connections"].as_array().expect("connections");
    let of_nodes: Vec<&str> = connections
        .iter()
        .filter(|connection| cluster.nodes.iter().any(|node| connection["name"] == format!("catga {}", node.id)))
        .filter_map(|connection| connection["ip"].as_str())
        .collect();
    assert_eq!(of_nodes.len(), 3, "{connz}");
    assert!(of_nodes.iter().all(|ip| *ip == of_nodes[0]), "{of_nodes:?}");

    // A cluster without the proxy is the plain one again.
    bench.images.proxy = None;
    let up = cluster::up(&bench.engine, &bench.tool, &bench.images, &bench.project, &options(), &quiet).await;
    let plain = up.expect("a cluster");
    assert!(plain.links.is_none() && !plain.containers.contains_key("links"), "{plain:?}");
}

const fn delay(link: Link, latency_ms: u64, jitter_ms: u64) -> FaultKind {
    FaultKind::Delay { link, via: Via::Proxy, latency_ms, jitter_ms, seed: 7 }
}

/// Both links of all nodes, at once.
const FIRST: [(&str, FaultKind); 6] = [
    ("cluster-node-1", delay(Link::Redis, 40, 10)),
    ("cluster-node-1", FaultKind::Reset { link: Link::Nats, after_ms: 300 }),
    ("cluster-node-2", FaultKind::Bandwidth { link: Link::Redis, bytes_per_second: 40_000 }),
    ("cluster-node-2", FaultKind::BlackHole { link: Link::Nats, direction: Direction::In }),
    ("cluster-node-3", FaultKind::Slice { link: Link::Redis, bytes: 32, gap_us: 4_000 }),
    ("cluster-node-3", FaultKind::HalfClose { link: Link::Nats }),
];
/// The same with the services changed, and what is left.
const SECOND: [(&str, FaultKind); 6] = [
    ("cluster-node-1", FaultKind::DropReplies { link: Link::Redis, after_ms: 300 }),
    ("cluster-node-1", delay(Link::Nats, 50, 50)),
    ("cluster-node-2", FaultKind::HalfClose { link: Link::Redis }),
    ("cluster-node-2", FaultKind::DropReplies { link: Link::Nats, after_ms: 200 }),
    ("cluster-node-3", FaultKind::BlackHole { link: Link::Redis, direction: Direction::Both }),
    ("cluster-node-3", FaultKind::Slice { link: Link::Nats, bytes: 100, gap_us: 2_000 }),
];

/// All of them at once.
fn plan(faults: &[(&str, FaultKind)], hold: Duration) -> Plan {
    let for_ms = u64::try_from(hold.as_millis()).expect("short");
    let fault = |(node, kind): &(&str, FaultKind)| Fault {
        kind: *kind,
        target: (*node).to_owned(),
        services: vec![(*node).to_owned()],
        at_ms: 0,
        for_ms,
    };
    stage::plan(faults.iter().map(fault).collect())
}

/// Faults in force on a cluster.
struct Weather {
    folder: tempfile::TempDir,
    recorder: Recorder,
    nemesis: Nemesis,
}

impl Weather {
    async fn over(bench: &Bench, cluster: &Cluster, faults: &[(&str, FaultKind)], hold: Duration) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let recorder = stage::recorder(folder.path());
        let (site, journal) = bench.journal(cluster, folder.path()).await;
        let nemesis = Nemesis::start(&plan(faults, hold), &site, journal, &recorder, recorder.now_us());
        Self { folder, recorder, nemesis }
    }

    /// Every step of every fault, by fault.
    fn steps(folder: &Path, count: usize) -> Vec<Vec<(Step, String)>> {
        let text = std::fs::read_to_string(folder.join(HISTORY)).expect("a history");
        let mut steps = vec![Vec::new(); count];
        // The last line may be half written.
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            if let Entry::Fault(step) = serde_json::from_str(line).expect("an entry") {
                steps[step.fault].push((step.step, step.detail));
            }
        }
        steps
    }

    /// Until all are over; what each of them went through.
    async fn pass(self, count: usize) -> Vec<Vec<(Step, String)>> {
        let path = self.folder.path().to_owned();
        let over = poll::until(HOLD + SOON, Duration::from_millis(50), || async {
            let ended = |steps: &Vec<(Step, String)>| {
                steps.last().is_some_and(|(step, _)| matches!(step, Step::HealVerified | Step::Unhealed))
            };
            let steps = Self::steps(&path, count);
            if steps.iter().all(ended) { Ok(()) } else { Err(format!("{steps:?}")) }
        });
        over.await.expect("all are over");
        self.nemesis.heal_all().await;
        self.recorder.finish().expect("written");
        Self::steps(&path, count)
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or more: for the long list"]
async fn every_fault_of_a_link_shows_and_is_gone_afterwards() {
    Bench::new("linkfaults").await.run(all_show_and_go).await;
}

async fn all_show_and_go(mut bench: Bench) {
    const LIFE: [Step; 6] = [Step::Inject, Step::Injected, Step::EffectVerified, Step::Heal, Step::Healed, Step::HealVerified];
    let cluster = up_with_links(&mut bench).await;
    for faults in [FIRST, SECOND] {
        let lives = Weather::over(&bench, &cluster, &faults, HOLD).await.pass(faults.len()).await;
        for ((node, kind), life) in faults.iter().zip(&lives) {
            let steps: Vec<Step> = life.iter().map(|(step, _)| *step).collect();
            assert_eq!(steps, LIFE, "{kind} {node}: {life:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or more: for the long list"]
async fn orders_through_a_node_feel_its_link_until_it_heals_even_without_the_harness() {
    Bench::new("linkorders").await.run(orders_feel_the_link).await;
}

/// Status and duration of one new order.
async fn order(cluster: &Cluster, node: usize, id: &str) -> Result<(u16, Duration), String> {
    let client = http::client(Duration::from_secs(10));
    let url = format!("{}/api/orders", cluster.nodes[node].url);
    let body = serde_json::json!({ "orderId": id, "customerId": "customer-1", "amount": 1 });
    let began = Instant::now();
    let reply = http::send(client.post(&url).json(&body), &url).await.map_err(|error| error.to_string())?;
    Ok((reply.status, began.elapsed()))
}

/// Places new orders until one fares as it should.
async fn until_an_order(cluster: &Cluster, node: usize, name: &str, good: impl Fn(u16, Duration) -> bool) {
    let number = std::sync::atomic::AtomicU32::new(0);
    let asked = poll::until(SOON, Duration::from_millis(50), || async {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (status, took) = order(cluster, node, &format!("{name}-{number}")).await?;
        if good(status, took) { Ok(()) } else { Err(format!("{status} after {took:?}")) }
    });
    asked.await.unwrap_or_else(|expired| panic!("{name}: {expired}"));
}

async fn orders_feel_the_link(mut bench: Bench) {
    const LATENCY: Duration = Duration::from_millis(150);
    let cluster = up_with_links(&mut bench).await;
    let quick = |status, took| status == 201 && took < LATENCY;
    let slow = |status, took| status == 201 && took >= 2 * LATENCY;
    let refused = |status, _| status == 503 || status == 504;
    let faults = [
        ("cluster-node-1", delay(Link::Redis, 150, 0)),
        ("cluster-node-2", FaultKind::BlackHole { link: Link::Redis, direction: Direction::Both }),
    ];
    for node in 0..3 {
        until_an_order(&cluster, node, &format!("before-{node}"), quick).await;
    }
    let weather = Weather::over(&bench, &cluster, &faults, Duration::from_secs(600)).await;
    until_an_order(&cluster, 0, "slow", slow).await;
    until_an_order(&cluster, 1, "refused", refused).await;
    until_an_order(&cluster, 2, "spared", quick).await;
    let links = Links::at(cluster.links.as_deref().expect("a fault proxy"));
    let renewed = poll::until(SOON, Duration::from_millis(100), || async {
        let state = links.look("cluster-node-1/redis").await.map_err(|error| error.to_string())?;
        let rule = state.rule.ok_or("no rule")?;
        if rule.age_ms > 6_000 { Ok(()) } else { Err(format!("{rule:?}")) }
    });
    renewed.await.expect("renewed, it outlives its time to live");
    until_an_order(&cluster, 0, "still-slow", slow).await;

    // As by the end of the process: nobody renews, and nobody heals.
    let Weather { folder, nemesis, .. } = weather;
    drop(nemesis);
    let gone = poll::until(Duration::from_secs(10), Duration::from_millis(100), || async {
        for node in ["cluster-node-1", "cluster-node-2"] {
            let state = links.look(&format!("{node}/redis")).await.map_err(|error| error.to_string())?;
            if let Some(rule) = state.rule {
                return Err(format!("{node}: {rule:?}"));
            }
        }
        Ok(())
    });
    gone.await.expect("rules expire");
    for node in 0..3 {
        until_an_order(&cluster, node, &format!("after-{node}"), quick).await;
    }
    assert_eq!(journal::left(folder.path(), &bench.project).expect("read").expect("a journal").open.len(), 2);
    let healed = harness::nemesis::leftovers::heal(folder.path(), &bench.project).await.expect("healed").expect("a journal");
    assert_eq!((healed.faults.len(), &healed.differences), (2, &None), "{healed:?}");
}
