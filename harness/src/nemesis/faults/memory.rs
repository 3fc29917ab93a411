//! Memory: the target may take so many bytes; what takes more is ended by the kernel. Healed by giving it back what it had.
//!
//! The limit of memory and swap together stays: where the machine swaps, the target may swap.

use async_trait::async_trait;

use crate::engine::{Limits, Status};
use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::site::Site;

#[derive(Debug)]
pub(super) struct Memory {
    bytes: i64,
}

impl Memory {
    pub(super) fn new(bytes: u64) -> Self {
        Self { bytes: i64::try_from(bytes).unwrap_or(i64::MAX) }
    }
}

#[async_trait]
impl Fault for Memory {
    async fn before(&self, site: &Site, target: &Target) -> Result<Before, FaultError> {
        let limits = site.engine.limits(&target.container).await?;
        if limits.memory_bytes <= 0 {
            let service = &target.service;
            let why =
                format!("{service} has no memory limit, so nothing is known to go back to; give it one in the compose file");
            return Err(FaultError::Other(why));
        }
        Before::of(&limits)
    }

    async fn inject(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        match site.engine.limit_memory(&target.container, self.bytes).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let used = site.engine.usage(&target.container).await.map(|usage| usage.memory_bytes >> 20);
                let used = used.map_or_else(|_| String::new(), |used| format!(" {used} MiB without its page cache"));
                Err(FaultError::Other(format!(
                    "{error}; {} takes{used}: kernels with cgroup v1 refuse a limit below what is taken, so give a larger `size`",
                    target.service
                )))
            }
        }
    }

    async fn effect(&self, site: &Site, target: &Target, _: &Before) -> Result<Seen, FaultError> {
        held_to(site, target, self.bytes).await
    }

    async fn heal(&self, site: &Site, target: &Target, before: &Before) -> Result<(), FaultError> {
        Ok(site.engine.limit_memory(&target.container, before.read::<Limits>()?.memory_bytes).await?)
    }

    async fn healed(&self, site: &Site, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        held_to(site, target, before.read::<Limits>()?.memory_bytes).await
    }

    fn works_on(&self) -> bool {
        false
    }

    fn by_hand(&self, target: &Target) -> String {
        format!("docker update --memory LIMIT {}", target.container)
    }
}

/// By the engine's record and, while the target runs, by the kernel's.
async fn held_to(site: &Site, target: &Target, bytes: i64) -> Result<Seen, FaultError> {
    let kept = site.engine.limits(&target.container).await?.memory_bytes;
    let state = site.inspect(target).await?;
    let words = format!("limited to {} MiB", kept >> 20);
    if kept != bytes || state.status != Status::Running {
        return Ok(Seen::when(kept == bytes, format!("{words}, {}", state.summary())));
    }
    let in_force = site.engine.memory_limit_in_force(&target.container).await?;
    Ok(Seen::when(i64::try_from(in_force) == Ok(bytes), format!("{words}, {} MiB by the kernel", in_force >> 20)))
}
