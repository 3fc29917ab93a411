//! Pause: every process of the container is frozen, its connections stay open. Healed by thawing it.

use async_trait::async_trait;

use super::process;
use crate::engine::Status;
use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::site::Site;

#[derive(Debug)]
pub(super) struct Pause;

#[async_trait]
impl Fault for Pause {
    async fn before(&self, site: &Site, target: &Target) -> Result<Before, FaultError> {
        process::before(site, target).await
    }

    async fn inject(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(site.engine.pause(&target.container).await?)
    }

    async fn effect(&self, site: &Site, target: &Target, _: &Before) -> Result<Seen, FaultError> {
        let now = site.inspect(target).await?;
        Ok(Seen::when(now.status == Status::Paused, process::describe(&now)))
    }

    async fn heal(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        // The engine refuses to thaw what is not frozen, and a heal may be asked for twice.
        if site.inspect(target).await?.status == Status::Paused {
            site.engine.unpause(&target.container).await?;
        }
        Ok(())
    }

    async fn healed(&self, site: &Site, target: &Target, _: &Before) -> Result<Seen, FaultError> {
        process::healed(site, target).await
    }
    fn works_on(&self) -> bool {
        false
    }

    fn by_hand(&self, target: &Target) -> String {
        format!("docker unpause {}", target.container)
    }
}
