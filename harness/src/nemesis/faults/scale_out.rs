//! Scale out: further nodes join, each on a port that the engine picks, and leave again.
//!
//! Healed means that those containers are gone, and the consumers that they left behind, too: the stream would keep what they
//! have not acknowledged for ever. Their keys in Redis stay; nobody reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use crate::cluster::{self, SCALED};
use crate::engine::ContainerState;
use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::site::Site;
use crate::poll;

/// What services of nodes begin with.
const NODES: &str = "cluster-node";
/// A node is healthy within a few seconds, and a new one replays the whole stream.
const JOINED_WITHIN: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct ScaleOut {
    /// How many there shall be in all.
    pub(super) nodes: usize,
}

/// What there was before.
#[derive(Debug, Serialize, Deserialize)]
struct Cluster {
    /// Ids of the nodes' containers.
    nodes: BTreeSet<String>,
    /// How many of those were of the service that is scaled.
    scaled: usize,
    /// Durable consumers by name.
    consumers: BTreeSet<String>,
}

#[async_trait]
impl Fault for ScaleOut {
    async fn before(&self, site: &Site, _: &Target) -> Result<Before, FaultError> {
        let nodes = nodes(site).await?;
        if nodes.len() >= self.nodes {
            return Err(FaultError::Other(format!("there are {} nodes, and there shall be {}", nodes.len(), self.nodes)));
        }
        Before::of(&Cluster {
            scaled: nodes.iter().filter(|node| node.service == SCALED).count(),
            nodes: nodes.into_iter().map(|node| node.id).collect(),
            consumers: consumers(site).await?.into_keys().collect(),
        })
    }

    /// Returns when the new nodes have applied all that there was, or are late.
    async fn inject(&self, site: &Site, target: &Target, before: &Before) -> Result<(), FaultError> {
        let cluster: Cluster = before.read()?;
        scale(site, target, cluster.scaled + self.nodes - cluster.nodes.len()).await?;
        let joined = poll::until(JOINED_WITHIN, ASK_EVERY, || async {
            match self.effect(site, target, before).await {
                Ok(Seen::Yes(_)) => Ok(()),
                Ok(Seen::NotYet(seen)) => Err(seen),
                Err(error) => Err(error.to_string()),
            }
        });
        joined.await.map_err(|expired| FaultError::Other(format!("the new nodes have not joined {expired}")))
    }

    /// The new nodes are healthy and ready, and each has a consumer that has nothing left to deliver.
    async fn effect(&self, site: &Site, _: &Target, before: &Before) -> Result<Seen, FaultError> {
        let before: Cluster = before.read()?;
        let containers: Vec<ContainerState> = new_nodes(site, &before).await?;
        let wanted = self.nodes - before.nodes.len();
        if containers.len() != wanted {
            return Ok(Seen::NotYet(format!("{} of {wanted} further nodes are there", containers.len())));
        }
        let joined = match try_join_all(containers.iter().map(cluster::node_of)).await {
            Ok(joined) => joined,
            Err(seen) => return Ok(Seen::NotYet(seen)),
        };
        let pending = consumers(site).await?;
        let told = joined.iter().map(|node| match pending.get(&node.id) {
            Some(pending) => format!("{} ({}) has {pending} messages before it", node.id, node.url),
            None => format!("{} ({}) has no consumer", node.id, node.url),
        });
        let told: Vec<String> = told.collect();
        Ok(Seen::when(joined.iter().all(|node| pending.get(&node.id) == Some(&0)), told.join(", ")))
    }

    async fn heal(&self, site: &Site, target: &Target, before: &Before) -> Result<(), FaultError> {
        let before: Cluster = before.read()?;
        if !new_nodes(site, &before).await?.is_empty() {
            scale(site, target, before.scaled).await?;
        }
        let jetstream = site.jetstream().await?;
        for consumer in consumers(site).await?.keys().filter(|consumer| !before.consumers.contains(*consumer)) {
            jetstream.delete_consumer(consumer).await?;
        }
        Ok(())
    }

    async fn healed(&self, site: &Site, _: &Target, before: &Before) -> Result<Seen, FaultError> {
        let before: Cluster = before.read()?;
        let names: Vec<String> = new_nodes(site, &before).await?.into_iter().map(|node| node.name).collect();
        let left: Vec<String> =
            consumers(site).await?.into_keys().filter(|consumer| !before.consumers.contains(consumer)).collect();
        let seen = format!("further nodes: [{}]; consumers of theirs: [{}]", names.join(", "), left.join(", "));
        Ok(Seen::when(names.is_empty() && left.is_empty(), seen))
    }

    /// Under load there is nearly always something on its way to a node.
    fn is_steady(&self) -> bool {
        false
    }
}

async fn nodes(site: &Site) -> Result<Vec<ContainerState>, FaultError> {
    let mut found = site.engine.containers(&site.cluster.project).await?;
    found.retain(|container| container.service.starts_with(NODES));
    Ok(found)
}

async fn new_nodes(site: &Site, before: &Cluster) -> Result<Vec<ContainerState>, FaultError> {
    let mut found = nodes(site).await?;
    found.retain(|node| !before.nodes.contains(&node.id));
    Ok(found)
}

/// What each durable consumer still has before it.
async fn consumers(site: &Site) -> Result<BTreeMap<String, u64>, FaultError> {
    let durable = site.jetstream().await?.consumers().await?;
    Ok(durable.into_iter().map(|(name, state)| (name, state.pending)).collect())
}

async fn scale(site: &Site, target: &Target, count: usize) -> Result<(), FaultError> {
    let like = site.inspect(target).await?;
    let origin = site.engine.origin(&like.id).await?;
    let scaled = cluster::scale(&site.engine, &like, &origin, count).await;
    scaled.map_err(|error| FaultError::Other(error.to_string()))
}
