//! Where faults are injected: the cluster, and the ways to reach its parts.

use std::time::Duration;

use crate::cluster::{Cluster, Node};
use crate::engine::{ContainerState, Engine, EngineError};
use crate::stores::{JetStream, Redis, StoreError};

use super::fault::{FaultError, Target};

/// How long a store may take to answer a probe.
const PATIENCE: Duration = Duration::from_secs(1);

/// A cluster and its engine; cheap to clone.
#[derive(Debug, Clone)]
pub struct Site {
    pub engine: Engine,
    pub cluster: Cluster,
}

impl Site {
    pub async fn inspect(&self, target: &Target) -> Result<ContainerState, EngineError> {
        self.engine.inspect(&target.container).await
    }

    /// A connection of its own, through the published port.
    pub fn redis(&self) -> Result<Redis, StoreError> {
        Redis::of(&self.cluster, PATIENCE)
    }

    /// A connection of its own, through the published port.
    pub async fn jetstream(&self) -> Result<JetStream, StoreError> {
        JetStream::of(&self.cluster, PATIENCE).await
    }

    /// The node that a target is.
    pub fn node(&self, target: &Target) -> Result<&Node, FaultError> {
        let node = self.cluster.nodes.iter().find(|node| node.name == target.service);
        node.ok_or_else(|| FaultError::Other(format!("{} is no node of the cluster", target.service)))
    }

    /// The container that runs a service now.
    pub fn target(&self, service: &str) -> Result<Target, FaultError> {
        let container = self.cluster.containers.get(service);
        let container = container.ok_or_else(|| FaultError::Other(format!("the cluster has no service {service}")))?;
        Ok(Target { service: service.to_owned(), container: container.clone() })
    }
}
