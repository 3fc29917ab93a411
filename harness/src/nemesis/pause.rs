//! Pause: every process of the container is frozen, its connections stay open. Healed by thawing it.

use super::fault::Target;
use crate::engine::{ContainerState, Engine, EngineError, Status};

pub(super) async fn inject(engine: &Engine, target: &Target) -> Result<(), EngineError> {
    engine.pause(&target.container).await
}

pub(super) fn shown(now: &ContainerState) -> bool {
    now.status == Status::Paused
}

pub(super) async fn heal(engine: &Engine, target: &Target) -> Result<(), EngineError> {
    // The engine refuses to thaw what is not frozen, and a heal may be asked for twice.
    if engine.inspect(&target.container).await?.status == Status::Paused {
        engine.unpause(&target.container).await?;
    }
    Ok(())
}
