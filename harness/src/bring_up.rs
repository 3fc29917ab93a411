//! How a run gets its cluster, and how it leaves it.

use anyhow::Context;
use judge::plan::{FaultKind, Need, Part, Plan};

use crate::cluster::{self, Cluster, ComposeTool, Ports, Start, UpOptions};
use crate::engine::Engine;
use crate::failure::{Exit, Failure, Sort};
use crate::images::{self, Images};
use crate::nemesis::{journal, leftovers};
use crate::output::Output;
use crate::workspace::Workspace;

/// Which cluster a run wants.
#[derive(Debug, Clone)]
pub struct Request {
    pub project: String,
    /// Take the one that runs, whoever made it; else a fresh one.
    pub use_running: bool,
    /// A planted bug that the nodes run with.
    pub plant: Option<String>,
}

/// Heals what earlier runs left broken, in any project that no other harness works on; says how many faults that were.
/// The caller holds the lock of `held`.
///
/// # Errors
/// Something stays broken; the other projects are healed all the same.
pub async fn heal_leftovers(workspace: &Workspace, held: Option<&str>, engine: &Engine, out: &Output) -> Result<usize, Failure> {
    let (mut count, mut failed) = (0, Ok(()));
    for project in journal::projects(workspace.state()).environment()? {
        let lock = if held == Some(project.as_str()) { None } else { Some(workspace.lock(&project)) };
        if let Some(Err(error)) = lock {
            out.note(format!("project {project} is left as it is: {error}"));
            continue;
        }
        match leftovers::heal(workspace.state(), &project, engine).await {
            Ok(healed) => {
                for line in &healed {
                    out.note(format!("healed what an earlier run left in project {project}: {line}"));
                }
                count += healed.len();
            }
            Err(error) => failed = Err(error).environment(),
        }
    }
    failed.map(|()| count)
}

/// Heals before a run. A leftover that cannot be healed does not keep a fresh cluster from replacing it.
pub async fn make_way(workspace: &Workspace, request: &Request, engine: &Engine, out: &Output) -> Result<(), Failure> {
    let healed = heal_leftovers(workspace, Some(&request.project), engine, out).await;
    match healed {
        Err(failure) if !request.use_running => {
            out.note(format!("warning: {:#}", failure.error));
            if journal::left(workspace.state(), &request.project).environment()?.is_some() {
                journal::remove(workspace.state(), &request.project).environment()?;
            }
            Ok(())
        }
        other => other.map(drop),
    }
}

/// Makes the images that are missing.
pub async fn images(workspace: &Workspace, engine: &Engine, plant: bool, out: &Output) -> Result<Images, Failure> {
    images::ensure(engine, workspace.root(), &|line: &str| out.note(line), plant).await.environment()
}

/// A cluster whose every node is ready, with the plan's nodes and no others.
pub async fn bring_up(
    workspace: &Workspace,
    request: &Request,
    plan: &Plan,
    engine: &Engine,
    out: &Output,
) -> Result<Cluster, Failure> {
    let links = plan.faults.iter().any(|fault| fault.kind.need() == Some(Need::Proxy));
    if !request.use_running {
        let plant = request.plant.is_some();
        let mut images = images(workspace, engine, plant, out).await?;
        if links {
            let proxy = images::ensure_proxy(engine, workspace.root(), &|line: &str| out.note(line), plant).await;
            images.proxy = Some(proxy.environment()?);
        }
        let cluster = up(workspace, request, engine, &images, Start::Fresh, plan.roster.len(), out).await?;
        return with_roster(cluster, plan).environment();
    }
    let cluster = cluster::attach(engine, &request.project).await.environment()?;
    let cluster = with_roster(cluster, plan).usage()?;
    if links && cluster.links.is_none() {
        let error = anyhow::anyhow!(
            "project {} has no fault proxy between nodes and services, which the plan's faults on links need; start it with \
             `-f docker-compose.yml -f deploy/links.yml`, or leave out --use-running",
            cluster.project
        );
        return Err(Failure { exit: Exit::Usage, error });
    }
    refuse_moving(engine, &cluster, plan).await?;
    Ok(cluster)
}

/// The cluster with the nodes of the plan, in the plan's order, and no others.
fn with_roster(mut cluster: Cluster, plan: &Plan) -> anyhow::Result<Cluster> {
    let of_plan = |name: &String| cluster.nodes.iter().find(|node| node.name == *name).cloned();
    let found = plan.roster.iter().map(|name| {
        of_plan(name).with_context(|| {
            let wanted = plan.roster.len();
            format!("the plan wants {wanted} nodes, and project {} has no {name}; its nodes are {}", cluster.project, {
                cluster.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ")
            })
        })
    });
    cluster.nodes = found.collect::<anyhow::Result<_>>()?;
    Ok(cluster)
}

/// Refuses faults on services that are not there, and those that stop a service whose port the engine picks anew at
/// each start: it could not be found again.
async fn refuse_moving(engine: &Engine, cluster: &Cluster, plan: &Plan) -> Result<(), Failure> {
    for fault in &plan.faults {
        let services = if fault.dynamic().is_some() { &plan.roster } else { &fault.services };
        for service in services {
            let container = cluster.containers.get(service);
            let container = container.with_context(|| format!("project {} has no service {service}", cluster.project)).usage()?;
            if fault.kind.part() == Part::Process
                && fault.kind != FaultKind::Pause
                && engine.inspect(container).await.environment()?.ports_move
            {
                let error = anyhow::anyhow!(
                    "{} {service}: project {} publishes it on a port that changes at each start; give it a fixed one",
                    fault.kind.word(),
                    cluster.project
                );
                return Err(Failure { exit: Exit::Usage, error });
            }
        }
    }
    Ok(())
}

/// Starts the project from given images.
pub async fn up(
    workspace: &Workspace,
    request: &Request,
    engine: &Engine,
    images: &Images,
    start: Start,
    nodes: usize,
    out: &Output,
) -> Result<Cluster, Failure> {
    let tool = ComposeTool::detect().await.environment()?;
    let root = workspace.root().to_owned();
    let options = UpOptions { root, start, ports: Ports::default(), nodes, plant: request.plant.clone() };
    cluster::up(engine, &tool, images, &request.project, &options, &|line| out.note(line)).await.environment()
}

/// Removes what `bring_up` made. A failure is told, and does not change the run's result: the next start removes it.
pub async fn take_down(workspace: &Workspace, request: &Request, keep_up: bool, engine: &Engine, out: &Output) {
    if request.use_running {
        return;
    }
    if keep_up {
        out.note(format!("the cluster keeps running; `harness down --project {} -v` removes it", request.project));
        return;
    }
    let removed = async {
        let tool = ComposeTool::detect().await?;
        cluster::down(engine, &tool, workspace.root(), &request.project, true).await
    };
    match removed.await {
        Ok(true) => out.note("the cluster is removed"),
        Ok(false) => {}
        Err(error) => out.note(format!("warning: the cluster could not be removed, the next start tries again: {error}")),
    }
}
