//! `heal`: what an interrupted run left broken is healed by hand.

use crate::bring_up;
use crate::cli::HealArgs;
use crate::failure::{Exit, Failure, Sort};
use crate::nemesis::journal;
use crate::output::Output;
use crate::workspace::Workspace;

pub(super) async fn execute(workspace: &Workspace, args: &HealArgs, out: &Output) -> Result<Exit, Failure> {
    let projects = match &args.project {
        Some(project) => vec![project.clone()],
        None => journal::projects(workspace.state()).environment()?,
    };
    let (mut count, mut failed) = (0, Ok(Exit::Success));
    for project in &projects {
        match heal(workspace, project, out).await {
            Ok(healed) => count += healed,
            // The others are healed all the same.
            Err(failure) => {
                out.note(format!("project {project}: {:#}", failure.error));
                failed = Err(failure);
            }
        }
    }
    if count == 0 && failed.is_ok() {
        out.result("nothing to heal: no run left a fault open");
    }
    failed
}

/// Says how many faults were open.
async fn heal(workspace: &Workspace, project: &str, out: &Output) -> Result<usize, Failure> {
    let _lock = workspace.lock(project).environment()?;
    let healer = bring_up::healer(workspace, project, out).await?;
    bring_up::heal_leftovers(workspace, project, &healer, out).await
}
