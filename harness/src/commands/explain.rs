//! `explain`: one order of a recorded run, told to somebody who has never seen it.

use crate::cli::ExplainArgs;
use crate::failure::{Exit, Failure, Sort};
use crate::folder::RunFolder;
use crate::output::Output;
use crate::review;

pub(super) fn execute(args: &ExplainArgs, out: &Output) -> Result<Exit, Failure> {
    let recorded = review::read(&RunFolder::open(&args.run_dir)).usage()?;
    let told = judge::explain::explain(&recorded.plan, &recorded.history, &recorded.samples, &args.order_id);
    let Some(told) = told else {
        let nonce = &recorded.history.header.nonce;
        let error = anyhow::anyhow!(
            "the history has no order {}; those of this run are named {nonce}-0 and so on, and report.json names the bad ones",
            args.order_id
        );
        return Err(Failure { exit: Exit::Usage, error });
    };
    let run = args.run_dir.display();
    out.result(format!("{}\njudge the run again\n  cargo run -p harness -- check {run}", told.text()));
    Ok(Exit::Success)
}
