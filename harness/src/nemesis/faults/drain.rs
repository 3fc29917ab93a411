//! Drain: SIGTERM, and the process must end by itself, with success, within its grace. Healed by starting it.
//!
//! A target that has to be killed at the end of its grace did not drain: the fault is ineffective then, and says so.

use async_trait::async_trait;

use super::process;
use crate::engine::Status;
use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::site::Site;

#[derive(Debug)]
pub(super) struct Drain;

#[async_trait]
impl Fault for Drain {
    async fn before(&self, site: &Site, target: &Target) -> Result<Before, FaultError> {
        process::before(site, target).await
    }

    async fn inject(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(site.engine.stop(&target.container, process::GRACE).await?)
    }

    async fn effect(&self, site: &Site, target: &Target, _: &Before) -> Result<Seen, FaultError> {
        let now = site.inspect(target).await?;
        Ok(Seen::when(now.status == Status::Exited && now.exit_code == 0, process::describe(&now)))
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
