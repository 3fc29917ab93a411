//! `chaos` and `load`: the same run, with and without the plan's faults.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use judge::compare::{Scope, compare, table};
use judge::plan::{Overrides, Plan};
use judge::scenario::Scenario;

use super::{choice, load_max};
use crate::bring_up;
use crate::cli::{LoadArgs, RunArgs, RunOptions, ShapeArgs};
use crate::cluster::Kind;
use crate::compared;
use crate::failure::{Exit, Failure, Sort};
use crate::interrupt::Interrupt;
use crate::load::GooseOptions;
use crate::output::Output;
use crate::run::{self, Finished, Job};
use crate::workspace::Workspace;

/// The compose project that belongs to the harness.
pub(super) const OWN_PROJECT: &str = "catga-chaos";

pub(super) async fn chaos(workspace: Workspace, args: RunArgs, out: &Output) -> Result<Exit, Failure> {
    let scenario = workspace.scenario(&args.scenario).usage()?;
    let kind = kind(&args.options, out).await?;
    let plan = planned(&workspace, &scenario, &args.options, kind)?;
    let mut repeat = repeat("chaos", &args.scenario, plan.seed, &args.options, kind);
    if let Some(bug) = &args.plant {
        repeat = format!("{repeat} --plant {bug}");
    }
    let job = job(workspace, plan, &args.options, kind, args.plant, repeat)?;
    let interrupt = Interrupt::install().environment()?;
    let finished = start(&job, &interrupt, &args.options, out).await?;
    if !args.control || finished.exit == Exit::Interrupted {
        return Ok(finished.exit);
    }
    control(job, &finished, &interrupt, &args.options, out).await
}

/// The same plan without its faults, and what they cost.
async fn control(
    job: Job,
    faulted: &Finished,
    interrupt: &Interrupt,
    options: &RunOptions,
    out: &Output,
) -> Result<Exit, Failure> {
    out.note("the control: the same plan without its faults");
    let plan = job.plan.without_faults();
    // Its own report file would overwrite the other's.
    let (repeat, goose) = (format!("{} --control", job.repeat), GooseOptions::default());
    let job = Job { plan, repeat, goose, death: None, ..job };
    let options = RunOptions { junit: None, ..options.clone() };
    let control = start(&job, interrupt, &options, out).await?;
    if control.exit == Exit::Interrupted {
        return Ok(control.exit);
    }
    let sides = (compared::side(&control.folder).environment()?, compared::side(&faulted.folder).environment()?);
    let cost = compare(&[sides.0], &[sides.1], Scope::All);
    out.result(format!("what the faults cost: the run without them is the base\n{}", table(&cost)));
    out.json(&serde_json::json!({ "cost_of_faults": cost }));
    // What faults cost is no fault of the build; what either run was judged to be is.
    Ok(if faulted.exit == Exit::Success { control.exit } else { faulted.exit })
}

pub(super) async fn load(workspace: Workspace, args: LoadArgs, out: &Output) -> Result<Exit, Failure> {
    let mut scenario = workspace.scenario(&args.scenario).usage()?;
    // Without faults nothing has to be recovered from, and there is nothing that faults would exercise.
    scenario.faults.clear();
    scenario.nemesis = None;
    scenario.durability_limit = false;
    // What clients do is put to the test all the same, where they do what the scenario says.
    let is_as_written = args.options.shape.is_empty();
    scenario.exercise.retain(|name, _| is_as_written && judge::exercise::is_of_the_load(name));
    scenario.expect = scenario.expect.without_faults();
    let kind = kind(&args.options, out).await?;
    if args.find_max {
        let goose = goose(&args.options)?;
        return load_max::execute(workspace, &args, &scenario, kind, goose, out).await;
    }
    let plan = planned(&workspace, &scenario, &args.options, kind)?;
    let repeat = repeat("load", &args.scenario, plan.seed, &args.options, kind);
    let job = job(workspace, plan, &args.options, kind, None, repeat)?;
    let interrupt = Interrupt::install().environment()?;
    Ok(start(&job, &interrupt, &args.options, out).await?.exit)
}

