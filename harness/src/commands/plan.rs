//! `plan`: what a scenario resolves to, as JSON.

use super::chaos::{fresh_seed, overrides};
use crate::cli::PlanArgs;
use crate::failure::{Exit, Failure, Sort};
use crate::output::Output;
use crate::workspace::Workspace;

pub(super) fn execute(workspace: &Workspace, args: &PlanArgs, out: &Output) -> Result<Exit, Failure> {
    let scenario = workspace.scenario(&args.scenario).usage()?;
    let seed = args.seed.seed.unwrap_or_else(fresh_seed);
    let plan = workspace.plan(&scenario, seed, &overrides(&args.shape)?, args.cluster).usage()?;
    out.result(serde_json::to_string_pretty(&plan).usage()?);
    Ok(Exit::Success)
}
