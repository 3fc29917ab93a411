//! `images`: everything that a cluster is made of.

use crate::bring_up;
use crate::engine::Engine;
use crate::failure::{Exit, Failure, Sort};
use crate::output::Output;
use crate::workspace::Workspace;

pub(super) async fn execute(workspace: &Workspace, out: &Output) -> Result<Exit, Failure> {
    let engine = Engine::connect().await.environment()?;
    let images = bring_up::images(workspace, &engine, false, out).await?;
    out.result(format!("node   {}\nnats   {}\nredis  {}", images.node, images.nats, images.redis));
    Ok(Exit::Success)
}
