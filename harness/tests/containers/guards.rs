//! A run whose guard trips while a fault is in force: it is given up, healed, and judged as unknown.

use std::fs;
use std::time::Duration;

use harness::engine::Status;
use judge::report::Report;
use judge::verdict::Verdict;
use tokio::process::Command;
use tokio::time::timeout;

use super::guardian::program;
use super::healing::Stand;
use super::stage::becomes;
use super::support::Bench;

/// The load would go on for twenty minutes.
const SCENARIO: &str = r#"hypothesis = "a run that is past help is given up"

[load]
profile = "constant"
rate = 220
duration = "20m"
warm_up = "1s"
client_timeout = "500ms"
keys = "unique"

[[fault]]
at = "6s"
for = "10m"
kind = "pause"
target = "cluster-node-2"

[guard]
probe = "test ! -e FLAG || { echo the flag is up; exit 7; }"
probe_every = "1s"
"#;
/// Healing, quiescence and the final reads.
const ENDS_WITHIN: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn run_whose_probe_fails_is_given_up_and_healed_and_its_verdict_is_unknown() {
    Bench::new("guards").await.run(given_up).await;
}

async fn given_up(bench: Bench) {
    let folder = tempfile::tempdir().expect("a folder");
    let flag = folder.path().join("flag");
    let stand = Stand::new(bench, &SCENARIO.replace("FLAG", &flag.display().to_string())).await;
    let mut command = Command::new(program());
    stand.words(&mut command, &[]);
    let mut run = command.spawn().expect("started");
    stand.has_open(1, &mut run).await;
    let node = stand.site.target("cluster-node-2").expect("a node");
    let status = || async { stand.site.inspect(&node).await.expect("asked").status };
    becomes("the node is frozen", Status::Paused, status).await;
    fs::write(&flag, "").expect("the flag is up");

    let ended = timeout(ENDS_WITHIN, run.wait_with_output()).await.expect("it ends").expect("read");
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(3), "{told}");
    assert!(told.contains("the guard probe gives the run up") && told.contains("the flag is up"), "{told}");
    let report = fs::read(stand.home.path().join("runs/latest/report.json")).expect("a report");
    let report: Report = serde_json::from_slice(&report).expect("a report");
    assert_eq!((report.verdict, report.run.complete), (Verdict::Unknown, false), "{}", report.reason);
    assert!(report.reason.contains("the guard probe gave the run up"), "{}", report.reason);
    assert!(report.faults[0].healed_at_ms.is_some() && report.faults[0].heal_verified, "{:?}", report.faults);
    stand.is_as_it_was("a guard").await;
}
