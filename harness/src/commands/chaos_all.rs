//! `chaos --all`: every scenario, one after the other, and what came of them in one table.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use jiff::Timestamp;
use judge::report::Orders;
use judge::verdict::Verdict;
use serde::Serialize;

use super::chaos;
use crate::cli::RunArgs;
use crate::cluster::Kind;
use crate::failure::{Exit, Failure, Sort};
use crate::interrupt::Interrupt;
use crate::load::GooseOptions;
use crate::output::Output;
use crate::run::{self, Finished, Job};
use crate::workspace::{Listed, Workspace};

/// Version of the format of `all-<utc>.json`, in its `format`.
const FORMAT: u32 = 1;

pub(super) async fn execute(workspace: Workspace, args: &RunArgs, out: &Output) -> Result<Exit, Failure> {
    let listed = chosen(workspace.scenarios().usage()?, args.only.as_deref()).usage()?;
    let kind = chaos::kind(&args.options, out).await?;
    let interrupt = Interrupt::install().environment()?;
    let started_at = Timestamp::now();
    let path = workspace.runs().join(format!("all-{}.json", started_at.strftime("%Y%m%dT%H%M%SZ")));
    let seed = args.options.seed.seed.unwrap_or_else(chaos::fresh_seed);
    let mut all = All { format: FORMAT, started_at: started_at.to_string(), seed, planned: listed.len(), runs: Vec::new() };
    for (number, scenario) in listed.iter().enumerate() {
        if interrupt.is_raised() {
            break;
        }
        out.note(format!("scenario {} of {}: {}", number + 1, listed.len(), scenario.name));
        let run = one(&workspace, scenario, seed, args, kind, &interrupt, out).await;
        out.result(run.line(name_width(&listed)));
        all.runs.push(run);
        // After each, so that an end by force leaves what was done.
        all.write(&path).environment()?;
    }
    out.result(all.table(&listed));
    out.result(format!("told in\n  {}", path.display()));
    Ok(all.exit(interrupt.is_raised()))
}

/// Those of a group, or all.
fn chosen(listed: Vec<Listed>, only: Option<&str>) -> anyhow::Result<Vec<Listed>> {
    let Some(group) = only.map(|group| group.trim_end_matches('/')) else { return Ok(listed) };
    let mut groups: Vec<String> =
        listed.iter().map(|scenario| scenario.group.clone()).filter(|group| !group.is_empty()).collect();
    groups.dedup();
    let chosen: Vec<Listed> = listed.into_iter().filter(|scenario| scenario.group == group).collect();
    anyhow::ensure!(!chosen.is_empty(), "there is no group `{group}` of scenarios; there are: {}", groups.join(", "));
    Ok(chosen)
}

fn name_width(listed: &[Listed]) -> usize {
    listed.iter().map(|scenario| scenario.name.chars().count()).max().unwrap_or(0).clamp(8, 28)
}

/// Runs one scenario; whatever goes wrong is part of what is told.
async fn one(
    workspace: &Workspace,
    listed: &Listed,
    seed: u64,
    args: &RunArgs,
    cluster: Kind,
    interrupt: &Interrupt,
    out: &Output,
) -> Outcome {
    let began = Instant::now();
    let repeat = chaos::repeat("chaos", &listed.name, seed, &args.options, cluster);
    let ended = async {
        let scenario = workspace.scenario(&listed.file_from(workspace.root())).usage()?;
        let overrides = chaos::overrides(&args.options.shape)?;
        let plan = workspace.plan(&scenario, seed, &overrides, cluster).usage()?;
        let bring_up = chaos::request(&args.options, None);
        let keep_up = args.options.keep_up;
        let (workspace, repeat, goose) = (workspace.clone(), repeat.clone(), GooseOptions::default());
        let job = Job { workspace, plan, cluster, bring_up, keep_up, repeat, metrics: None, goose, brief: true, death: None };
        Box::pin(run::run(&job, interrupt, out)).await
    };
    let ended = ended.await;
    Outcome::of(listed, repeat, ended, began.elapsed().as_secs_f64())
}

