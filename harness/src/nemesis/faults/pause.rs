//! Pause: every process of the container is frozen, its connections stay open. Healed by thawing it.

use async_trait::async_trait;

use super::process::{ProcessFault, Started, thaw};
use crate::engine::{ContainerState, EngineError, Status};
use crate::nemesis::fault::{FaultError, Target};
use crate::nemesis::site::Site;

#[derive(Debug)]
pub(super) struct Pause;

#[async_trait]
impl ProcessFault for Pause {
    async fn strike(&self, site: &Site, target: &Target) -> Result<(), EngineError> {
        site.engine.pause(&target.container).await
    }

    fn shows(&self, now: &ContainerState, _: &Started) -> bool {
        now.status == Status::Paused
    }

    async fn undo(&self, site: &Site, target: &Target) -> Result<(), FaultError> {
        thaw(site, target).await
    }

    fn by_hand(&self, target: &Target) -> String {
        format!("docker unpause {}", target.container)
    }
}
