//! `status`: what runs, and how it is.

use crate::cli::ProjectArgs;
use crate::cluster;
use crate::engine::Engine;
use crate::failure::{Exit, Failure, Sort};
use crate::output::Output;

pub(super) async fn execute(args: &ProjectArgs, out: &Output) -> Result<Exit, Failure> {
    let engine = Engine::connect().await.environment()?;
    let containers = cluster::status(&engine, &args.project).await.environment()?;
    if containers.is_empty() {
        out.result(format!("project {} has no containers; `harness up --project {0}` starts it", args.project));
        return Ok(Exit::Success);
    }
    for container in &containers {
        let ports: Vec<String> = container.ports.iter().map(|(inside, outside)| format!("{outside}->{inside}")).collect();
        out.result(format!("{:<18} {:<20} {}", cluster::service_name(container), container.summary(), ports.join(" ")));
    }
    Ok(Exit::Success)
}
