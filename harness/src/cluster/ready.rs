//! Waiting until a cluster is what it shall be, and the handles on it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use serde::Deserialize;

use super::{Cluster, ClusterError, Node, service_name};
use crate::engine::{ContainerState, Engine, EngineError, Health as ContainerHealth, Status};
use crate::http;
use crate::poll::{self, Asked};

const ASK_EVERY: Duration = Duration::from_millis(100);
const NODE_ANSWERS: Duration = Duration::from_secs(2);
const NATS: &str = "nats";
const REDIS: &str = "redis";
/// The fault proxy, where there is one, and the port of its control interface.
const LINKS: (&str, u16) = ("links", 9000);
const NODE_PREFIX: &str = "cluster-node";
/// So many lines of each service that is not healthy are quoted.
const LOG_LINES: usize = 8;

/// The part of a node's `/health` that tells who it is.
#[derive(Debug, Deserialize)]
struct Health {
    node: String,
}

/// Asks until NATS, Redis and every node that the project has are healthy, and every node is ready.
pub(super) async fn wait(engine: &Engine, project: &str, within: Duration) -> Result<Cluster, ClusterError> {
    let client = http::client(NODE_ANSWERS);
    let asked = poll::until(within, ASK_EVERY, || async {
        let containers = engine.containers(project).await.map_err(|error| error.to_string())?;
        look(&client, project, &containers).await
    });
    match asked.await {
        Ok(cluster) => Ok(cluster),
        Err(expired) => {
            let logs = logs_of_unhealthy(engine, project).await.unwrap_or_else(|error| format!("; {error}"));
            Err(ClusterError::NotReady { project: project.to_owned(), expired, logs })
        }
    }
}

/// Waits until nothing that runs is unhealthy: a frozen container counts as unhealthy, and compose 1 gives up at once on
/// a dependency that is. A service that stays so is compose's to report.
pub(super) async fn recovered(engine: &Engine, project: &str, within: Duration) {
    let asked = poll::until(within, ASK_EVERY, || async {
        let containers = engine.containers(project).await.map_err(|error| error.to_string())?;
        let unhealthy = containers
            .iter()
            .find(|container| container.status == Status::Running && container.health == Some(ContainerHealth::Unhealthy));
        unhealthy.map_or(Ok(()), |container| Err(container.name.clone()))
    });
    // Whatever was last seen, compose will say more about it.
    let _ = asked.await;
}

async fn look(client: &reqwest::Client, project: &str, containers: &[ContainerState]) -> Asked<Cluster> {
    for service in [NATS, REDIS] {
        if !containers.iter().any(|container| container.service == service) {
            return Err(format!("no container of service {service}"));
        }
    }
    let unhealthy: Vec<String> = containers
        .iter()
        .filter(|container| !container.is_healthy())
        .map(|container| format!("{} is {}", service_name(container), container.summary()))
        .collect();
    if !unhealthy.is_empty() {
        return Err(unhealthy.join(", "));
    }
    let cluster = handles(project, containers)?;
    identified(client, cluster).await
}

/// A node by its container, once it is healthy and says that it is ready.
///
/// # Errors
/// What is not so yet.
pub(crate) async fn node_of(container: &ContainerState) -> Asked<Node> {
    if !container.is_healthy() {
        return Err(format!("{} is {}", service_name(container), container.summary()));
    }
    let node = handle(container)?;
    let id = identity(&http::client(NODE_ANSWERS), &node).await?;
    Ok(Node { id, ..node })
}

/// Everything but the node's id.
fn handle(container: &ContainerState) -> Asked<Node> {
    let url = format!("http://{}", published(container, 8080)?);
    Ok(Node { name: service_name(container), id: String::new(), url, container: container.id.clone() })
}

/// Everything but the nodes' ids.
fn handles(project: &str, containers: &[ContainerState]) -> Asked<Cluster> {
    let address = |service: &str, inside: u16| -> Asked<String> {
        let of_service = containers.iter().find(|container| container.service == service);
        published(of_service.ok_or_else(|| format!("no container of service {service}"))?, inside)
    };
    let nodes: Vec<Node> =
        containers.iter().filter(|container| container.service.starts_with(NODE_PREFIX)).map(handle).collect::<Asked<_>>()?;
    if nodes.is_empty() {
        return Err(format!("no service whose name begins with {NODE_PREFIX}"));
    }
    Ok(Cluster {
        project: project.to_owned(),
        nodes,
        nats: address(NATS, 4222)?,
        nats_monitor: format!("http://{}", address(NATS, 8222)?),
        redis: address(REDIS, 6379)?,
        links: containers
            .iter()
            .find(|container| container.service == LINKS.0)
            .map(|container| Ok::<_, String>(format!("http://{}", published(container, LINKS.1)?)))
            .transpose()?,
        containers: containers
            .iter()
            .map(|container| (service_name(container), container.id.clone()))
            .collect::<BTreeMap<_, _>>(),
        helper: None,
        memory: None,
    })
}