fn job(
    workspace: Workspace,
    plan: Plan,
    options: &RunOptions,
    cluster: Kind,
    plant: Option<String>,
    repeat: String,
) -> Result<Job, Failure> {
    let (bring_up, goose) = (request(options, plant), goose(options)?);
    let (keep_up, metrics, death) = (options.keep_up, options.metrics, options.die_at);
    Ok(Job { workspace, plan, cluster, bring_up, keep_up, repeat, metrics, goose, brief: false, death })
}

/// What passes to goose.
fn goose(options: &RunOptions) -> Result<GooseOptions, Failure> {
    GooseOptions::read(options.goose_report.as_deref(), &options.goose).usage()
}

async fn start(job: &Job, interrupt: &Interrupt, options: &RunOptions, out: &Output) -> Result<Finished, Failure> {
    let plan = &job.plan;
    out.note(format!("{} (seed {}): {}", plan.scenario, plan.seed, plan.hypothesis));
    let finished = Box::pin(run::run(job, interrupt, out)).await?;
    if let Some(path) = &options.junit {
        let written = std::fs::write(path, judge::report::junit(&finished.report));
        written.with_context(|| format!("cannot write {}", path.display())).environment()?;
    }
    Ok(finished)
}

/// The kind of cluster that the run is made on.
pub(super) async fn kind(options: &RunOptions, out: &Output) -> Result<Kind, Failure> {
    let kind = choice::choose(options, out).await?;
    choice::check(kind, options)?;
    Ok(kind)
}

/// The cluster that was asked for.
pub(super) fn request(options: &RunOptions, plant: Option<String>) -> bring_up::Request {
    bring_up::Request {
        project: options.use_running.clone().unwrap_or_else(|| OWN_PROJECT.into()),
        use_running: options.use_running.is_some(),
        plant,
        heal: options.heal,
    }
}

fn planned(workspace: &Workspace, scenario: &Scenario, options: &RunOptions, kind: Kind) -> Result<Plan, Failure> {
    let overrides = overrides(&options.shape)?;
    let seed = options.seed.seed.unwrap_or_else(fresh_seed);
    workspace.plan(scenario, seed, &overrides, kind).usage()
}

/// What the command line says instead of the scenario.
pub(super) fn overrides(shape: &ShapeArgs) -> Result<Overrides, Failure> {
    let recorded = shape.arrivals.as_deref().map(crate::arrivals::read).transpose().usage()?;
    Ok(Overrides { rate: shape.rate, duration: shape.duration, profile: shape.profile, recorded })
}

/// A new seed, short enough to be typed.
pub(super) fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Odd multiplier: neighbouring instants give seeds that look nothing alike.
    u64::from(now.subsec_nanos()).wrapping_add(now.as_secs()).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44
}

pub(super) fn repeat(command: &str, scenario: &str, seed: u64, options: &RunOptions, kind: Kind) -> String {
    let mut line = format!("cargo run -p harness -- {command} {scenario} --seed {seed}");
    if kind == Kind::Embedded {
        line = format!("{line} --cluster {}", kind.word());
    }
    let ShapeArgs { duration, rate, profile, arrivals } = &options.shape;
    if let Some(duration) = duration {
        line = format!("{line} --duration {}ms", duration.as_millis());
    }
    if let Some(rate) = rate {
        line = format!("{line} --rate {rate}");
    }
    if let Some(profile) = profile {
        line = format!("{line} --profile {}", profile.word());
    }
    if let Some(arrivals) = arrivals {
        line = format!("{line} --arrivals {}", arrivals.display());
    }
    if let Some(project) = &options.use_running {
        line = format!("{line} --use-running={project}");
    }
    line
}
