//! The kernel's delay. Where the kernel lacks it, what is tested is that it is refused before anything is started.

use std::fs;
use std::process::Stdio;

use judge::plan::{FaultKind, Link, Via};
use tokio::process::Command;

use super::guardian::program;
use super::stage::{InForce, up_with_helpers};
use super::support::{Bench, root};

const SCENARIO: &str = r#"hypothesis = "a slow line to Redis loses nothing"

[load]
profile = "constant"
rate = 220
duration = "20s"
warm_up = "1s"

[[fault]]
at = "8s"
for = "2s"
kind = "delay"
link = "redis"
latency = "50ms"
via = "netem"
target = "cluster-node-2"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn delay_by_the_kernel_shows_and_heals_or_is_refused_with_the_reason() {
    Bench::new("netem").await.run(delayed_or_refused).await;
}

async fn delayed_or_refused(bench: Bench) {
    let home = tempfile::tempdir().expect("a folder");
    let scenario = home.path().join("slow.toml");
    fs::write(&scenario, SCENARIO).expect("written");
    let mut command = Command::new(program());
    // There is no such project: a kernel that has netem lets the run come so far.
    command.arg("chaos").arg(&scenario).args(["--seed", "1", &format!("--use-running={}", bench.project)]);
    command.arg("--runs").arg(home.path().join("runs")).env("XDG_STATE_HOME", home.path());
    let ended = command.current_dir(root()).stdin(Stdio::null()).output().await.expect("it runs");
    let told = String::from_utf8_lossy(&ended.stderr);
    if ended.status.code() != Some(2) {
        let cluster = up_with_helpers(&bench).await;
        let delay = FaultKind::Delay { link: Link::Redis, via: Via::Netem, latency_ms: 50, jitter_ms: 0, seed: 0 };
        let delay = InForce::new(&bench, &cluster, delay, "cluster-node-2").await;
        delay.heal().await;
        return;
    }
    for part in ["fault 1 (delay cluster-node-2 at 8000 ms for 2000 ms)", "the kernel's netem", "write via = \"proxy\""] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(bench.engine.remove_helpers(&bench.project).await.expect("listed"), 0, "no helper is left");
}
