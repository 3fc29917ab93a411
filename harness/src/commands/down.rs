//! `down`: a cluster that the harness started is removed.

use crate::bring_up;
use crate::cli::DownArgs;
use crate::cluster::{self, ComposeTool};
use crate::engine::Engine;
use crate::failure::{Exit, Failure, Sort};
use crate::output::Output;
use crate::workspace::Workspace;

pub(super) async fn execute(workspace: &Workspace, args: &DownArgs, out: &Output) -> Result<Exit, Failure> {
    let engine = Engine::connect().await.environment()?;
    let project = &args.project.project;
    let _lock = workspace.lock(project).environment()?;
    // A guardian would start again what is taken down.
    drop(bring_up::healer(workspace, project, out).await?);
    let tool = ComposeTool::detect().await.environment()?;
    let removed = cluster::down(&engine, &tool, workspace.root(), project, args.volumes).await.environment()?;
    out.result(if removed {
        format!("project {project} is removed")
    } else {
        format!("project {project} has nothing to remove")
    });
    Ok(Exit::Success)
}
