//! Kill: SIGKILL by the engine, which keeps the container down whatever its restart policy. Healed by starting it.

use super::fault::Target;
use super::stop;
use crate::engine::{ContainerState, Engine, EngineError, Status};

/// What a process ended by signal 9 leaves.
const KILLED: i64 = 128 + 9;

pub(super) async fn inject(engine: &Engine, target: &Target) -> Result<(), EngineError> {
    engine.kill(&target.container, "SIGKILL").await
}

pub(super) fn shown(now: &ContainerState) -> bool {
    now.status == Status::Exited && now.exit_code == KILLED
}

pub(super) async fn heal(engine: &Engine, target: &Target) -> Result<(), EngineError> {
    stop::heal(engine, target).await
}
