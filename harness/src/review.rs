//! Judges what a run folder holds and writes the report beside it; the same for a fresh run and for an old one.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::Context;
use judge::report::Report;

use crate::failure::Exit;
use crate::folder::RunFolder;
use crate::recorder::{HISTORY, SAMPLES};

/// Reads plan, history and samples, judges, and writes `report.json`.
///
/// # Errors
/// A file of the run is missing, unreadable or of a newer format; the report cannot be written.
pub fn review(folder: &RunFolder) -> anyhow::Result<Report> {
    let plan = folder.read_plan()?;
    let (history_path, samples_path) = (folder.path().join(HISTORY), folder.path().join(SAMPLES));
    let history =
        judge::history::read(open(&history_path)?).with_context(|| format!("cannot read {}", history_path.display()))?;
    let samples =
        judge::history::read_samples(open(&samples_path)?).with_context(|| format!("cannot read {}", samples_path.display()))?;
    let report = judge::judge(&plan, &history, &samples);
    folder.write_report(&report)?;
    Ok(report)
}

/// The exit code that a report stands for.
#[must_use]
pub fn exit(report: &Report) -> Exit {
    match report.exit_code() {
        0 => Exit::Success,
        1 => Exit::Invalid,
        _ => Exit::Unknown,
    }
}

fn open(path: &Path) -> anyhow::Result<BufReader<File>> {
    let file = File::open(path).with_context(|| format!("cannot open {}; is this the folder of a run?", path.display()))?;
    Ok(BufReader::new(file))
}
