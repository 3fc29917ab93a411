//! `oracle`: each planted bug on an embedded cluster, and which checker caught it; the correct node, and what is wrongly
//! said of it. Every run is a process of its own, so that a bug takes nothing but itself down.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use judge::report::Report;
use judge::verdict::Verdict;
use tokio::process::Command;

use crate::cli::OracleArgs;
use crate::failure::{Exit, Failure, Sort};
use crate::output::Output;
use crate::tool;
use crate::workspace::Workspace;

/// Load, faults, rest and reads take some 30 s.
const RUN_WITHIN: Duration = Duration::from_secs(120);
const SEED: u64 = 11;

/// A bug, the scenario under `harness/oracle/` that is meant to catch it, and the checker that should.
const BUGS: [(&str, &str, &str); 28] = [
    ("ack-before-persist", "weather", "lost"),
    ("ok-after-timeout", "weather", "lost"),
    ("refused-after-writing", "calm", "unexpected"),
    ("conflict-accepted", "calm", "idempotency"),
    ("replay-changes-answer", "calm", "idempotency"),
    ("replay-as-new", "calm", "forgotten"),
    ("echoes-another-order", "calm", "answers"),
    ("message-id-reused", "calm", "lost"),
    ("float-amounts", "calm", "unexpected"),
    ("remove-before-ack", "weather", "lost"),
    ("marked-not-published", "calm", "lost"),
    ("failure-is-terminal", "weather", "lost"),
    ("publishes-twice", "calm", "duplicated"),
    ("recovery-eats-rows", "weather", "lost"),
    ("no-recovery", "weather", "stranded"),
    ("redelivery-skips-inbox", "weather", "duplicated"),
    ("ack-before-apply", "weather", "lost"),
    ("parks-good-orders", "calm", "lost"),
    ("stops-applying", "calm", "stranded"),
    ("feed-skips", "calm", "feeds"),
    ("feed-repeats", "calm", "feeds"),
    ("feed-swaps", "calm", "feeds"),
    ("resume-off-by-one", "weather", "feeds"),
    ("readiness-always-green", "weather", "health"),
    ("forgets-orders", "calm", "vanished"),
    ("page-skips", "calm", "lost"),
    ("ledger-rounds", "calm", "ledger"),
    ("ledger-miscounts", "calm", "ledger"),
];

pub(super) async fn execute(workspace: &Workspace, args: &OracleArgs, out: &Output) -> Result<Exit, Failure> {
    if !cfg!(feature = "planted-bugs") {
        let error = anyhow::anyhow!("this harness was built without its planted bugs: build it with `--features planted-bugs`");
        return Err(Failure { exit: Exit::Usage, error });
    }
    if args.list {
        for (bug, scenario, checker) in BUGS {
            out.result(format!("{bug:<24} {scenario:<8} {checker}"));
        }
        return Ok(Exit::Success);
    }
    let mut failed = 0_usize;
    for (bug, scenario, checker) in BUGS.iter().filter(|(bug, ..)| args.only.as_deref().is_none_or(|only| only == *bug)) {
        let run = Run { workspace, scenario, plant: Some(bug), seed: SEED };
        let report = run.report().await.environment()?;
        let (caught, line) = line(bug, checker, &report);
        failed += usize::from(!caught);
        out.result(line);
    }
    for seed in 0..args.seeds {
        let report = Run { workspace, scenario: "calm", plant: None, seed }.report().await.environment()?;
        if report.verdict == Verdict::Invalid {
            failed += 1;
            out.result(format!("FALSE ALARM with seed {seed}: {}", report.reason));
        } else {
            out.result(format!("the correct node with seed {seed}: {}", report.verdict));
        }
    }
    out.result(if failed == 0 { "all as it should be".to_owned() } else { format!("{failed} not as they should be") });
    Ok(if failed == 0 { Exit::Success } else { Exit::Invalid })
}

/// Whether the checker that should has caught it, and a line of the table with the evidence below.
fn line(bug: &str, checker: &str, report: &Report) -> (bool, String) {
    let found: Vec<&str> = report
        .checkers
        .iter()
        .filter(|finding| finding.verdict == Verdict::Invalid)
        .map(|finding| finding.name.as_str())
        .collect();
    let expected = report.checkers.iter().find(|finding| finding.name == checker && finding.verdict == Verdict::Invalid);
    let mark = if expected.is_some() { "caught" } else { "MISSED" };
    let mut line = format!("{mark} {bug:<24} by {}, after {} orders", found.join(", "), report.orders.attempted);
    match expected {
        Some(finding) => {
            let evidence = finding.evidence.first().unwrap_or(&finding.summary);
            let _ = write!(line, "\n       {checker}: {} ({} in all)", evidence, finding.count);
        }
        None => {
            let _ = write!(line, "\n       {checker} should have; the verdict is {}: {}", report.verdict, report.reason);
        }
    }
    (expected.is_some(), line)
}

struct Run<'a> {
    workspace: &'a Workspace,
    scenario: &'a str,
    plant: Option<&'a str>,
    seed: u64,
}

impl Run<'_> {
    async fn report(&self) -> anyhow::Result<Report> {
        let program = std::env::current_exe().context("cannot find the harness's own program")?;
        let runs = self.workspace.runs().join("oracle").join(self.plant.unwrap_or("correct"));
        let scenario = self.workspace.root().join("harness/oracle").join(format!("{}.toml", self.scenario));
        let mut command = Command::new(program);
        command.arg("--runs").arg(&runs).arg("chaos").arg(scenario);
        command.args(["--cluster", crate::embedded::NAME, "--seed", &self.seed.to_string()]);
        if let Some(bug) = self.plant {
            command.args(["--plant", bug]);
        }
        // A verdict that is not valid is an exit code, too: the report tells.
        let ended = tool::run(&mut command, RUN_WITHIN).await;
        let path: PathBuf = runs.join("latest/report.json");
        let text = std::fs::read(&path).with_context(|| format!("no report of {}: {ended:?}", runs.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("cannot read {}", path.display()))
    }
}

#[cfg(all(test, feature = "planted-bugs"))]
mod tests {
    use std::collections::BTreeSet;

    use clap::ValueEnum as _;
    use node::plant::Plant;

    use super::*;

    #[test]
    fn every_planted_bug_has_a_scenario_and_a_checker() {
        let planted: BTreeSet<String> = Plant::value_variants()
            .iter()
            .filter_map(clap::ValueEnum::to_possible_value)
            .map(|value| value.get_name().to_owned())
            .collect();
        let known: BTreeSet<String> = BUGS.iter().map(|(bug, ..)| (*bug).to_owned()).collect();
        assert_eq!(planted, known);
    }
}
