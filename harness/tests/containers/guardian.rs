//! The guardian as a process: what ends it, what does not, and who waits for it. No cluster is needed for that.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use harness::cluster::Cluster;
use harness::locks::{self, Lock};
use harness::nemesis::fingerprint::Fingerprint;
use harness::nemesis::guardian::Guardian;
use harness::nemesis::journal::{self, Journal, Scene};
use harness::nemesis::leftovers::healer_lock;
use rustix::process::{Pid, Signal, getpgid, getpid, kill_process};
use tokio::process::Command;
use tokio::time::timeout;

use super::support::root;

const PROJECT: &str = "catga-test-guarded";
const WITHIN: Duration = Duration::from_secs(20);

pub(super) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_harness"))
}

/// The folder of journals and locks of a harness that is started with this `XDG_STATE_HOME`.
pub(super) fn state_in(home: &Path) -> PathBuf {
    home.join("catga-harness")
}

/// Waits until nobody heals the project any more.
pub(super) async fn nobody_heals(state: &Path, project: &str, within: Duration) {
    let lock: Lock = locks::wait(&healer_lock(state, project), "a test", within, |_| {}).await.expect("the guardian ends");
    drop(lock);
}

/// A run that has injected nothing, and its guardian.
struct Guarded {
    home: tempfile::TempDir,
    guardian: Guardian,
}

impl Guarded {
    async fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let cluster = Cluster {
            project: PROJECT.into(),
            nodes: Vec::new(),
            nats: "127.0.0.1:1".into(),
            nats_monitor: "http://127.0.0.1:1".into(),
            redis: "127.0.0.1:1".into(),
            links: None,
            containers: [].into(),
            helper: None,
            memory: None,
        };
        let engine = "unix:///nowhere/docker.sock".into();
        let scene = Scene { engine, cluster, run: home.path().to_owned(), fingerprint: Fingerprint::default() };
        Journal::create(&state_in(home.path()), scene, None).expect("a journal");
        let guardian = Guardian::start(program(), &state_in(home.path()), PROJECT).await.expect("a guardian");
        Self { home, guardian }
    }

    fn state(&self) -> PathBuf {
        state_in(self.home.path())
    }

    fn pid(&self) -> Pid {
        let id = self.guardian.id().expect("it runs");
        Pid::from_raw(i32::try_from(id).expect("an id")).expect("an id")
    }
}

#[tokio::test]
async fn guardian_that_is_released_leaves_the_journal_alone() {
    let guarded = Guarded::new().await;
    let state = guarded.state();
    guarded.guardian.release().await.expect("it ends well");
    assert!(journal::left(&state, PROJECT).expect("read").is_some());
    assert!(!guarded.home.path().join("guardian.log").exists());
}

#[tokio::test]
async fn guardian_hears_of_the_end_although_a_child_of_the_harness_lives_on() {
    let guarded = Guarded::new().await;
    let state = guarded.state();
    let mut child = Command::new("sleep").arg("300").stdin(Stdio::null()).kill_on_drop(true).spawn().expect("a child");
    drop(guarded.guardian);
    nobody_heals(&state, PROJECT, WITHIN).await;
    assert_eq!(child.try_wait().expect("asked"), None, "the child lives on");
    assert_eq!(journal::left(&state, PROJECT).expect("read"), None, "the journal is closed");
    let told = std::fs::read_to_string(guarded.home.path().join("guardian.log")).expect("a line in the run's folder");
    assert!(told.contains("has died"), "{told}");
}

#[tokio::test]
async fn guardian_outlives_every_signal_of_a_terminal() {
    let guarded = Guarded::new().await;
    let pid = guarded.pid();
    assert_ne!(getpgid(Some(pid)).expect("asked"), getpgid(Some(getpid())).expect("asked"), "a group of its own");
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        kill_process(pid, signal).expect("sent");
    }
    // It hears its pipe after the signals: had one of them ended it, this would fail.
    guarded.guardian.release().await.expect("it ends well");
}

#[tokio::test]
async fn heal_by_hand_waits_for_the_guardian_and_says_so() {
    let guarded = Guarded::new().await;
    let state = guarded.state();
    let mut by_hand = Command::new(program());
    by_hand.args(["heal", "--project", PROJECT]).current_dir(root()).env("XDG_STATE_HOME", guarded.home.path());
    by_hand.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut by_hand = by_hand.spawn().expect("started");
    let mut told = tokio::io::BufReader::new(by_hand.stderr.take().expect("piped"));
    let mut line = String::new();
    let read = tokio::io::AsyncBufReadExt::read_line(&mut told, &mut line);
    timeout(WITHIN, read).await.expect("it says what it waits for").expect("read");
    assert!(line.contains("waiting for the guardian of project catga-test-guarded"), "{line}");
    assert_eq!(by_hand.try_wait().expect("asked"), None, "it waits");

    drop(guarded.guardian);
    let ended = timeout(WITHIN, by_hand.wait_with_output()).await.expect("it ends").expect("read");
    assert!(ended.status.success(), "{ended:?}");
    assert!(String::from_utf8_lossy(&ended.stdout).contains("nothing to heal"), "{ended:?}");
    assert_eq!(journal::left(&state, PROJECT).expect("read"), None, "the guardian has closed the journal");
}