fn published(container: &ContainerState, inside: u16) -> Asked<String> {
    let port = container.ports.get(&inside).ok_or_else(|| format!("{} publishes no port {inside}", service_name(container)))?;
    Ok(format!("127.0.0.1:{port}"))
}

async fn identified(client: &reqwest::Client, mut cluster: Cluster) -> Asked<Cluster> {
    let ids = join_all(cluster.nodes.iter().map(|node| identity(client, node))).await;
    for (node, id) in cluster.nodes.iter_mut().zip(ids) {
        node.id = id?;
    }
    Ok(cluster)
}

async fn identity(client: &reqwest::Client, node: &Node) -> Asked<String> {
    let url = format!("{}/health/ready", node.url);
    let reply = http::get(client, &url).await.map_err(|error| error.to_string())?;
    if reply.status != 200 {
        return Err(format!("{url} answered {}: {}", reply.status, String::from_utf8_lossy(&reply.body)));
    }
    let health: Health = serde_json::from_slice(&reply.body).map_err(|error| format!("{url} answered no health: {error}"))?;
    Ok(health.node)
}

async fn logs_of_unhealthy(engine: &Engine, project: &str) -> Result<String, EngineError> {
    let containers = engine.containers(project).await?;
    let unhealthy = containers.iter().filter(|container| !container.is_healthy());
    let quotes = unhealthy.map(|container| async {
        let lines = engine.last_lines(&container.id, LOG_LINES).await?;
        Ok(format!("\nlast lines of {}:\n{}", service_name(container), lines.trim_end()))
    });
    Ok(try_join_all(quotes).await?.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(service: &str, number: u32, ports: &[(u16, u16)]) -> ContainerState {
        ContainerState {
            id: format!("id-{service}-{number}"),
            name: format!("p_{service}_{number}"),
            service: service.to_owned(),
            number,
            project: Some(String::from("p")),
            owner: None,
            helper: None,
            image: String::new(),
            user: String::new(),
            status: Status::Running,
            pid: 1,
            started_at: String::new(),
            exit_code: 0,
            oom_killed: false,
            restart_count: 0,
            health: Some(ContainerHealth::Healthy),
            ports: ports.iter().copied().collect(),
            fixed_ports: ports.iter().copied().collect(),
            ports_move: false,
            one_off: false,
        }
    }

    fn services() -> Vec<ContainerState> {
        vec![
            container("cluster-node", 2, &[(8080, 32001)]),
            container("cluster-node-1", 1, &[(8080, 8081)]),
            container("nats", 1, &[(4222, 4222), (8222, 8222)]),
            container("redis", 1, &[(6379, 6379)]),
        ]
    }

    #[test]
    fn handles_name_every_service_and_its_loopback_address() {
        let cluster = handles("p", &services()).expect("a cluster");
        let nodes: Vec<(&str, &str)> = cluster.nodes.iter().map(|node| (node.name.as_str(), node.url.as_str())).collect();
        assert_eq!(nodes, [("cluster-node.2", "http://127.0.0.1:32001"), ("cluster-node-1", "http://127.0.0.1:8081")]);
        assert_eq!((cluster.nats.as_str(), cluster.redis.as_str()), ("127.0.0.1:4222", "127.0.0.1:6379"));
        assert_eq!(cluster.containers["cluster-node.2"], "id-cluster-node-2");
    }

    #[tokio::test]
    async fn what_is_not_healthy_is_named_with_its_state() {
        let client = http::client(NODE_ANSWERS);
        let mut found = services();
        found[1].health = Some(ContainerHealth::Starting);
        found[3].status = Status::Exited;
        found[3].exit_code = 137;
        let seen = look(&client, "p", &found).await.expect_err("not healthy");
        assert_eq!(seen, "cluster-node-1 is running, starting, redis is exited 137");
    }
}
