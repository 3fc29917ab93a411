//! What a container may take of the machine, read and changed while it runs.

use bollard::models::ContainerUpdateBody;
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

use super::containers::container;
use super::{ACTION, Engine, EngineError, QUESTION};

/// As the engine keeps them; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Billionths of a core.
    pub nano_cpus: i64,
    pub memory_bytes: i64,
}

impl Engine {
    pub async fn limits(&self, id: &str) -> Result<Limits, EngineError> {
        let inspected = self.asked("inspect", &container(id), QUESTION, self.docker.inspect_container(id, None)).await?;
        let host = inspected.host_config.unwrap_or_default();
        Ok(Limits { nano_cpus: host.nano_cpus.unwrap_or_default(), memory_bytes: host.memory.unwrap_or_default() })
    }

    /// # Errors
    /// The machine has fewer cores, or the container's CPU is limited in another way.
    pub async fn limit_cpus(&self, id: &str, nano_cpus: i64) -> Result<(), EngineError> {
        let body = ContainerUpdateBody { nano_cpus: Some(nano_cpus), ..Default::default() };
        self.asked("limit the CPU of", &container(id), ACTION, self.docker.update_container(id, body)).await
    }

    /// # Errors
    /// It is below what the engine allows (6 MiB), above the limit of memory and swap, or, under cgroup v1, below what
    /// the container takes at this moment.
    pub async fn limit_memory(&self, id: &str, bytes: i64) -> Result<(), EngineError> {
        let body = ContainerUpdateBody { memory: Some(bytes), ..Default::default() };
        self.asked("limit the memory of", &container(id), ACTION, self.docker.update_container(id, body)).await
    }

    /// The memory limit that the kernel holds a running container to, in bytes.
    pub async fn memory_limit_in_force(&self, id: &str) -> Result<u64, EngineError> {
        let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let mut stats = self.docker.stats(id, Some(options));
        let first = async { stats.next().await.transpose() };
        let stats = self.asked("measure", &container(id), QUESTION, first).await?;
        let limit = stats.and_then(|stats| stats.memory_stats).and_then(|memory| memory.limit);
        limit.ok_or_else(|| EngineError::NotFound { call: "measure", on: format!("memory limit of {}", container(id)) })
    }
}
