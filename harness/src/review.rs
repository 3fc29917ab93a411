//! Judges what a run folder holds and writes the reports beside it; the same for a fresh run and for an old one.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::Context;
use judge::report::{About, Report, junit, markdown, page};

use crate::failure::Exit;
use crate::folder::{JUNIT, MARKDOWN, PAGE, RunFolder};
use crate::recorder::{HISTORY, SAMPLES};
use crate::run::Surroundings;

/// Reads plan, history and samples, judges, and writes `report.json`, `report.html`, `junit.xml` and `summary.md`.
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
