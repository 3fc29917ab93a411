//! `oracle`: each planted bug on an embedded cluster, and which checker caught it; the correct node, and what is wrongly
//! said of it. Every run is a process of its own, so that a bug takes nothing but itself down.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use judge::report::Report;
use judge::verdict::{Finding, Verdict};
use tokio::process::Command;

use crate::cli::OracleArgs;
use crate::failure::{Exit, Failure, Sort};
use crate::output::Output;
use crate::tool;
use crate::workspace::Workspace;

/// Load, faults, rest and reads take some 30 s.
const RUN_WITHIN: Duration = Duration::from_secs(120);
const SEED: u64 = 11;
/// For `--only`: no bug at all, the correct node alone.
const NONE: &str = "none";

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
    ("redelivery-skips-inbox", "fog", "duplicated"),
    ("ack-before-apply", "fog", "lost"),
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
    let bugs = chosen(&args.only).usage()?;
    let (mut missed, mut alarms, mut untold) = (0_usize, 0_usize, 0_usize);
    for (bug, scenario, checker) in &bugs {
        let run = Run { workspace, scenario, plant: Some(bug), seed: SEED };
        let report = run.report().await.environment()?;
        let (caught, line) = line(bug, checker, &report);
        missed += usize::from(!caught);
        out.result(line);
    }
    for seed in 0..args.seeds {
        let report = Run { workspace, scenario: "calm", plant: None, seed }.report().await.environment()?;
        let mark = match report.verdict {
            Verdict::Valid => "valid",
            Verdict::Unknown => "UNKNOWN",
            Verdict::Invalid => "FALSE ALARM",
        };
        alarms += usize::from(report.verdict == Verdict::Invalid);
        untold += usize::from(report.verdict == Verdict::Unknown);
        let why = if report.verdict == Verdict::Valid { String::new() } else { format!(": {}", report.reason) };
        out.result(format!("{mark} the correct node, seed {seed}, {} orders{why}", report.orders.attempted));
    }
    out.result(format!(
        "{} of {} bugs caught; the correct node: {} runs, {alarms} false alarms, {untold} of them without a verdict",
        bugs.len() - missed,
        bugs.len(),
        args.seeds
    ));
    Ok(match (missed + alarms, untold) {
        (0, 0) => Exit::Success,
        (0, _) => Exit::Unknown,
        _ => Exit::Invalid,
    })
}

/// The bugs that were asked for: all of them, where none was named.
fn chosen(only: &[String]) -> anyhow::Result<Vec<&'static (&'static str, &'static str, &'static str)>> {
    if only.is_empty() {
        return Ok(BUGS.iter().collect());
    }
    let find = |name: &String| BUGS.iter().find(|(bug, ..)| bug == name);
    only.iter()
        .filter(|name| name.as_str() != NONE)
        .map(|name| find(name).with_context(|| format!("no bug is called {name:?}; `harness oracle --list` names them")))
        .collect()
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
    let by = if found.is_empty() { "nobody".to_owned() } else { found.join(", ") };
    let after = expected.and_then(first_order).map_or_else(String::new, |number| format!(", first with order {number}"));
    let mut line = format!("{mark} {bug:<24} by {by}{after} of {}", report.orders.attempted);
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

/// The number, from 1, of the earliest order among those that the finding names.
fn first_order(finding: &Finding) -> Option<u64> {
    finding
        .orders
        .iter()
        .filter_map(|order| order.order_id.rsplit('-').next()?.parse::<u64>().ok())
        .min()
        .map(|number| number + 1)
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
        // Of an earlier oracle: it must not be taken for the report of a run that never came to one.
        let latest = runs.join("latest");
        match std::fs::remove_file(&latest) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", latest.display()));
            }
            _ => {}
        }
        // A verdict that is not valid is an exit code, too: the report tells.
        let ended = tool::run(&mut command, RUN_WITHIN).await;
        let path: PathBuf = latest.join("report.json");
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

    #[test]
    fn only_what_is_named_is_chosen_and_what_is_unknown_is_told() {
        let names = |only: &[&str]| chosen(&only.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(names(&[]).expect("all").len(), BUGS.len());
        assert_eq!(names(&[NONE]).expect("none"), Vec::<&(&str, &str, &str)>::new());
        assert_eq!(names(&["feed-skips"]).expect("one")[0].2, "feeds");
        assert!(names(&["feed-skip"]).expect_err("no such bug").to_string().contains("--list"));
    }
}
