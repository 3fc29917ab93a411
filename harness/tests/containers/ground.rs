//! What the harness stands on fails in the middle of a run: the engine, a container, the disk, the user's patience. The
//! run ends with what it has, heals what it can, and says so; it never hangs.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use harness::poll;
use harness::recorder::HISTORY;
use harness::tool;
use judge::history::Entry;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::guardian::program;
use super::healing::Stand;
use super::support::Bench;

/// A node stopped and Redis frozen, for so long that something else can happen meanwhile.
const SCENARIO: &str = r#"hypothesis = "the ground may fail"

[load]
profile = "constant"
rate = 220
duration = "18s"
warm_up = "1s"
client_timeout = "500ms"
keys = "unique"

[[fault]]
at = "6s"
for = "6s"
kind = "stop"
target = "cluster-node-1"

[[fault]]
at = "7s"
for = "5s"
kind = "pause"
target = "redis"
"#;

/// All the deadlines of a run in which nobody answers, one after the other.
const ENDS_WITHIN: Duration = Duration::from_secs(420);

/// How the engine's socket behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Passes,
    /// Connections are taken, and nothing passes on them, nor on those that there are.
    Hangs,
    /// Every connection is closed at once.
    Cuts,
}

/// A socket before the engine's own, which is never touched.
struct Relay {
    path: PathBuf,
    mood: watch::Sender<Mood>,
    task: JoinHandle<()>,
}

