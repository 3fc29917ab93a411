//! `compare`: runs of one build held against those of another.

use std::collections::BTreeSet;

use judge::compare::{Scope, Side, compare, table};
use judge::history::Priority;

use crate::cli::CompareArgs;
use crate::compared;
use crate::failure::{Exit, Failure, Sort};
use crate::output::Output;

pub(super) fn execute(args: &CompareArgs, out: &Output) -> Result<Exit, Failure> {
    let (base, against) = match (args.runs.as_slice(), args.against.as_slice()) {
        ([base, against], []) => (std::slice::from_ref(base), std::slice::from_ref(against)),
        (_, []) => {
            return Err(anyhow::anyhow!("name two runs, or those of the base and `--against` those to hold against it")).usage();
        }
        (base, against) => (base, against),
    };
    let sides =
        |paths: &[std::path::PathBuf]| paths.iter().map(|path| compared::side(path)).collect::<anyhow::Result<Vec<Side>>>();
    let (base, against) = (sides(base).usage()?, sides(against).usage()?);
    let all = || base.iter().chain(&against);
    let setups: BTreeSet<&str> = all().map(|side| side.setup.as_str()).collect();
    warn_of_many(out, "these runs were not asked for the same", &setups);
    let priorities: BTreeSet<&str> = all().filter_map(|side| side.load_priority).map(Priority::words).collect();
    warn_of_many(out, "the load did not go ahead of the cluster as far in all of these runs", &priorities);
    let comparison = compare(&base, &against, if args.whole { Scope::All } else { Scope::OutsideFaults });
    if args.json {
        out.result(serde_json::to_string_pretty(&comparison).usage()?);
    } else {
        out.result(table(&comparison));
    }
    Ok(if comparison.has_regression() { Exit::Invalid } else { Exit::Success })
}

fn warn_of_many(out: &Output, what: &str, found: &BTreeSet<&str>) {
    if found.len() > 1 {
        let found: Vec<&str> = found.iter().copied().collect();
        out.note(format!("warning: {what}: {}", found.join(", ")));
    }
}
