//! Kill: SIGKILL by the engine, which keeps the container down whatever its restart policy. Healed by starting it.

use async_trait::async_trait;

use super::process::{KILLED, ProcessFault, Started};
use crate::engine::{ContainerState, EngineError, Status};
use crate::nemesis::fault::Target;
use crate::nemesis::site::Site;

#[derive(Debug)]
pub(super) struct Kill;

#[async_trait]
impl ProcessFault for Kill {
    async fn strike(&self, site: &Site, target: &Target) -> Result<(), EngineError> {
        site.engine.kill(&target.container, "SIGKILL").await
    }

    fn shows(&self, now: &ContainerState, _: &Started) -> bool {
        now.status == Status::Exited && now.exit_code == KILLED
    }
}
