//! Restart: stopped and started in one call of the engine. Heals itself. A rolling restart does it to one target after
//! the other, each only when the one before is healthy again.

use async_trait::async_trait;

use super::process::{GRACE, ProcessFault, Started};
use crate::engine::{ContainerState, EngineError, Status};
use crate::nemesis::fault::{Order, Target};
use crate::nemesis::site::Site;

#[derive(Debug)]
pub(super) struct Restart(pub(super) Order);

#[async_trait]
impl ProcessFault for Restart {
    async fn strike(&self, site: &Site, target: &Target) -> Result<(), EngineError> {
        site.engine.restart(&target.container, GRACE).await
    }

    fn shows(&self, now: &ContainerState, before: &Started) -> bool {
        now.status == Status::Running && now.started_at != before.at
    }

    fn order(&self) -> Order {
        self.0
    }
}
