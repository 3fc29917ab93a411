//! `guardian`: started by the harness itself, never by a person.

use crate::cli::GuardianArgs;
use crate::failure::{Exit, Failure, Sort};
use crate::nemesis::guardian;
use crate::output::Output;

pub(super) async fn execute(args: GuardianArgs, out: &Output) -> Result<Exit, Failure> {
    guardian::guard(args.state, args.project, out).await.environment()?;
    Ok(Exit::Success)
}
