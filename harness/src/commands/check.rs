//! `check`: a recorded run is judged again.

use crate::cli::CheckArgs;
use crate::failure::{Exit, Failure, Sort};
use crate::folder::RunFolder;
use crate::output::{Output, WIDTH};
use crate::review;

pub(super) fn execute(args: &CheckArgs, out: &Output) -> Result<Exit, Failure> {
    let report = review::review(&RunFolder::open(&args.run_dir)).usage()?;
    out.result(judge::report::summary(&report, WIDTH, out.color()));
    let explain = review::explanations(&report, &args.run_dir);
    if !explain.is_empty() {
        out.result(explain);
    }
    Ok(review::exit(&report))
}
