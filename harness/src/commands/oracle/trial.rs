//! One run of the oracle, in a process of its own.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use judge::report::Report;
use judge::verdict::Verdict;
use tokio::process::Command;

use crate::tool;
use crate::workspace::Workspace;

/// Load, faults, rest and reads take some 30 s.
const RUN_WITHIN: Duration = Duration::from_secs(120);

/// What is run: a scenario under `harness/oracle/`, on nodes with a bug or without.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trial<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) scenario: &'a str,
    pub(super) plant: Option<&'a str>,
    pub(super) seed: u64,
}

/// How it ended, and how long it took.
#[derive(Debug)]
pub(super) struct Ended<'a> {
    pub(super) trial: Trial<'a>,
    pub(super) report: anyhow::Result<Report>,
    pub(super) took: Duration,
}

impl<'a> Trial<'a> {
    pub(super) async fn run(self) -> Ended<'a> {
        let began = Instant::now();
        let report = self.report().await;
        Ended { trial: self, report, took: began.elapsed() }
    }

    /// Each its own, as several may run at once.
    fn runs(&self) -> PathBuf {
        let name = match self.plant {
            Some(bug) => bug.to_owned(),
            None => format!("correct-{}-{}", self.scenario, self.seed),
        };
        self.workspace.runs().join("oracle").join(name)
    }

    async fn report(&self) -> anyhow::Result<Report> {
        let program = std::env::current_exe().context("cannot find the harness's own program")?;
        let runs = self.runs();
        // Of an earlier oracle: it must not be taken for the report of a run that never came to one.
        match std::fs::remove_dir_all(&runs) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", runs.display()));
            }
            _ => {}
        }
        let scenario = self.workspace.root().join("harness/oracle").join(format!("{}.toml", self.scenario));
        let mut command = Command::new(program);
        command.arg("--runs").arg(&runs).arg("chaos").arg(scenario);
        command.args(["--cluster", crate::embedded::NAME, "--seed", &self.seed.to_string()]);
        if let Some(bug) = self.plant {
            command.args(["--plant", bug]);
        }
        // A verdict that is not valid is an exit code, too: the report tells.
        let ended = tool::run(&mut command, RUN_WITHIN).await;
        let path = runs.join("latest").join("report.json");
        let text = std::fs::read(&path).with_context(|| format!("no report in {}: {ended:?}", runs.display()))?;
        let report: Report = serde_json::from_slice(&text).with_context(|| format!("cannot read {}", path.display()))?;
        if self.plant.is_none() && report.verdict == Verdict::Valid {
            // Of hundreds of runs in which nothing was wrong, none is ever looked at.
            std::fs::remove_dir_all(&runs).with_context(|| format!("cannot remove {}", runs.display()))?;
        }
        Ok(report)
    }
}
