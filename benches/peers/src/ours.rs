//! The harness's load engine as a run has it: goose's users, the history written as it happens, the live histograms, and the
//! judge's figures of what was written.

use anyhow::{Context as _, bail};
use harness::cluster::{Cluster, Node};
use harness::load::{Errand, GooseOptions, Load as Engine};
use harness::recorder::{HISTORY, Recorder};
use judge::history::{Entry, FORMAT, Header, Outcome, Phase};
use judge::plan::{Abilities, Overrides, Plan};
use judge::scenario::Scenario;
use serde_json::{Value, json};

use crate::options::{Load, What};

const NODE: &str = "cluster-node-1";

pub(crate) async fn run(load: &Load) -> anyhow::Result<Value> {
    let plan = plan(load)?;
    let folder = tempfile::tempdir().context("no folder for the history")?;
    let nonce = format!("peer{}", std::process::id());
    let header = Header {
        format: FORMAT,
        harness: env!("CARGO_PKG_VERSION").into(),
        nonce: nonce.clone(),
        scenario: plan.scenario.clone(),
        seed: plan.seed,
        started_at: "2026-01-01T00:00:00Z".into(),
        nodes: Vec::new(),
        cluster: "compose".into(),
        load_priority: None,
    };
    let recorder = Recorder::create(folder.path(), &header)?;
    let errand = match load.what {
        What::Health => Errand::Health,
        What::Orders => Errand::Orders,
    };
    let engine = Engine::start_on(errand, &plan, &cluster(&load.url), &nonce, &recorder, &GooseOptions::default()).await?;
    recorder.write(&Entry::Phase { t_us: engine.epoch_us(), phase: Phase::Load });
    engine.finish().await?;
    let cpu_s = processor_seconds()?;
    recorder.write_through(&Entry::End { t_us: recorder.now_us() });
    recorder.finish()?;
    figures(&plan, &std::fs::read(folder.path().join(HISTORY))?, cpu_s)
}

/// What this process has had so far, in seconds: the judge, who comes afterwards, is no part of the engine.
fn processor_seconds() -> anyhow::Result<f64> {
    /// The kernel counts in hundredths of a second, whatever it works with inside.
    const TICKS: f64 = 100.0;
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let fields = text.rsplit_once(')').context("/proc/self/stat has no name in brackets")?.1.split_whitespace();
    let [user, system] = fields.skip(11).take(2).map(str::parse::<f64>).collect::<Result<Vec<_>, _>>()?[..] else {
        bail!("/proc/self/stat is too short: {text:?}");
    };
    Ok((user + system) / TICKS)
}

fn plan(load: &Load) -> anyhow::Result<Plan> {
    let Load { seconds, .. } = load;
    let shape = match (load.users, load.rate) {
        (Some(users), None) => format!("model = \"closed\"\nusers = {users}\nthink = \"0s\""),
        (None, Some(rate)) => format!("profile = \"constant\"\nrate = {rate}"),
        _ => bail!("either --users is needed, for the closed model, or --rate, for the open one"),
    };
    // The timeout is longer than the stall, and not much: the open model has clients for all that may begin within it.
    let text = format!(
        "hypothesis = \"h\"\n[load]\n{shape}\nduration = \"{seconds}s\"\nwarm_up = \"100ms\"\nclient_timeout = \"3s\"\nkeys = \"unique\"\n"
    );
    let scenario = Scenario::parse("peers", &text)?;
    Ok(judge::plan::resolve(&scenario, 1, &Overrides::default(), &[NODE.to_owned()], &Abilities::everything())?)
}

fn cluster(url: &str) -> Cluster {
    let node = Node { name: NODE.into(), id: "peer".into(), url: url.to_owned(), container: String::new() };
    Cluster::of_nodes("peers", vec![node])
}

fn figures(plan: &Plan, recorded: &[u8], cpu_s: f64) -> anyhow::Result<Value> {
    let history = judge::history::read(recorded)?;
    let ok = history.ops.iter().filter(|op| op.outcome() == Outcome::Ok).count();
    let report = judge::judge(plan, &history, &[]);
    let [corrected, uncorrected] = [&report.request_ms.from_start.overall, &report.request_ms.service_ms.overall];
    Ok(json!({
        "requests": ok,
        "cpu_s": cpu_s,
        "failed": history.ops.len() - ok,
        "rate": ok as f64 * 1_000.0 / plan.load.duration_ms as f64,
        "p50_ms": corrected.p50,
        "p99_ms": corrected.p99,
        "uncorrected_p50_ms": uncorrected.p50,
        "uncorrected_p99_ms": uncorrected.p99,
        "unstarted": report.load.unstarted,
        "late_start_p99_ms": report.load.late_start_p99_ms,
    }))
}
