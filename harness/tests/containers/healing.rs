//! The harness is killed at many points of a run, and its guardian brings the cluster back to what it was.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use harness::cluster::{self, Cluster, Overlay, UpOptions};
use harness::images;
use harness::nemesis::fingerprint::Fingerprint;
use harness::nemesis::{Site, journal};
use harness::poll;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::guardian::{nobody_heals, program, state_in};
use super::support::{Bench, options, quiet, root};

/// A node stopped, NATS killed, Redis frozen, another node restarted, so that they overlap: thirteen lines of a journal.
const SCENARIO: &str = r#"hypothesis = "the harness may die at any point"

[load]
profile = "constant"
rate = 220
duration = "60s"
warm_up = "1s"
client_timeout = "500ms"
keys = "unique"

[[fault]]
at = "6s"
for = "2s"
kind = "stop"
target = "cluster-node-1"

[[fault]]
at = "7s"
for = "2s"
kind = "kill"
target = "nats"

[[fault]]
at = "8s"
for = "2s"
kind = "pause"
target = "redis"

[[fault]]
at = "9s"
kind = "restart"
target = "cluster-node-3"
"#;

/// A node off the network of Redis, another one with little processor, the link of a third one slow, the disk of Redis full, so
/// that they overlap: twelve lines of a journal, as a rule of the fault proxy has no line of its own once it is injected.
const OTHER_KINDS: &str = r#"hypothesis = "the harness may die at any point"

[load]
profile = "constant"
rate = 220
duration = "60s"
warm_up = "1s"
client_timeout = "500ms"
keys = "unique"

[[fault]]
at = "7s"
for = "3s"
kind = "cut"
from = "redis"
target = "cluster-node-1"

[[fault]]
at = "8s"
for = "3s"
kind = "cpu"
cpus = 0.2
target = "cluster-node-2"

[[fault]]
at = "9s"
for = "3s"
kind = "delay"
link = "nats"
latency = "200ms"
target = "cluster-node-3"

[[fault]]
at = "13s"
for = "2s"
kind = "disk_full"
target = "redis"
"#;
/// After lines, and in the middle of the calls that cut, fill the disk, and empty it.
const OTHER_POINTS: [&str; 9] = ["2+310ms", "3", "5", "6", "6+700ms", "8", "10+2050ms", "11", "11+2050ms"];

/// After each line of the journal, and in the middle of calls: a line is written 300 ms before its fault is injected.
const POINTS: [&str; 20] = [
    "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "2+310ms", "2+400ms", "4+305ms", "4+350ms", "6+305ms",
    "8+400ms", "8+700ms",
];
/// Those that the gate can afford: four between calls, one in the middle of a stop. After the last the guardian looks out
/// for 40 s.
const FEW: [&str; 5] = ["3", "5", "7", "11", "2+400ms"];
/// Long enough for every point to be reached.
const DIES_WITHIN: Duration = Duration::from_secs(60);
/// What a pipe's reader waits for after the harness has died, while its guardian lives.
const PIPE_ENDS_WITHIN: Duration = Duration::from_secs(5);
const AS_IT_WAS_WITHIN: Duration = Duration::from_secs(10);
const GUARDIAN_LEAVES_WITHIN: Duration = Duration::from_secs(120);

/// A running cluster, and a harness that attaches to it.
pub(super) struct Stand {
    pub(super) bench: Bench,
    pub(super) site: Site,
    pub(super) home: tempfile::TempDir,
    scenario: PathBuf,
    before: Fingerprint,
}

impl Stand {
    pub(super) async fn new(bench: Bench, text: &str) -> Self {
        let cluster = bench.up().await;
        Self::on(bench, cluster, text).await
    }

