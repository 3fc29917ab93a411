//! CPU: the target may take so much of a core. Healed by giving it back what it had.

use async_trait::async_trait;

use crate::engine::Limits;
use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::site::Site;

#[derive(Debug)]
pub(super) struct Cpu {
    nano_cpus: i64,
}

impl Cpu {
    pub(super) fn new(millicpus: u64) -> Self {
        Self { nano_cpus: i64::try_from(millicpus.saturating_mul(1_000_000)).unwrap_or(i64::MAX) }
    }
}

#[async_trait]
impl Fault for Cpu {
    async fn before(&self, site: &Site, target: &Target) -> Result<Before, FaultError> {
        let limits = site.engine.limits(&target.container).await?;
        if limits.nano_cpus == 0 {
            let service = &target.service;
            let why =
                format!("{service} has no CPU limit, and the engine cannot take one away again; give it one in the compose file");
            return Err(FaultError::Other(why));
        }
        Before::of(&limits)
    }

    async fn inject(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(site.engine.limit_cpus(&target.container, self.nano_cpus).await?)
    }

    async fn effect(&self, site: &Site, target: &Target, _: &Before) -> Result<Seen, FaultError> {
        held_to(site, target, self.nano_cpus).await
    }

    async fn heal(&self, site: &Site, target: &Target, before: &Before) -> Result<(), FaultError> {
        Ok(site.engine.limit_cpus(&target.container, before.read::<Limits>()?.nano_cpus).await?)
    }

    async fn healed(&self, site: &Site, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        held_to(site, target, before.read::<Limits>()?.nano_cpus).await
    }

    fn works_on(&self) -> bool {
        false
    }

    fn by_hand(&self, target: &Target) -> String {
        format!("docker update --cpus LIMIT {}", target.container)
    }
}

async fn held_to(site: &Site, target: &Target, nano_cpus: i64) -> Result<Seen, FaultError> {
    let now = site.engine.limits(&target.container).await?.nano_cpus;
    Ok(Seen::when(now == nano_cpus, format!("limited to {} cores", now as f64 / 1e9)))
}
