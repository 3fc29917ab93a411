//! Judges what a run folder holds and writes the reports beside it; the same for a fresh run and for an old one.

use std::io::BufRead;
use std::path::Path;

use anyhow::Context;
use judge::Judgement;
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

/// Reads plan, history and samples, judges, and writes `report.json`, `report.html`, `junit.xml`, `summary.md` and the interval
/// logs.
///
/// # Errors
/// As [`read`]; a report cannot be written.
pub fn review(folder: &RunFolder) -> anyhow::Result<Report> {
    let judgement = judge(folder)?;
    write(folder, &judgement)?;
    Ok(judgement.report)
}

/// Judges what a run folder holds, and writes nothing.
///
/// # Errors
/// As [`read`].
pub fn judge(folder: &RunFolder) -> anyhow::Result<Judgement> {
    let Recorded { plan, history, samples } = read(folder)?;
    Ok(judge::review(&plan, &history, &samples))
}

/// Writes the reports of a judgement into the run's folder.
///
/// # Errors
/// One cannot be written.
pub fn write(folder: &RunFolder, judgement: &Judgement) -> anyhow::Result<()> {
    folder.write_report(&judgement.report)?;
    folder.write_text(PAGE, &page(&judgement.report, judgement.series.as_ref(), &about(folder)))?;
    folder.write_text(JUNIT, &junit(&judgement.report))?;
    folder.write_text(MARKDOWN, &markdown(&judgement.report))?;
    for (name, log) in judgement.timings.logs().map_err(anyhow::Error::msg)? {
        folder.write(name, &log)?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use judge::history::{Answer, Complete, Entry, Header, NodeIdentity, Outcome, Phase, Published, reads};
    use judge::plan::{Abilities, Overrides, resolve};
    use judge::scenario::Scenario;

    use super::*;
    use crate::live::tests::{complete, invoke};
    use crate::recorder::Recorder;

    const NODE: &str = "cluster-node-1";

    /// The folder of a run in which `happened`.
    fn run(runs: &Path, happened: impl FnOnce(&Recorder)) -> RunFolder {
        let text = "hypothesis = \"x\"\n[load]\nprofile = \"constant\"\nrate = 300\nduration = \"75s\"\n";
        let scenario = Scenario::parse("x", text).expect("a scenario");
        let plan = resolve(&scenario, 7, &Overrides::default(), &[NODE.to_owned()], &Abilities::everything()).expect("a plan");
        let folder = RunFolder::create(runs, &plan, jiff::Timestamp::UNIX_EPOCH).expect("a folder");
        let header = Header {
            format: judge::history::FORMAT,
            harness: "test".into(),
            nonce: "n".into(),
            scenario: "x".into(),
            seed: 7,
            started_at: "2026-01-01T00:00:00Z".into(),
            nodes: vec![NodeIdentity { name: NODE.into(), id: "n1".into(), url: "http://127.0.0.1:1".into() }],
            cluster: "compose".into(),
            load_priority: None,
        };
        let recorder = Recorder::create(folder.path(), &header).expect("a recorder");
        recorder.write(&Entry::Phase { t_us: 1_000, phase: Phase::Load });
        happened(&recorder);
        recorder.finish().expect("it can be written");
        folder
    }

    /// The folder of a run that ended in the middle of a line, as on a full disk or by a SIGKILL.
    fn cut_short(runs: &Path) -> RunFolder {
        let folder = run(runs, |recorder| {
            for op in 0..50 {
                recorder.write(&invoke(op, 2_000 + op));
                recorder.write(&complete(op, 9_000 + op, Outcome::Fail));
            }
        });
        let path = folder.path().join(HISTORY);
        let whole = std::fs::read(&path).expect("a history");
        std::fs::write(&path, &whole[..whole.len() - 20]).expect("it can be cut");
        folder
    }

    fn answer(order: u64, message_id: String) -> Answer {
        Answer {
            order_id: format!("n-{order}"),
            customer_id: "n-c".into(),
            amount_minor: Some(1),
            message_id,
            accepted_by: "n1".into(),
            accepted_at: "2026-01-01T00:00:01.000001Z".into(),
        }
    }

    /// The folder of a run of a cluster that acknowledges ten orders, publishes one of them twice under other ids, and applies none.
    fn of_a_broken_cluster(runs: &Path) -> RunFolder {
        run(runs, |recorder| {
            for op in 0..10 {
                recorder.write(&invoke(op, 2_000 + op * 100_000));
                let Entry::Complete(answered) = complete(op, 3_000 + op * 100_000, Outcome::Ok) else {
                    unreachable!("an answer")
                };
                let answer = Some(answer(op, format!("m-{op}")));
                recorder.write(&Entry::Complete(Complete { status: Some(201), answer, error: None, ..answered }));
            }
            for sequence in 1..=2 {
                let (message_id, stored_at) = (format!("m-other-{sequence}"), "2026-01-01T00:00:02.5Z".to_owned());
                let answer = Some(answer(3, message_id.clone()));
                recorder.write(&Entry::Published(Published { sequence, message_id, stored_at, answer }));
            }
            recorder.write(&Entry::FinalRead { t_us: 3_000_000, what: reads::STREAM.to_owned(), entries: 2, error: None });
            recorder.write(&Entry::End { t_us: 4_000_000 });
        })
    }

    #[test]
    fn a_recording_that_went_elsewhere_is_judged_the_same_to_the_byte() {
        let folder = tempfile::tempdir().expect("a folder");
        let here = of_a_broken_cluster(&folder.path().join("runs"));
        let elsewhere = folder.path().join("brought from/another machine");
        std::fs::create_dir_all(&elsewhere).expect("a folder");
        let files = std::fs::read_dir(here.path()).expect("it is listed").filter_map(Result::ok);
        for file in files.filter(|file| file.path().is_file()) {
            std::fs::copy(file.path(), elsewhere.join(file.file_name())).expect("it is copied");
        }
        compress::compress(&elsewhere.join(HISTORY), 0).expect("it is compressed");
        let judged = |folder: &RunFolder| {
            let report = review(folder).expect("it can be judged");
            assert_eq!(report.verdict, Verdict::Invalid, "{}", report.reason);
            std::fs::read(folder.path().join("report.json")).expect("a report")
        };
        let first = judged(&here);
        assert!(first == judged(&RunFolder::open(&elsewhere)), "elsewhere, and compressed");
        assert!(first == judged(&here), "at another time");
    }

    #[test]
    fn a_run_that_was_cut_short_is_judged_as_far_as_it_goes_and_every_report_says_so() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = cut_short(runs.path());
        let report = review(&folder).expect("it can be judged");
        assert!(!report.run.complete);
        assert_eq!((report.verdict, report.load.started, exit(&report)), (Verdict::Unknown, 50, Exit::Unknown));
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect(name);
        assert!(read(PAGE).contains("Partial: the run did not come to its own end."));
        assert!(read(MARKDOWN).contains("Partial"), "{}", read(MARKDOWN));
        assert!(judge::report::summary(&report, 80, false).contains("PARTIAL"));
        assert!(read(JUNIT).contains("name=\"completeness\"><error"), "{}", read(JUNIT));
        let log = judge::report::interval_log::read_log(read("latency.hlog").as_bytes()).expect("a log");
        assert!(log.values().flatten().count() == 0, "operations that never reached a node have no latency");
    }
}