    async fn on(bench: Bench, cluster: Cluster, text: &str) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let scenario = home.path().join("dies.toml");
        std::fs::write(&scenario, text).expect("written");
        let site = Site { engine: bench.engine.clone(), cluster };
        let before = Fingerprint::take_settled(&site).await.expect("a fingerprint");
        Self { bench, site, home, scenario, before }
    }

    pub(super) fn state(&self) -> PathBuf {
        state_in(self.home.path())
    }

    fn chaos(&self, words: &[&str]) -> Child {
        let mut command = Command::new(program());
        self.words(&mut command, words);
        command.spawn().expect("started")
    }

    /// Added to a command: in a process group of its own, with its output piped.
    pub(super) fn words(&self, command: &mut Command, words: &[&str]) {
        command
            .arg("chaos")
            .arg(&self.scenario)
            .args(["--seed", "1", &format!("--use-running={}", self.bench.project)])
            .args(words)
            .arg("--runs")
            .arg(self.home.path().join("runs"))
            .current_dir(root())
            .env("XDG_STATE_HOME", self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
    }

    /// Waits until so many faults are open in the journal of a harness that runs.
    pub(super) async fn has_open(&self, faults: usize, harness: &mut Child) {
        let asked = poll::until(DIES_WITHIN, Duration::from_millis(20), || {
            let ended = harness.try_wait().expect("asked");
            let left = journal::left(&self.state(), &self.bench.project).expect("read").unwrap_or_default();
            let is_so = left.open.len() >= faults;
            async move {
                match ended {
                    _ if is_so => Ok(Ok(())),
                    Some(status) => Ok(Err(status)),
                    None => Err(format!("{:?}", left.open)),
                }
            }
        });
        if let Err(status) = asked.await.expect("faults in force") {
            let mut told = String::new();
            if let Some(mut stderr) = harness.stderr.take() {
                stderr.read_to_string(&mut told).await.expect("read");
            }
            panic!("the harness ended too early, with {status}: {told}");
        }
    }

    /// Soon, and after the guardian has gone, too.
    pub(super) async fn is_as_it_was(&self, point: &str) {
        if let Err(expired) = self.before.wait_until_equal(&self.site, AS_IT_WAS_WITHIN).await {
            panic!("dead at {point}, and the cluster differs: {expired}");
        }
        nobody_heals(&self.state(), &self.bench.project, GUARDIAN_LEAVES_WITHIN).await;
        let left = journal::left(&self.state(), &self.bench.project).expect("read").unwrap_or_default();
        assert_eq!(left.open, [], "dead at {point}");
        let now = Fingerprint::take(&self.site).await.expect("asked");
        assert_eq!(self.before.differences(&now), Vec::<String>::new(), "dead at {point}");
    }
}

/// Waits for the end of the process, then of its output.
async fn killed(mut child: Child, point: &str) -> Output {
    let died = timeout(DIES_WITHIN, child.wait()).await;
    let output = timeout(PIPE_ENDS_WITHIN, child.wait_with_output()).await;
    let output = output.unwrap_or_else(|_| panic!("dead at {point}, and somebody holds its output open")).expect("read");
    let status = died.unwrap_or_else(|_| panic!("not dead at {point}: {output:?}")).expect("waited for");
    assert_eq!(status.signal(), Some(9), "dead at {point}: {output:?}");
    output
}

async fn dies_at(bench: Bench, points: &[&str]) {
    dies(Stand::new(bench, SCENARIO).await, points).await;
}

/// On a cluster with a fault proxy and small disks.
async fn dies_of_other_kinds(mut bench: Bench) {
    bench.images.proxy = Some(images::ensure_proxy(&bench.engine, &root(), &quiet, false).await.expect("an image"));
    let options = UpOptions { overlays: vec![Overlay::SmallDisks], ..options() };
    let up = cluster::up(&bench.engine, &bench.tool, &bench.images, &bench.project, &options, &quiet);
    let cluster = up.await.expect("a cluster");
    dies(Stand::on(bench, cluster, OTHER_KINDS).await, &OTHER_POINTS).await;
}

async fn dies(stand: Stand, points: &[&str]) {
    for point in points {
        killed(stand.chaos(&["--die-at", point]), point).await;
        stand.is_as_it_was(point).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_is_as_it_was_soon_after_the_harness_was_killed_at_a_few_points() {
    Bench::new("dies").await.run(|bench| dies_at(bench, &FEW)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes ten minutes: for the long list"]
async fn cluster_is_as_it_was_soon_after_the_harness_was_killed_at_every_point() {
    Bench::new("points").await.run(|bench| dies_at(bench, &POINTS)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes ten minutes: for the long list"]
async fn cluster_is_as_it_was_soon_after_the_harness_was_killed_in_a_cut_a_limit_a_slow_link_and_a_full_disk() {
    Bench::new("kinds").await.run(dies_of_other_kinds).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or more: for the long list"]
async fn guardian_survives_the_end_of_the_whole_process_group() {
    Bench::new("group").await.run(dies_with_its_group).await;
}

async fn dies_with_its_group(bench: Bench) {
    let stand = Stand::new(bench, SCENARIO).await;
    let mut child = stand.chaos(&[]);
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)).expect("it runs");
    stand.has_open(3, &mut child).await;
    kill_process_group(group, Signal::KILL).expect("sent");
    killed(child, "three faults at once").await;

    // Whoever starts now waits for the guardian instead of loading a broken cluster.
    let second = timeout(GUARDIAN_LEAVES_WITHIN, stand.chaos(&["--die-at", "1"]).wait_with_output()).await;
    let second = second.expect("it goes on").expect("read");
    let told = String::from_utf8_lossy(&second.stderr);
    assert!(told.contains("waiting for the guardian"), "{told}");
    assert_eq!(second.status.signal(), Some(9), "then it runs: {told}");
    stand.is_as_it_was("three faults at once").await;
}
