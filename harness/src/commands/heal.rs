//! `heal`: what an interrupted run left broken is healed by hand.

use crate::bring_up;
use crate::engine::Engine;
use crate::failure::{Exit, Failure, Sort};
use crate::output::Output;
use crate::workspace::Workspace;

pub(super) async fn execute(workspace: &Workspace, out: &Output) -> Result<Exit, Failure> {
    let engine = Engine::connect().await.environment()?;
    let healed = bring_up::heal_leftovers(workspace, None, &engine, out).await?;
    if healed == 0 {
        out.result("nothing to heal: no run left a fault open");
    }
    Ok(Exit::Success)
}
