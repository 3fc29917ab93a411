//! How a run gets its cluster, and how it leaves it.

use anyhow::Context;
use judge::plan::{Abilities, FaultKind, Need, Part, Plan};

use crate::cluster::{self, Cluster, ComposeTool, KEEPER, Overlay, Ports, Start, UpOptions};
use crate::engine::Engine;
use crate::failure::{Exit, Failure, Sort};
use crate::images::{self, Images};
use crate::locks::{self, Lock};
use crate::nemesis::guardian::AT_WORK_FOR;
use crate::nemesis::{journal, leftovers, netem_lacking};
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
    /// Heal first what an earlier run left broken in a cluster that is not our own.
    pub heal: bool,
}

/// What is started.
#[derive(Debug)]
pub struct Shape {
    pub start: Start,
    /// How many nodes.
    pub nodes: usize,
    pub overlays: Vec<Overlay>,
}

/// Waits until no guardian is at work on the project. The caller holds the project's lock: no run goes on.
///
/// # Errors
/// The guardian does not end.
pub async fn healer(workspace: &Workspace, project: &str, out: &Output) -> Result<Lock, Failure> {
    let path = leftovers::healer_lock(workspace.state(), project);
    let told = |holder: &str| {
        out.note(format!("waiting for {holder}, which heals what an earlier run left broken (at most {AT_WORK_FOR:?})"));
    };
    locks::wait(&path, "somebody who heals by hand or before a run", AT_WORK_FOR, told).await.environment()
}

/// Heals what an earlier run left broken in the project; says how many faults that were.
///
/// # Errors
/// Something stays broken.
pub async fn heal_leftovers(workspace: &Workspace, project: &str, _healer: &Lock, out: &Output) -> Result<usize, Failure> {
    let healed = leftovers::heal(workspace.state(), project).await.environment()?.unwrap_or_default();
    for fault in &healed.faults {
        out.note(format!("healed what an earlier run left in project {project}: {fault}"));
    }
    if let Some(differences) = healed.differences {
        out.note(format!("warning: project {project} is not as it was before that run: {differences}"));
    }
    Ok(healed.faults.len())
}

/// Heals before a run, where that was asked for or the project is our own. A leftover that cannot be healed does not
/// keep a fresh cluster from replacing it.
///
/// # Errors
/// Somebody else's cluster is broken, and was not to be healed or could not be.
pub async fn make_way(workspace: &Workspace, request: &Request, out: &Output) -> Result<(), Failure> {
    let project = &request.project;
    let healer = healer(workspace, project, out).await?;
    if request.use_running && !request.heal {
        let left = journal::left(workspace.state(), project).environment()?.unwrap_or_default();
        if !left.open.is_empty() {
            let broken: Vec<String> =
                left.open.iter().map(|open| format!("{} {}", open.kind.word(), open.target.service)).collect();
            let error = anyhow::anyhow!(
                "an earlier run left project {project} broken ({}); run `harness heal --project {project}`, or start with --heal",
                broken.join(", ")
            );
            return Err(Failure { exit: Exit::Environment, error });
        }
    }
    match heal_leftovers(workspace, project, &healer, out).await {
        Err(failure) if !request.use_running => {
            out.note(format!("warning: {:#}", failure.error));
            journal::remove(workspace.state(), project).environment()
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
    let helper = helper(workspace, plan, engine, out).await?;
    refuse_what_the_kernel_lacks(engine, helper.as_deref(), request, plan).await?;
    if !request.use_running {
        let plant = request.plant.is_some();
        let mut images = images(workspace, engine, plant, out).await?;
        if needs(plan, Need::Proxy) {
            let proxy = images::ensure_proxy(engine, workspace.root(), &|line: &str| out.note(line), plant).await;
            images.proxy = Some(proxy.environment()?);
        }
        let shape = Shape { start: Start::Fresh, nodes: plan.roster.len(), overlays: overlays(plan) };
        let cluster = up(workspace, request, engine, &images, shape, out).await?;
        return Ok(Cluster { helper, ..with_roster(cluster, plan).environment()? });
    }
    let cluster = cluster::attach(engine, &request.project).await.environment()?;
    let cluster = with_roster(cluster, plan).usage()?;
    plan.can_be_injected(&abilities(&cluster)).usage()?;
    refuse_moving(engine, &cluster, plan).await?;
    Ok(Cluster { helper, ..cluster })
}

/// What the plan's faults need of the cluster beside what it is made of anyway.
fn overlays(plan: &Plan) -> Vec<Overlay> {
    if needs(plan, Need::SmallDisks) { vec![Overlay::SmallDisks] } else { Vec::new() }
}

fn needs(plan: &Plan, need: Need) -> bool {
    plan.faults.iter().any(|fault| fault.kind.need() == Some(need))
}

/// Before anything is started: the kernel is the same for every cluster of the engine.
async fn refuse_what_the_kernel_lacks(
    engine: &Engine,
    helper: Option<&str>,
    request: &Request,
    plan: &Plan,
) -> Result<(), Failure> {
    let Some(image) = helper.filter(|_| needs(plan, Need::Netem)) else { return Ok(()) };
    match netem_lacking(engine, image, &request.project).await.environment()? {
        Some(why) => plan.can_be_injected(&Abilities::everything().without(Need::Netem, why)).usage(),
        None => Ok(()),
    }
}

/// What a cluster that runs offers to faults.
fn abilities(cluster: &Cluster) -> Abilities {
    let started_with = |file: &str| {
        format!("start project {} with `-f docker-compose.yml -f deploy/{file}.yml`, or leave out --use-running", cluster.project)
    };
    let mut abilities = Abilities::everything();
    if cluster.links.is_none() {
        abilities = abilities.without(Need::Proxy, started_with("links"));
    }
    if !cluster.containers.contains_key(KEEPER) {
        abilities = abilities.without(Need::SmallDisks, started_with("small-disks"));
    }
    abilities
}

/// The image of helper containers, where a fault of the plan needs one.
async fn helper(workspace: &Workspace, plan: &Plan, engine: &Engine, out: &Output) -> Result<Option<String>, Failure> {
    if !needs(plan, Need::Helper) && !needs(plan, Need::Netem) {
        return Ok(None);
    }
    images::helper(engine, workspace.root(), &|line: &str| out.note(line)).await.map(Some).environment()
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
    shape: Shape,
    out: &Output,
) -> Result<Cluster, Failure> {
    let tool = ComposeTool::detect().await.environment()?;
    let root = workspace.root().to_owned();
    let Shape { start, nodes, overlays } = shape;
    let options = UpOptions { root, start, ports: Ports::default(), nodes, plant: request.plant.clone(), overlays };
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
