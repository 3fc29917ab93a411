//! What it costs to read and judge a recording and to make its reports, by its size: `cargo bench -p benches --bench checkers -- 100000 1000000`.
//!
//! Recordings are generated while they are read, so that neither a disk nor a file of gigabytes is needed: a correct
//! cluster of three nodes, with replays and conflicts. For each operation there are three observations: sights on feeds, and what
//! the final reads found. Sizes are run in turn in one process, so that the peak of memory is that of the largest so far.
//! With `ten-each` there are ten operations on every order, replays and conflicts: what is the most work for linearizability.

mod checkers {
    pub(super) mod recording;
}

use std::error::Error;
use std::io::{BufReader, Write as _};
use std::time::Instant;

use checkers::recording::{MIXED, Recording, TEN_EACH, plan};
use judge::Judgement;
use judge::report::{self, About};
use judge::verdict::Verdict;

const SIZES: [u64; 2] = [100_000, 1_000_000];

fn main() -> Result<(), Box<dyn Error>> {
    let asked: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if asked.is_empty() { SIZES.to_vec() } else { asked };
    let round = if std::env::args().any(|argument| argument == "ten-each") { TEN_EACH } else { MIXED };
    let mut out = std::io::stdout().lock();
    writeln!(out, "operations  observations   read s  judge s  report s  µs/operation  peak MiB  page KiB")?;
    for operations in sizes {
        let recording = Recording::new(round, operations);
        let plan = plan(round, operations);
        let observations = recording.observations();
        let begun = Instant::now();
        let history = judge::history::read(BufReader::with_capacity(1 << 20, recording))?;
        let read = begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        let Judgement { report, series, timings } = judge::review(&plan, &history, &[]);
        let judged = begun.elapsed().as_secs_f64();
        // A false alarm would make the figures those of another way through the code.
        if report.verdict != Verdict::Valid {
            return Err(format!("the recording of a correct cluster is judged {}: {}", report.verdict, report.reason).into());
        }
        let begun = Instant::now();
        let page = report::page(&report, series.as_ref(), &About::default());
        let written = serde_json::to_vec_pretty(&report)?.len() + report::junit(&report).len() + report::markdown(&report).len();
        let logs = timings.logs()?;
        let reported = begun.elapsed().as_secs_f64();
        if written == 0 || logs.iter().any(|(_, log)| log.is_empty()) {
            return Err("a report is empty".into());
        }
        let each = (read + judged) * 1e6 / operations as f64;
        let (peak, kib) = (peak_mib()?, page.len() / 1_024);
        writeln!(
            out,
            "{operations:>10}  {observations:>12}  {read:>7.2}  {judged:>7.2}  {reported:>8.2}  {each:>12.2}  {peak:>8}  {kib:>8}"
        )?;
    }
    Ok(())
}

/// The most memory that this process has held.
fn peak_mib() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("the kernel tells no VmHWM")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1_024)
}
