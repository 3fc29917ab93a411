//! Script flush: Redis forgets every script that it knows. Heals itself: whoever needs one brings it again.
//!
//! Redis does not list scripts, so one of ours goes with them: it is loaded just before, in the same transaction. Nothing is
//! left to heal but that Redis runs scripts.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::site::Site;

/// As Redis counts them.
const FLUSH: &str = "script|flush";

#[derive(Debug)]
pub(super) struct ScriptFlush;

/// How often scripts were flushed before, since Redis was started.
#[derive(Debug, Serialize, Deserialize)]
struct Flushed {
    times: u64,
}

#[async_trait]
impl Fault for ScriptFlush {
    async fn before(&self, site: &Site, _: &Target) -> Result<Before, FaultError> {
        let (times, _) = site.redis()?.counted(FLUSH).await?;
        Before::of(&Flushed { times })
    }

    async fn inject(&self, site: &Site, _: &Target, _: &Before) -> Result<(), FaultError> {
        let was_known = site.redis()?.load_and_flush_scripts().await?;
        if was_known {
            Ok(())
        } else {
            Err(FaultError::Other(String::from("a script of ours was not known after it was loaded")))
        }
    }

    async fn effect(&self, site: &Site, _: &Target, before: &Before) -> Result<Seen, FaultError> {
        let mut redis = site.redis()?;
        let (times, _) = redis.counted(FLUSH).await?;
        let is_known = redis.knows_our_script().await?;
        let words = if is_known { "is known" } else { "is gone" };
        let flushed = times > before.read::<Flushed>()?.times;
        Ok(Seen::when(flushed && !is_known, format!("flushed {times} times since Redis started, a script of ours {words}")))
    }

    async fn heal(&self, _: &Site, _: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(())
    }

    async fn healed(&self, site: &Site, _: &Target, _: &Before) -> Result<Seen, FaultError> {
        let known = site.redis()?.run_a_script().await?;
        Ok(Seen::Yes(format!("a script runs; {known} are known")))
    }
}
