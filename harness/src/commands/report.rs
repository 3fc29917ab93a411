//! `report`: one page over all runs of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use judge::report::{Listed, index};

use crate::cli::ReportArgs;
use crate::failure::{Exit, Failure, Sort};
use crate::folder::{PAGE, RunFolder};
use crate::output::Output;

const INDEX: &str = "index.html";

pub(super) fn execute(args: &ReportArgs, out: &Output) -> Result<Exit, Failure> {
    let folders = runs(&args.index).usage()?;
    let mut listed = Vec::new();
    let mut untold = 0;
    for folder in &folders {
        // A run that was never judged, or by another version, has no report that could be listed.
        let Ok(report) = RunFolder::open(folder).read_report() else {
            untold += 1;
            continue;
        };
        let path = folder.strip_prefix(&args.index).unwrap_or(folder).join(PAGE);
        listed.push(Listed::new(&report, path.display().to_string()));
    }
    let path = args.index.join(INDEX);
    fs::write(&path, index(&listed, untold)).with_context(|| format!("cannot write {}", path.display())).environment()?;
    out.result(format!("{} runs, {untold} without a readable report\n  {}", listed.len(), path.display()));
    Ok(Exit::Success)
}

/// The folders `<scenario>/<run>` below.
fn runs(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let below = |path: &Path| -> anyhow::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))?;
        let mut found: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        // A link such as `latest` would show a run twice.
        found.retain(|path| path.is_dir() && !path.is_symlink());
        found.sort();
        Ok(found)
    };
    let mut runs = Vec::new();
    for scenario in below(root)? {
        runs.extend(below(&scenario)?.into_iter().filter(|run| run.join("plan.json").is_file()));
    }
    Ok(runs)
}
