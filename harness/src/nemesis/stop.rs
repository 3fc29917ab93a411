//! Stop: SIGTERM, and SIGKILL after the grace period. Healed by starting the container.

use std::time::Duration;

use super::fault::Target;
use crate::engine::{ContainerState, Engine, EngineError, Status};

/// A node promises to drain within 10 s.
pub(super) const GRACE: Duration = Duration::from_secs(10);

pub(super) async fn inject(engine: &Engine, target: &Target) -> Result<(), EngineError> {
    engine.stop(&target.container, GRACE).await
}

pub(super) fn shown(now: &ContainerState) -> bool {
    now.status == Status::Exited
}

pub(super) async fn heal(engine: &Engine, target: &Target) -> Result<(), EngineError> {
    engine.start(&target.container).await
}
