//! The whole load against a stand-in for a node that answers, or keeps silent, as it is told.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

use judge::history::{Entry, Header, Outcome};
use judge::plan::{Abilities, Model, Overrides, Plan};
use judge::report::Report;
use judge::scenario::Scenario;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::cluster::Node;

const NODE: &str = "cluster-node-1";
pub(super) const NONCE: &str = "n";

#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Answers,
    KeepsSilent,
    IsNoNode,
}

/// goose's switch is one per process: two loads at a time would end each other.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const HEALTH: &str = r#"{"status":"up","node":"a","version":"1","checks":{"nats":"up","redis":"up"}}"#;

/// Speaks just enough HTTP to place orders.
async fn stand_in(manner: Manner) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(serve(connection, manner));
        }
    });
    address
}

async fn serve(connection: TcpStream, manner: Manner) {
    let mut connection = BufReader::new(connection);
    while let Some(body) = asked(&mut connection).await {
        let answer = match (manner, body.is_empty()) {
            (Manner::KeepsSilent, false) => return std::future::pending().await,
            (Manner::IsNoNode, true) => told("<html>a web page</html>"),
            _ => answer(&body),
        };
        connection.write_all(answer.as_bytes()).await.expect("the answer");
    }
}

/// The body of the next request: an order, or nothing where somebody asks how the node is. `None` when there is no other.
pub(super) async fn asked(connection: &mut BufReader<TcpStream>) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line).await.unwrap_or(0) == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await.expect("the body");
    Some(String::from_utf8(body).expect("utf-8"))
}

