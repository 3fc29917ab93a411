//! `up`: a cluster for use by hand.

use crate::bring_up::{self, Request, Shape};
use crate::cli::ProjectArgs;
use crate::cluster::Start;
use crate::engine::Engine;
use crate::failure::{Exit, Failure, Sort};
use crate::output::Output;
use crate::workspace::{ROSTER, Workspace};

pub(super) async fn execute(workspace: &Workspace, args: &ProjectArgs, out: &Output) -> Result<Exit, Failure> {
    let engine = Engine::connect().await.environment()?;
    let _lock = workspace.lock(&args.project).environment()?;
    let healer = bring_up::healer(workspace, &args.project, out).await?;
    bring_up::heal_leftovers(workspace, &args.project, &healer, out).await?;
    drop(healer);
    let images = bring_up::images(workspace, &engine, false, out).await?;
    let request = Request { project: args.project.clone(), use_running: false, plant: None, heal: false };
    let shape = Shape { start: Start::Keep, nodes: ROSTER.len(), overlays: Vec::new() };
    let cluster = bring_up::up(workspace, &request, &engine, &images, shape, out).await?;
    for node in &cluster.nodes {
        out.result(format!("{:<16} {}  ({})", node.name, node.url, node.id));
    }
    out.result(format!(
        "{:<16} nats://{}  (monitoring {})\n{:<16} redis://{}",
        "nats", cluster.nats, cluster.nats_monitor, "redis", cluster.redis
    ));
    Ok(Exit::Success)
}
