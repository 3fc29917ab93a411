//! Kill: SIGKILL by the engine, which keeps the container down whatever its restart policy. Healed by starting it.

use async_trait::async_trait;

use super::process;
use crate::engine::Status;
use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::site::Site;

#[derive(Debug)]
pub(super) struct Kill;

#[async_trait]
impl Fault for Kill {
    async fn before(&self, site: &Site, target: &Target) -> Result<Before, FaultError> {
        process::before(site, target).await
    }

    async fn inject(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(site.engine.kill(&target.container, "SIGKILL").await?)
    }

    async fn effect(&self, site: &Site, target: &Target, _: &Before) -> Result<Seen, FaultError> {
        let now = site.inspect(target).await?;
        Ok(Seen::when(now.status == Status::Exited && now.exit_code == process::KILLED, process::describe(&now)))
    }

    async fn heal(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        process::start(site, target).await
    }

    async fn healed(&self, site: &Site, target: &Target, _: &Before) -> Result<Seen, FaultError> {
        process::healed(site, target).await
    }
    fn works_on(&self) -> bool {
        false
    }

    fn by_hand(&self, target: &Target) -> String {
        process::start_by_hand(target)
    }
}