impl Relay {
    fn start(engine: &str, folder: &Path) -> Self {
        let engine = PathBuf::from(engine.strip_prefix("unix://").expect("the engine has a socket"));
        let path = folder.join("engine.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        let (mood, moods) = watch::channel(Mood::Passes);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (engine, moods) = (engine.clone(), moods.clone());
                tokio::spawn(async move { pass(client, &engine, moods).await });
            }
        });
        Self { path, mood, task }
    }

    fn host(&self) -> String {
        format!("unix://{}", self.path.display())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection. What was on its way when the mood turns stays there while it hangs, and is gone when it is cut.
async fn pass(client: UnixStream, engine: &Path, mut moods: watch::Receiver<Mood>) {
    if moods.wait_for(|mood| *mood != Mood::Hangs).await.is_err() || *moods.borrow() == Mood::Cuts {
        return;
    }
    let Ok(server) = UnixStream::connect(engine).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let copies = async {
        tokio::join!(tokio::io::copy(&mut from_client, &mut to_server), tokio::io::copy(&mut from_server, &mut to_client))
    };
    let mut copies = std::pin::pin!(copies);
    loop {
        tokio::select! {
            _ = &mut copies => return,
            changed = moods.changed() => {
                let hung = async { moods.wait_for(|mood| *mood != Mood::Hangs).await.map(|mood| *mood) };
                if changed.is_err() || !matches!(hung.await, Ok(Mood::Passes)) {
                    return;
                }
            }
        }
    }
}

fn start(stand: &Stand, engine: &str) -> Child {
    let mut command = Command::new(program());
    stand.words(&mut command, &[]);
    command.env("DOCKER_HOST", engine).spawn().expect("started")
}

async fn ended(child: Child) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        timeout(ENDS_WITHIN, child.wait_with_output()).await.expect("it never hangs").expect("read");
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

fn troubles(stand: &Stand) -> String {
    let path = stand.home.path().join("runs/latest").join(HISTORY);
    let text = std::fs::read_to_string(path).expect("a history");
    let entries = text.lines().filter_map(|line| serde_json::from_str(line).ok());
    let troubles = entries.filter_map(|entry| match entry {
        Entry::Trouble { what, .. } => Some(what),
        _ => None,
    });
    troubles.collect::<Vec<String>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes two minutes: for the long list"]
async fn run_whose_engine_restarts_heals_when_it_is_back() {
    Bench::new("cut").await.run(loses_its_engine_for_a_while).await;
}

async fn loses_its_engine_for_a_while(bench: Bench) {
    let stand = Stand::new(bench, SCENARIO).await;
    let relay = Relay::start(stand.bench.engine.host(), stand.home.path());
    let mut child = start(&stand, &relay.host());
    stand.has_open(2, &mut child).await;
    relay.mood.send_replace(Mood::Cuts);
    // Longer than the faults last: they are to be healed while nobody answers.
    tokio::time::sleep(Duration::from_secs(8)).await;
    relay.mood.send_replace(Mood::Passes);
    let (code, told) = ended(child).await;
    assert_eq!(code, Some(3), "{told}");
    stand.is_as_it_was("an engine that restarted").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes five minutes: for the long list"]
async fn run_whose_engine_hangs_ends_and_the_guardian_heals_when_it_is_back() {
    Bench::new("hang").await.run(loses_its_engine).await;
}

async fn loses_its_engine(bench: Bench) {
    let stand = Stand::new(bench, SCENARIO).await;
    let relay = Relay::start(stand.bench.engine.host(), stand.home.path());
    let mut child = start(&stand, &relay.host());
    stand.has_open(2, &mut child).await;
    for service in ["cluster-node-1", "redis"] {
        let container = &stand.site.cluster.containers[service];
        let asked = poll::until(Duration::from_secs(15), Duration::from_millis(50), || async {
            let state = stand.bench.engine.inspect(container).await.map_err(|error| error.to_string())?;
            if state.is_healthy() { Err(state.summary()) } else { Ok(()) }
        });
        asked.await.expect("both are in force");
    }
    relay.mood.send_replace(Mood::Hangs);
    let (code, told) = ended(child).await;
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("not healed: "), "{told}");
    assert!(told.contains("try `docker start ") && told.contains("try `docker unpause "), "{told}");
    assert!(troubles(&stand).contains("not healed: "), "{told}");

    relay.mood.send_replace(Mood::Passes);
    // The guardian tries again once its own calls have passed their deadlines.
    super::guardian::nobody_heals(&stand.state(), &stand.bench.project, Duration::from_secs(240)).await;
    stand.is_as_it_was("an engine that hung").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes two minutes: for the long list"]
async fn container_that_vanishes_is_told_of_and_the_rest_is_healed() {
    Bench::new("vanish").await.run(loses_a_container).await;
}

async fn loses_a_container(bench: Bench) {
    let stand = Stand::new(bench, SCENARIO).await;
    let mut child = start(&stand, stand.bench.engine.host());
    stand.has_open(2, &mut child).await;
    let mut remove = Command::new("docker");
    remove.args(["rm", "--force", &stand.site.cluster.containers["cluster-node-1"]]);
    tool::run(&mut remove, Duration::from_secs(60)).await.expect("removed");
    let (code, told) = ended(child).await;
    assert!(matches!(code, Some(3 | 4)), "no verdict on a cluster that lost a node: {code:?} {told}");
    assert!(troubles(&stand).contains("cluster-node-1: its container is gone"), "{told}");
    super::guardian::nobody_heals(&stand.state(), &stand.bench.project, Duration::from_secs(120)).await;
    let redis = stand.bench.engine.inspect(&stand.site.cluster.containers["redis"]).await.expect("inspected");
    assert!(redis.is_healthy(), "{redis:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or more: for the long list"]
async fn run_whose_disk_is_full_ends_healed_and_says_so() {
    Bench::new("full").await.run(fills_its_disk).await;
}

async fn fills_its_disk(bench: Bench) {
    let long = SCENARIO.replace("18s", "60s").replace("for = \"6s\"", "for = \"40s\"").replace("for = \"5s\"", "for = \"40s\"");
    let stand = Stand::new(bench, &long).await;
    // A limit on the size of each file: the history is the first to reach it, once the faults are in force.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 6144; exec \"$0\" \"$@\""]).arg(program());
    stand.words(&mut command, &[]);
    let (code, told) = ended(command.spawn().expect("started")).await;
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("the history cannot be written any more, is the disk full?: healing"), "{told}");
    assert!(told.contains("harness check"), "{told}");
    stand.is_as_it_was("a full disk").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or more: for the long list"]
async fn healing_is_left_to_the_guardian_when_the_user_insists() {
    Bench::new("insist").await.run(is_interrupted_three_times).await;
}

async fn is_interrupted_three_times(bench: Bench) {
    let stand = Stand::new(bench, SCENARIO).await;
    let mut child = start(&stand, stand.bench.engine.host());
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)).expect("it runs");
    stand.has_open(2, &mut child).await;
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    for told in ["interrupted: healing", "healing goes on (", "healing is left to the guardian (process "] {
        kill_process(pid, Signal::INT).expect("sent");
        said(&mut lines, told).await;
    }
    let (code, told) = ended(child).await;
    assert_eq!(code, Some(4), "{told}");
    stand.is_as_it_was("an impatient user").await;
}

async fn said(lines: &mut Lines<BufReader<ChildStderr>>, words: &str) {
    let line = async {
        loop {
            let line = lines.next_line().await.expect("read").expect("it goes on");
            if line.contains(words) {
                return;
            }
        }
    };
    timeout(Duration::from_secs(30), line).await.unwrap_or_else(|_| panic!("it never said: {words}"));
}
