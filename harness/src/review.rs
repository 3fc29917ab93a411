//! Judges what a run folder holds and writes the reports beside it; the same for a fresh run and for an old one.

use std::io::BufRead;
use std::path::Path;

use anyhow::Context;
use judge::history::{History, Sample};
use judge::plan::Plan;
use judge::report::{About, Report, junit, markdown, page};
use judge::verdict::Verdict;

use crate::failure::Exit;
use crate::folder::{JUNIT, MARKDOWN, PAGE, RunFolder, compress};
use crate::recorder::{HISTORY, SAMPLES};
use crate::run::Surroundings;

/// All that a judgement rests on.
#[derive(Debug)]
pub struct Recorded {
    pub plan: Plan,
    pub history: History,
    pub samples: Vec<Sample>,
}

/// Reads a run; a file that was compressed is read as well.
///
/// # Errors
/// A file of the run is missing, unreadable or of a newer format.
pub fn read(folder: &RunFolder) -> anyhow::Result<Recorded> {
    let plan = folder.read_plan()?;
    let (history_path, samples_path) = (folder.path().join(HISTORY), folder.path().join(SAMPLES));
    let history =
        judge::history::read(open(&history_path)?).with_context(|| format!("cannot read {}", history_path.display()))?;
    let samples =
        judge::history::read_samples(open(&samples_path)?).with_context(|| format!("cannot read {}", samples_path.display()))?;
    Ok(Recorded { plan, history, samples })
}

/// Reads plan, history and samples, judges, and writes `report.json`, `report.html`, `junit.xml` and `summary.md`.
///
/// # Errors
/// As [`read`]; a report cannot be written.
pub fn review(folder: &RunFolder) -> anyhow::Result<Report> {
    let Recorded { plan, history, samples } = read(folder)?;
    let judgement = judge::review(&plan, &history, &samples);
    folder.write_report(&judgement.report)?;
    folder.write_text(PAGE, &page(&judgement.report, judgement.series.as_ref(), &about(folder)))?;
    folder.write_text(JUNIT, &junit(&judgement.report))?;
    folder.write_text(MARKDOWN, &markdown(&judgement.report))?;
    Ok(judgement.report)
}

/// What the run was made on. An old or a partial run may not have it, and its page goes without.
fn about(folder: &RunFolder) -> About {
    let Some(Surroundings { project, engine, plant, repeat, images, .. }) = folder.read_cluster() else {
        return About::default();
    };
    let own = [("project", Some(project)), ("engine", Some(engine)), ("planted bug", plant)];
    let own = own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let images = images.into_iter().map(|(service, image)| (format!("image of {service}"), image));
    About { repeat: Some(repeat), versions: own.chain(images).collect() }
}

/// How to ask for more about the orders that a report names: a line each, for the first few; `run` as it would be typed.
#[must_use]
pub fn explanations(report: &Report, run: &Path) -> String {
    const NAMED: usize = 3;
    let bad = report.checkers.iter().filter(|finding| finding.verdict != Verdict::Valid);
    let mut ids: Vec<&str> = Vec::new();
    for life in bad.flat_map(|finding| &finding.orders) {
        if !ids.contains(&life.order_id.as_str()) {
            ids.push(&life.order_id);
        }
    }
    let line = |id: &&str| format!("\n  cargo run -p harness -- explain {} {id}", run.display());
    let lines: String = ids.iter().take(NAMED).map(line).collect();
    if lines.is_empty() { String::new() } else { format!("explain{lines}") }
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

/// Compresses what is large of a run that is over.
///
/// # Errors
/// A file cannot be compressed; it is left as it was then.
pub fn compress(folder: &RunFolder) -> anyhow::Result<()> {
    for name in [HISTORY, SAMPLES] {
        let path = folder.path().join(name);
        compress::compress(&path, compress::LARGE).with_context(|| format!("cannot compress {}", path.display()))?;
    }
    Ok(())
}

fn open(path: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    compress::open(path).with_context(|| format!("cannot open {}; is this the folder of a run?", path.display()))
}
