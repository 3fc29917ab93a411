//! `load --find-max`: the highest rate that a cluster sustains, each rate tried on a fresh cluster.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use jiff::Timestamp;
use judge::limit::{self, Curve, Limits, Search, Trial};
use judge::plan::Overrides;
use judge::report;
use judge::scenario::{ExpectSpec, ProfileName, Scenario};
use judge::verdict::Verdict;

use super::chaos::{self, OWN_PROJECT};
use crate::bring_up;
use crate::cli::{LoadArgs, RunOptions};
use crate::cluster::Kind;
use crate::failure::{Exit, Failure, Sort};
use crate::folder::RunFolder;
use crate::interrupt::Interrupt;
use crate::load::GooseOptions;
use crate::output::Output;
use crate::review;
use crate::run::{self, Job};
use crate::workspace::Workspace;

/// How long a rate is held where nothing is said.
const TRIAL: Duration = Duration::from_secs(12);
/// Above that the plan refuses a rate.
const RATE_MOST: f64 = 100_000.0;

pub(super) async fn execute(
    workspace: Workspace,
    args: &LoadArgs,
    scenario: &Scenario,
    kind: Kind,
    goose: GooseOptions,
    out: &Output,
) -> Result<Exit, Failure> {
    let options = &args.options;
    let interrupt = Interrupt::install().environment()?;
    let began = Instant::now();
    let limits = Limits { request_p99_ms: args.max_p99.as_secs_f64() * 1_000.0, errors: args.max_errors };
    let start = options.shape.rate.or(scenario.load.rate).unwrap_or(100.0);
    let mut search = Search::new(start, args.max_trials, RATE_MOST);
    let seed = options.seed.seed.unwrap_or_else(chaos::fresh_seed);
    let mut trials: Vec<Trial> = Vec::new();
    out.result(limit::heading());
    while let Some(rate) = search.next_rate() {
        if interrupt.is_raised() || began.elapsed() >= args.max_time {
            break;
        }
        out.note(format!("trying {rate} operations per second"));
        let job = job(&workspace, options, scenario, (rate, seed), kind, &goose)?;
        let trial = tried(&job, rate, &limits, &interrupt, out).await?;
        if interrupt.is_raised() {
            break;
        }
        out.result(limit::line(&trial));
        out.json(&trial);
        search.tell(rate, trial.holds());
        trials.push(trial);
    }
    trials.sort_by(|one, other| one.rate.total_cmp(&other.rate));
    let (held_per_s, broke_per_s) = search.bracket();
    let (scenario, cluster) = (scenario.name.clone(), kind.word().to_owned());
    let curve = Curve { format: limit::FORMAT, scenario, cluster, seed, limits, held_per_s, broke_per_s, trials };
    let page = write(workspace.runs(), &curve).environment()?;
    out.result(format!("{}\n  {}", curve.verdict(), page.display()));
    out.json(&curve);
    Ok(match (interrupt.is_raised(), held_per_s) {
        _ if curve.is_wrong() => Exit::Invalid,
        (true, _) => Exit::Interrupted,
        (false, Some(_)) if curve.is_limit_of_the_cluster() => Exit::Success,
        (false, _) => Exit::Unknown,
    })
}

fn job(
    workspace: &Workspace,
    options: &RunOptions,
    scenario: &Scenario,
    (rate, seed): (f64, u64),
    cluster: Kind,
    goose: &GooseOptions,
) -> Result<Job, Failure> {
    let duration = Some(options.shape.duration.unwrap_or(TRIAL));
    let overrides = Overrides { rate: Some(rate), duration, profile: Some(ProfileName::Constant), recorded: None };
    let mut scenario = scenario.clone();
    // Clients are as many as this rate demands, and the search has limits of its own.
    scenario.load.processes_per_node = None;
    scenario.exercise.clear();
    scenario.expect = ExpectSpec::default();
    let plan = workspace.plan(&scenario, seed, &overrides, cluster).usage()?;
    let bring_up = bring_up::Request { project: OWN_PROJECT.into(), use_running: false, plant: None, heal: false };
    let (workspace, repeat, goose) = (workspace.clone(), String::new(), goose.clone());
    let metrics = options.metrics;
    Ok(Job { workspace, plan, cluster, bring_up, keep_up: false, repeat, metrics, goose, brief: true, death: None })
}

async fn tried(job: &Job, rate: f64, limits: &Limits, interrupt: &Interrupt, out: &Output) -> Result<Trial, Failure> {
    let finished = Box::pin(run::run(job, interrupt, out)).await?;
    if finished.report.verdict != Verdict::Valid {
        out.note(&finished.report.reason);
    }
    let recorded = review::read(&RunFolder::open(&finished.folder)).environment()?;
    Ok(Trial::of(rate, &finished.report, &recorded.history, &recorded.samples, limits))
}

/// The curve as JSON and as a page, in a folder of the search; each rate has its own run folder.
fn write(runs: &Path, curve: &Curve) -> anyhow::Result<PathBuf> {
    let folder = runs.join("max").join(Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string());
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let json = serde_json::to_string_pretty(curve).context("the curve has no JSON")?;
    let page = folder.join("curve.html");
    for (path, text) in [(&folder.join("curve.json"), json), (&page, report::curve(curve))] {
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(page)
}
