//! What the faults on processes have in common: they are seen in the container's state, and healed once it is healthy.

use std::time::Duration;

use async_trait::async_trait;

use crate::engine::{ContainerState, EngineError, Status};
use crate::nemesis::fault::{Before, Fault, FaultError, Order, Seen, Target};
use crate::nemesis::site::Site;

/// A node promises to drain within 10 s; as in the compose file, it gets a little more.
pub(super) const GRACE: Duration = Duration::from_secs(12);
/// What a process ended by signal 9 leaves.
pub(super) const KILLED: i64 = 128 + 9;

/// One way to end or freeze what runs in a container, by one call of the engine.
#[async_trait]
pub(super) trait ProcessFault: std::fmt::Debug + Send + Sync {
    async fn strike(&self, site: &Site, target: &Target) -> Result<(), EngineError>;

    /// Is that the effect?
    fn shows(&self, now: &ContainerState, before: &Started) -> bool;

    async fn undo(&self, site: &Site, target: &Target) -> Result<(), FaultError> {
        start(site, target).await
    }

    fn by_hand(&self, target: &Target) -> String {
        start_by_hand(target)
    }

    fn order(&self) -> Order {
        Order::AtOnce
    }
}

#[derive(Debug)]
pub(super) struct OnProcess<F>(pub(super) F);

#[async_trait]
impl<F: ProcessFault> Fault for OnProcess<F> {
    async fn before(&self, site: &Site, target: &Target) -> Result<Before, FaultError> {
        before(site, target).await
    }

    async fn inject(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(self.0.strike(site, target).await?)
    }

    async fn effect(&self, site: &Site, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        let now = site.inspect(target).await?;
        Ok(Seen::when(self.0.shows(&now, &before.read()?), describe(&now)))
    }

    async fn heal(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        self.0.undo(site, target).await
    }

    async fn healed(&self, site: &Site, target: &Target, _: &Before) -> Result<Seen, FaultError> {
        healed(site, target).await
    }

    fn works_on(&self) -> bool {
        false
    }

    fn by_hand(&self, target: &Target) -> String {
        self.0.by_hand(target)
    }

    fn order(&self) -> Order {
        self.0.order()
    }
}

/// The container's start tells a process from the one after it.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Started {
    pub(super) at: String,
}

pub(super) async fn before(site: &Site, target: &Target) -> Result<Before, FaultError> {
    Before::of(&Started { at: site.inspect(target).await?.started_at })
}

/// Running, and passing its health check.
pub(super) async fn healed(site: &Site, target: &Target) -> Result<Seen, FaultError> {
    let now = site.inspect(target).await?;
    Ok(Seen::when(now.is_healthy(), describe(&now)))
}

/// Starts the container, unless it runs.
pub(super) async fn start(site: &Site, target: &Target) -> Result<(), FaultError> {
    match site.inspect(target).await?.status {
        Status::Running => Ok(()),
        // The engine waits longer before each further try of its own.
        Status::Restarting => Ok(site.engine.restart(&target.container, GRACE).await?),
        _ => Ok(site.engine.start(&target.container).await?),
    }
}

/// Thaws the container, if it is frozen: the engine refuses to thaw what is not, and a heal may be asked for twice.
pub(super) async fn thaw(site: &Site, target: &Target) -> Result<(), FaultError> {
    if site.inspect(target).await?.status == Status::Paused {
        site.engine.unpause(&target.container).await?;
    }
    Ok(())
}

pub(super) fn start_by_hand(target: &Target) -> String {
    format!("docker start {}", target.container)
}

pub(super) fn describe(state: &ContainerState) -> String {
    let health = state.health.map(|health| format!(", {health:?}")).unwrap_or_default();
    format!("{:?}{health}, pid {}, exit code {}, started {}", state.status, state.pid, state.exit_code, state.started_at)
}
