//! Restart: stopped and started in one call of the engine. Heals itself. A rolling restart does it to one target after
//! the other, each only when the one before is healthy again.

use async_trait::async_trait;

use super::process;
use crate::engine::Status;
use crate::nemesis::fault::{Before, Fault, FaultError, Order, Seen, Target};
use crate::nemesis::site::Site;

#[derive(Debug)]
pub(super) struct Restart(pub(super) Order);

#[async_trait]
impl Fault for Restart {
    async fn before(&self, site: &Site, target: &Target) -> Result<Before, FaultError> {
        process::before(site, target).await
    }

    async fn inject(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(site.engine.restart(&target.container, process::GRACE).await?)
    }

    async fn effect(&self, site: &Site, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        let now = site.inspect(target).await?;
        Ok(Seen::when(
            now.status == Status::Running && now.started_at != before.read::<process::Started>()?.at,
            process::describe(&now),
        ))
    }

    async fn heal(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        // Only if the engine's call left it down.
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

    fn order(&self) -> Order {
        self.0
    }
}
