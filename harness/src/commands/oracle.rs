//! `oracle`: each planted bug on an embedded cluster, and which checker caught it; the correct node, and what is wrongly
//! said of it. Every run is a process of its own, so that a bug takes nothing but itself down.

mod bugs;
mod trial;

use std::fmt::Write as _;

use futures_util::{StreamExt as _, stream};
use judge::report::Report;
use judge::verdict::{Finding, Verdict};

use crate::cli::OracleArgs;
use crate::failure::{Exit, Failure, Sort};
use crate::output::Output;
use crate::workspace::Workspace;
use bugs::{BUGS, Bug};
use trial::{Ended, Trial};

/// Of bugs, and of the correct node in their scenarios.
const SEED: u64 = 11;
/// Without faults: what the correct node is run in again and again.
const CALM: &str = "calm";

/// What came of all runs.
#[derive(Debug, Default)]
struct Score {
    bugs: usize,
    caught: usize,
    correct: usize,
    alarms: usize,
    untold: usize,
}

pub(super) async fn execute(workspace: &Workspace, args: &OracleArgs, out: &Output) -> Result<Exit, Failure> {
    if !cfg!(feature = "planted-bugs") {
        let error = anyhow::anyhow!("this harness was built without its planted bugs: build it with `--features planted-bugs`");
        return Err(Failure { exit: Exit::Usage, error });
    }
    if args.list {
        for Bug { name, scenario, checker } in BUGS {
            out.result(format!("{name:<24} {scenario:<8} {checker}"));
        }
        return Ok(Exit::Success);
    }
    let chosen = bugs::chosen(&args.only).usage()?;
    let trial = |scenario, plant, seed| Trial { workspace, scenario, plant, seed };
    // Whoever asks for all bugs has to see, too, that nothing is said of a node without one.
    let scenarios = if args.only.is_empty() { bugs::scenarios() } else { std::collections::BTreeSet::new() };
    let planted = chosen.iter().map(|bug| trial(bug.scenario, Some(bug.name), SEED));
    let correct = scenarios.into_iter().map(|scenario| trial(scenario, None, SEED));
    let again = (0..args.seeds).map(|seed| trial(CALM, None, seed));
    let runs = planted.chain(correct).chain(again).map(Trial::run);
    let mut ended = stream::iter(runs).buffered(usize::from(args.jobs));
    let mut score = Score::default();
    while let Some(ended) = ended.next().await {
        let bug = chosen.iter().find(|bug| Some(bug.name) == ended.trial.plant);
        out.result(score.count(bug, &ended));
    }
    let Score { bugs, caught, correct, alarms, untold } = score;
    out.result(format!(
        "{caught} of {bugs} bugs caught; the correct node: {correct} runs, {alarms} false alarms, {untold} of them without a verdict"
    ));
    Ok(match (bugs - caught + alarms, untold) {
        (0, 0) => Exit::Success,
        (0, _) => Exit::Unknown,
        _ => Exit::Invalid,
    })
}

impl Score {
    /// Counts a run, and makes its lines of the table.
    fn count(&mut self, bug: Option<&Bug>, ended: &Ended<'_>) -> String {
        let took = format!("{:.1} s", ended.took.as_secs_f64());
        let Some(bug) = bug else {
            return format!("{}, {took}", self.count_correct(ended));
        };
        self.bugs += 1;
        match &ended.report {
            Ok(report) => {
                let (caught, line) = caught(bug, report, &took);
                self.caught += usize::from(caught);
                line
            }
            Err(error) => format!("MISSED {:<24} {took}\n       {error:#}", bug.name),
        }
    }

    fn count_correct(&mut self, ended: &Ended<'_>) -> String {
        self.correct += 1;
        let run = format!("the correct node, {} {}", ended.trial.scenario, ended.trial.seed);
        let (mark, why) = match &ended.report {
            Ok(report) if report.verdict == Verdict::Valid => return format!("valid {run}, {} orders", report.orders.attempted),
            Ok(report) if report.verdict == Verdict::Invalid => ("FALSE ALARM", report.reason.clone()),
            Ok(report) => ("UNKNOWN", report.reason.clone()),
            Err(error) => ("UNKNOWN", format!("{error:#}")),
        };
        self.alarms += usize::from(mark == "FALSE ALARM");
        self.untold += usize::from(mark == "UNKNOWN");
        format!("{mark} {run}: {why}")
    }
}

/// Whether the checker that should has caught it, and a line of the table with the evidence below.
fn caught(bug: &Bug, report: &Report, took: &str) -> (bool, String) {
    let Bug { name, checker, .. } = bug;
    let wrong = || report.checkers.iter().filter(|finding| finding.verdict == Verdict::Invalid);
    let found: Vec<&str> = wrong().map(|finding| finding.name.as_str()).collect();
    let expected = wrong().find(|finding| finding.name == *checker);
    let mark = if expected.is_some() { "caught" } else { "MISSED" };
    let by = if found.is_empty() { "nobody".to_owned() } else { found.join(", ") };
    let after = expected.and_then(first_order).map_or_else(String::new, |number| format!(", first with order {number}"));
    let mut line = format!("{mark} {name:<24} by {by}{after} of {}, {took}", report.orders.attempted);
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
