//! Stop: SIGTERM, and SIGKILL after the grace period. Healed by starting the container.

use async_trait::async_trait;

use super::process::{GRACE, ProcessFault, Started};
use crate::engine::{ContainerState, EngineError, Status};
use crate::nemesis::fault::Target;
use crate::nemesis::site::Site;

#[derive(Debug)]
pub(super) struct Stop;

#[async_trait]
impl ProcessFault for Stop {
    async fn strike(&self, site: &Site, target: &Target) -> Result<(), EngineError> {
        site.engine.stop(&target.container, GRACE).await
    }

    fn shows(&self, now: &ContainerState, _: &Started) -> bool {
        now.status == Status::Exited
    }
}
