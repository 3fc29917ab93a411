//! Restart: stopped and started in one call of the engine. Heals itself.

use super::fault::Target;
use super::stop;
use crate::engine::{ContainerState, Engine, EngineError, Status};

pub(super) async fn inject(engine: &Engine, target: &Target) -> Result<(), EngineError> {
    engine.restart(&target.container, stop::GRACE).await
}

pub(super) fn shown(before: &ContainerState, now: &ContainerState) -> bool {
    now.status == Status::Running && now.started_at != before.started_at
}

/// Starts it only if the engine's call left it down.
pub(super) async fn heal(engine: &Engine, target: &Target) -> Result<(), EngineError> {
    if engine.inspect(&target.container).await?.status != Status::Running {
        engine.start(&target.container).await?;
    }
    Ok(())
}