/// A node's answer to it.
pub(super) fn answer(body: &str) -> String {
    if body.is_empty() {
        return told(HEALTH);
    }
    let order = body.trim_end_matches('}');
    told(&format!(r#"{order},"messageId":"m","acceptedBy":"a","acceptedAt":"2026-01-01T00:00:00.000000Z"}}"#))
}

fn told(body: &str) -> String {
    format!("HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

pub(super) fn plan(rate: u32, processes: u32, client_timeout_ms: u64) -> Plan {
    let text = format!(
        "hypothesis = \"h\"\n[load]\nprofile = \"constant\"\nrate = {rate}\nduration = \"1s\"\nwarm_up = \"100ms\"\nkeys = \"unique\"\n"
    );
    let scenario = Scenario::parse("test", &text).expect("a scenario");
    let mut plan =
        judge::plan::resolve(&scenario, 1, &Overrides::default(), &[NODE.to_owned()], &Abilities::everything()).expect("a plan");
    plan.load.processes_per_node = processes;
    plan.load.client_timeout_ms = client_timeout_ms;
    plan
}

async fn cluster(manner: Manner) -> Cluster {
    let address = stand_in(manner).await;
    cluster_at(&format!("http://{address}"))
}

pub(super) fn cluster_at(url: &str) -> Cluster {
    let node = Node { name: NODE.into(), id: "a".into(), url: url.to_owned(), container: String::new() };
    Cluster::of_nodes("test", vec![node])
}

async fn carried_out(plan: &Plan, manner: Manner) -> Vec<Entry> {
    let (text, _) = recorded(plan, &cluster(manner).await).await;
    text.lines().map(|line| serde_json::from_str(line).expect("an entry")).collect()
}

/// A load that is over.
pub(super) struct Played {
    /// Of a stand-in it can be no verdict, but it has all figures.
    pub(super) report: Report,
    /// When the schedule began.
    pub(super) epoch: Instant,
}

pub(super) async fn played(plan: &Plan, cluster: &Cluster) -> Played {
    let (text, epoch) = recorded(plan, cluster).await;
    let history = judge::history::read(text.as_bytes()).expect("a history");
    Played { report: judge::judge(plan, &history, &[]), epoch }
}

async fn recorded(plan: &Plan, cluster: &Cluster) -> (String, Instant) {
    let _alone = ONE_AT_A_TIME.lock().await;
    let folder = tempfile::tempdir().expect("a folder");
    let header = Header {
        format: judge::history::FORMAT,
        harness: "test".into(),
        nonce: NONCE.into(),
        scenario: "test".into(),
        seed: 1,
        started_at: "2026-01-01T00:00:00Z".into(),
        nodes: Vec::new(),
        cluster: "compose".into(),
        load_priority: None,
    };
    let recorder = Recorder::create(folder.path(), &header).expect("a recorder");
    let load = Load::start(plan, cluster, NONCE, &recorder, &GooseOptions::default()).await.expect("the load starts");
    let epoch = recorder.instant(load.epoch_us());
    recorder.write(&Entry::Phase { t_us: load.epoch_us(), phase: judge::history::Phase::Load });
    load.finish().await.expect("the load ends");
    recorder.finish().expect("the history is written");
    (std::fs::read_to_string(folder.path().join(crate::recorder::HISTORY)).expect("a history"), epoch)
}

fn count(entries: &[Entry], which: impl Fn(&Entry) -> bool) -> usize {
    entries.iter().filter(|entry| which(entry)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_slot_of_the_schedule_is_begun_in_time_or_recorded_as_never_begun() {
    let ended = |outcome| move |entry: &Entry| matches!(entry, Entry::Complete(complete) if complete.outcome == outcome);
    let invoked = |entry: &Entry| matches!(entry, Entry::Invoke(_));
    let unstarted = |entry: &Entry| matches!(entry, Entry::Unstarted { .. });
    let too_early = |entry: &Entry| matches!(entry, Entry::Invoke(invoke) if invoke.t_us < invoke.intended_us);

    let answered = carried_out(&plan(200, 60, 1_000), Manner::Answers).await;
    assert_eq!((count(&answered, invoked), count(&answered, ended(Outcome::Ok))), (200, 200));
    assert_eq!((count(&answered, too_early), count(&answered, unstarted)), (0, 0));

    // Two processes, each held up for 400 ms by every request: some 8 of 100 slots can be begun.
    let silent = carried_out(&plan(100, 2, 400), Manner::KeepsSilent).await;
    let begun = count(&silent, invoked);
    assert!((4..=12).contains(&begun), "{begun} begun");
    assert_eq!(count(&silent, ended(Outcome::Info)), begun);
    assert_eq!(begun + count(&silent, unstarted), 100);

    // Users who wait for their answers and think for 20 ms do some 48 operations a second each.
    let mut closed = plan(1, 60, 1_000);
    closed.load.model = Model::Closed { users: 7, think_ms: 20 };
    let closed = carried_out(&closed, Manner::Answers).await;
    let done = count(&closed, ended(Outcome::Ok));
    assert!((50..=350).contains(&done), "{done} done");
    assert_eq!((count(&closed, invoked), count(&closed, unstarted)), (done, 0));
    let at_work: BTreeSet<u32> =
        closed.iter().filter_map(|entry| if let Entry::Invoke(invoke) = entry { Some(invoke.process) } else { None }).collect();
    assert_eq!(at_work.len(), 7, "of sixty clients, as many work as there are users");
    let behind = |entry: &Entry| matches!(entry, Entry::Invoke(invoke) if invoke.t_us - invoke.intended_us > 250_000);
    assert_eq!(count(&closed, behind), 0, "nothing is behind a schedule that there is not");
}

#[tokio::test]
async fn whoever_is_no_node_is_refused_before_anything_is_sent() {
    let web = refuse_strangers(&cluster(Manner::IsNoNode).await).await.expect_err("a web server").to_string();
    assert!(web.contains("does not call itself a Catga node: GET http://127.0.0.1:"), "{web}");
    assert!(web.contains("/health was answered 201") && web.contains("<html>"), "{web}");
    assert!(refuse_strangers(&cluster(Manner::Answers).await).await.is_ok());
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("bind").local_addr().expect("address");
    let nobody = refuse_strangers(&cluster_at(&format!("http://{closed}"))).await.expect_err("nobody").to_string();
    assert!(
        nobody.contains("cluster-node-1 at http://127.0.0.1:") && nobody.contains("was not answered: connecting to"),
        "{nobody}"
    );
}
