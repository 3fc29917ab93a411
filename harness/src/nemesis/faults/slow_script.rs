//! Slow script: one script keeps Redis busy for so long. Heals itself: the script ends.
//!
//! The proof is Redis' own clock: how long it has spent on `EVAL`, which nobody else uses, since before. From
//! `busy-reply-threshold` (5 s) on, others are answered BUSY instead of not at all.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::site::Site;

/// As Redis counts it.
const EVAL: &str = "eval";
/// A Redis that is not busy answers a PING within a fraction of this, even on a small machine.
const PROMPT: Duration = Duration::from_millis(300);

#[derive(Debug)]
pub(super) struct SlowScript {
    pub(super) length: Duration,
}

/// Microseconds that Redis has spent on `EVAL`.
#[derive(Debug, Serialize, Deserialize)]
struct Spent {
    us: u64,
}

#[async_trait]
impl Fault for SlowScript {
    async fn before(&self, site: &Site, _: &Target) -> Result<Before, FaultError> {
        let (_, us) = site.redis()?.counted(EVAL).await?;
        Before::of(&Spent { us })
    }

    /// Returns when the script has ended.
    async fn inject(&self, site: &Site, _: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(site.redis()?.run_busy_script(self.length).await?)
    }

    async fn effect(&self, site: &Site, _: &Target, before: &Before) -> Result<Seen, FaultError> {
        let (_, us) = site.redis()?.counted(EVAL).await?;
        let busy = Duration::from_micros(us.saturating_sub(before.read::<Spent>()?.us));
        Ok(Seen::when(busy >= self.length, format!("a script kept Redis busy for {busy:?}")))
    }

    /// A script that the harness did not live to see end is killed; Redis hears that once it answers BUSY.
    async fn heal(&self, site: &Site, _: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(site.redis()?.kill_script().await?)
    }

    async fn healed(&self, site: &Site, _: &Target, _: &Before) -> Result<Seen, FaultError> {
        let took = site.redis()?.ping().await?;
        Ok(Seen::when(took <= PROMPT, format!("PING was answered within {took:?}")))
    }
}
