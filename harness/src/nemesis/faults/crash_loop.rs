//! Crash loop: SIGKILL, and a start, again and again. Healed by starting it for good.

use std::time::Duration;

use async_trait::async_trait;

use super::process;
use super::turns::Turns;
use crate::engine::Status;
use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::site::Site;

#[derive(Debug)]
pub(super) struct CrashLoop {
    /// From a start to the next kill.
    pause: Duration,
    turns: Turns,
}

impl CrashLoop {
    pub(super) fn new(pause_ms: u64) -> Self {
        Self { pause: Duration::from_millis(pause_ms), turns: Turns::default() }
    }

    /// One that ended by itself meanwhile is down already.
    async fn kill(&self, site: &Site, target: &Target) -> Result<(), FaultError> {
        let (site, target) = (site.clone(), target.clone());
        let killed = self.turns.whole(async move {
            if site.inspect(&target).await?.status == Status::Running {
                site.engine.kill(&target.container, "SIGKILL").await?;
            }
            Ok(())
        });
        killed.await
    }

    async fn start(&self, site: &Site, target: &Target) -> Result<(), FaultError> {
        let (site, target) = (site.clone(), target.clone());
        self.turns.whole(async move { process::start(&site, &target).await }).await
    }

    async fn go_round(&self, site: &Site, target: &Target) -> Result<std::convert::Infallible, FaultError> {
        loop {
            self.start(site, target).await?;
            tokio::time::sleep(self.pause).await;
            self.kill(site, target).await?;
        }
    }
}

#[async_trait]
impl Fault for CrashLoop {
    async fn before(&self, site: &Site, target: &Target) -> Result<Before, FaultError> {
        process::before(site, target).await
    }

    async fn inject(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        self.kill(site, target).await
    }

    async fn effect(&self, site: &Site, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        let now = site.inspect(target).await?;
        let is_another = now.started_at != before.read::<process::Started>()?.at;
        let is_killed = now.status == Status::Exited && now.exit_code == process::KILLED;
        Ok(Seen::when(is_another || is_killed, process::describe(&now)))
    }

    async fn heal(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        let _quiet = self.turns.quiet().await;
        process::start(site, target).await
    }

    async fn healed(&self, site: &Site, target: &Target, _: &Before) -> Result<Seen, FaultError> {
        process::healed(site, target).await
    }

    async fn keep_up(&self, site: &Site, target: &Target, _: &Before) -> FaultError {
        match self.go_round(site, target).await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    fn is_steady(&self) -> bool {
        false
    }

    fn by_hand(&self, target: &Target) -> String {
        process::start_by_hand(target)
    }
}
