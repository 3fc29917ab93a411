//! Drain: SIGTERM, and the process must end by itself, with success, within its grace. Healed by starting it.
//!
//! A target that has to be killed at the end of its grace did not drain: the fault is ineffective then, and says so.

use async_trait::async_trait;

use super::process::{GRACE, ProcessFault, Started};
use crate::engine::{ContainerState, EngineError, Status};
use crate::nemesis::fault::Target;
use crate::nemesis::site::Site;

#[derive(Debug)]
pub(super) struct Drain;

#[async_trait]
impl ProcessFault for Drain {
    async fn strike(&self, site: &Site, target: &Target) -> Result<(), EngineError> {
        site.engine.stop(&target.container, GRACE).await
    }

    fn shows(&self, now: &ContainerState, _: &Started) -> bool {
        now.status == Status::Exited && now.exit_code == 0
    }
}
