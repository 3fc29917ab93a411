//! How often `harness compare` is right: `cargo run -p harness --example same_build -- FOLDER`, the folder of runs of one build
//! on one machine, of one scenario, taken one after the other.
//!
//! The runs are taken in turn as those of a build and of another, so that every difference that is found is a false alarm. Then
//! propagation of the other is stretched by what it should be found by: 10 % in five pairs, 25 % in one. The noise is that of
//! real runs; only the slow-down is made up.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use harness::compared;
use judge::compare::{Comparison, Outcome, Scope, Side, compare};

const PAIRS: usize = 5;

fn main() -> anyhow::Result<()> {
    let folder = env::args().nth(1).context("give the folder of the runs")?;
    let sides = folders(Path::new(&folder))?.iter().map(|run| compared::side(run)).collect::<anyhow::Result<Vec<Side>>>()?;
    let (base, against): (Vec<Side>, Vec<Side>) = {
        let pairs = sides.chunks_exact(2);
        pairs.map(|pair| (pair[0].clone(), pair[1].clone())).unzip()
    };
    anyhow::ensure!(base.len() >= PAIRS, "{} runs are there: {} are needed at least", sides.len(), 2 * PAIRS);
    let mut out = std::io::stdout().lock();
    let same = |pairs: usize| share(&base, &against, pairs, 100, Comparison::is_same);
    let found = |pairs: usize, percent: u64| share(&base, &against, pairs, percent, finds_propagation);
    writeln!(out, "{} runs of one build, {} pairs", sides.len(), base.len())?;
    writeln!(out, "five pairs, nothing differs:               no difference in {}", same(PAIRS))?;
    writeln!(out, "five pairs, propagation 10 % slower:       found in         {}", found(PAIRS, 110))?;
    writeln!(out, "one pair, nothing differs:                 no difference in {}", same(1))?;
    writeln!(out, "one pair, propagation 25 % slower:         found in         {}", found(1, 125))?;
    Ok(())
}

/// Folders of runs, the earliest first.
fn folders(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut runs: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| is_run(path)).collect();
    runs.sort();
    Ok(runs)
}

fn is_run(path: &Path) -> bool {
    path.join("report.json").is_file() && !path.is_symlink()
}

/// In how many of all rows of so many pairs it is so.
fn share(base: &[Side], against: &[Side], pairs: usize, percent: u64, so: impl Fn(&Comparison) -> bool) -> String {
    let rows = base.windows(pairs).zip(against.windows(pairs));
    let count = rows.len();
    let so = rows.filter(|(base, against)| {
        let slower: Vec<Side> = against.iter().map(|side| slower(side, percent)).collect();
        so(&compare(base, &slower, Scope::OutsideFaults))
    });
    format!("{} of {count}", so.count())
}

fn finds_propagation(comparison: &Comparison) -> bool {
    let worse = |change: &judge::compare::Change| change.outcome == Outcome::Worse && change.figure.starts_with("propagation.p");
    comparison.changes.iter().any(worse)
}

fn slower(side: &Side, percent: u64) -> Side {
    let mut side = side.clone();
    for second in side.propagation.values_mut() {
        for (ns, _) in second.iter_mut() {
            *ns = *ns * percent / 100;
        }
    }
    side
}