/// What came of one scenario.
#[derive(Debug, Clone, Serialize)]
struct Outcome {
    group: String,
    scenario: String,
    /// `None` where it came to no verdict.
    verdict: Option<Verdict>,
    exit_code: u8,
    #[serde(skip)]
    exit: Exit,
    /// One sentence: the verdict's reason, or why there is none.
    reason: String,
    orders: Option<Orders>,
    seconds: f64,
    folder: Option<PathBuf>,
    repeat: String,
}

impl Outcome {
    fn of(listed: &Listed, repeat: String, ended: Result<Finished, Failure>, seconds: f64) -> Self {
        let (exit, verdict, reason, orders, folder) = match ended {
            Ok(Finished { report, folder, exit }) => {
                (exit, Some(report.verdict), report.reason, Some(report.orders), Some(folder))
            }
            Err(Failure { exit, error }) => (exit, None, format!("{error:#}"), None, None),
        };
        let (group, scenario) = (listed.group.clone(), listed.name.clone());
        Self { group, scenario, verdict, exit_code: exit.code(), exit, reason, orders, seconds, folder, repeat }
    }

    /// In one word; a valid run may still have missed an expectation.
    fn word(&self) -> &'static str {
        match (self.verdict, self.exit) {
            (_, Exit::Interrupted) => "stopped",
            (Some(Verdict::Valid), Exit::Invalid) => "missed",
            (Some(Verdict::Valid), _) => "valid",
            (Some(Verdict::Unknown), _) => "UNKNOWN",
            (Some(Verdict::Invalid), _) => "INVALID",
            (None, _) => "FAILED",
        }
    }

    fn line(&self, name_width: usize) -> String {
        let counts =
            self.orders.map_or("-".to_owned(), |orders| format!("{}/{}/{}", orders.lost, orders.duplicated, orders.unexpected));
        let folder = self.folder.as_deref().and_then(Path::file_name).map_or("-".into(), |name| name.to_string_lossy());
        let mut line = format!("{:<8} {:<name_width$} {counts:>9} {:>5.0} s  {folder}", self.word(), self.scenario, self.seconds);
        if self.exit != Exit::Success {
            for text in judge::report::wrap(&self.reason, crate::output::WIDTH - 9) {
                line = format!("{line}\n         {text}");
            }
        }
        line
    }
}

/// `all-<utc>.json`.
#[derive(Debug, Serialize)]
struct All {
    format: u32,
    started_at: String,
    seed: u64,
    /// How many scenarios there were to run.
    planned: usize,
    runs: Vec<Outcome>,
}

impl All {
    fn table(&self, listed: &[Listed]) -> String {
        let width = name_width(listed);
        let mut lines = vec![String::new(), format!("{:<8} {:<width$} {:>9} {:>7}  run", "verdict", "scenario", "l/d/u", "time")];
        lines.extend(self.runs.iter().map(|run| run.line(width)));
        let valid = self.runs.iter().filter(|run| run.exit == Exit::Success).count();
        lines.push(format!(
            "{valid} of {} valid, {} run of {} (l/d/u: orders lost, duplicated, unexpected; seed {})",
            self.runs.len(),
            self.runs.len(),
            self.planned,
            self.seed
        ));
        lines.join("\n")
    }

    /// The worst of all. An interruption does not hide what was found before it.
    fn exit(&self, interrupted: bool) -> Exit {
        let badness = |exit: &Exit| match exit {
            Exit::Success => 0,
            Exit::Interrupted => 1,
            Exit::Unknown => 2,
            Exit::Environment => 3,
            Exit::Usage => 4,
            Exit::Invalid => 5,
        };
        let begun = if interrupted { Exit::Interrupted } else { Exit::Success };
        self.runs.iter().map(|run| run.exit).chain([begun]).max_by_key(badness).unwrap_or(begun)
    }

    fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(self).context("the summary has no JSON")?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests;
