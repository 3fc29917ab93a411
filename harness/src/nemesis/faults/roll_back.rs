//! Roll back: the data volume of NATS or Redis goes back to what it was so long before, as if that much had never been
//! synced. The service is killed for it and started again. Heals itself.
//!
//! The service is frozen while the copy is made (about a second), so that it is what one moment would have left, as a power
//! failure does. It lies in the volume itself: as [`COPY`] while the data is whole, as [`RESTORING`] while it is not. So
//! whoever finds the volume knows what to do, whenever the harness died.

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until};

use super::process;
use crate::cluster;
use crate::engine::Status;
use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::site::Site;
use crate::poll;

const REDIS: &str = "redis";
/// The copy, which no service reads: hidden, at the top of the volume.
const COPY: &str = ".harness-copy";
/// The same, once the data is being replaced by it.
const RESTORING: &str = ".harness-restoring";
/// An empty file, which stays.
const LOCK: &str = ".harness-lock";
const PATIENCE_S: u64 = 60;
const ENDED_WITHIN: Duration = Duration::from_secs(10);
const ASK_EVERY: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct RollBack {
    lose: Duration,
    /// What the store held just before it was killed.
    held: OnceLock<Held>,
}

/// Something written behind the copy.
#[derive(Debug)]
enum Held {
    Mark,
    Message { sequence: u64, stored_at: String },
}

impl RollBack {
    pub(super) fn by(lose: Duration) -> Self {
        Self { lose, held: OnceLock::new() }
    }
}

#[async_trait]
impl Fault for RollBack {
    async fn before(&self, site: &Site, target: &Target) -> Result<Before, FaultError> {
        process::before(site, target).await
    }

    async fn inject(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        site.engine.pause(&target.container).await?;
        let made = in_volume(site, target, &copy()).await;
        // Also where the copy failed.
        process::thaw(site, target).await?;
        made?;
        let copied = Instant::now();
        let is_redis = target.service == REDIS;
        if is_redis {
            site.redis()?.mark().await?;
        }
        sleep_until(copied + self.lose).await;
        let held = if is_redis { mark(site).await? } else { last_message(site).await? };
        kill(site, target).await?;
        in_volume(site, target, &restore()).await?;
        let _ = self.held.set(held);
        process::start(site, target).await
    }

    /// What was written behind the copy is not there.
    async fn effect(&self, site: &Site, _: &Target, _: &Before) -> Result<Seen, FaultError> {
        Ok(match self.held.get() {
            None => Seen::NotYet(String::from("the volume was not restored")),
            Some(Held::Mark) => {
                let is_there = site.redis()?.is_marked().await?;
                let words = if is_there { "still there" } else { "gone" };
                Seen::when(!is_there, format!("a key written after the copy is {words}"))
            }
            Some(Held::Message { sequence, stored_at }) => {
                let now = site.jetstream().await?.stored_at(*sequence).await?;
                let words = now.as_deref().map_or_else(|| String::from("gone"), |now| format!("of {now}"));
                Seen::when(now.as_ref() != Some(stored_at), format!("message {sequence}, which was of {stored_at}, is {words}"))
            }
        })
    }

    async fn heal(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        process::thaw(site, target).await?;
        let left = in_volume(site, target, &look()).await?;
        if left.contains(RESTORING) {
            // Whoever runs on half of it must not go on.
            kill(site, target).await?;
            in_volume(site, target, &restore()).await?;
        } else if left.contains(COPY) {
            in_volume(site, target, &forget()).await?;
        }
        process::start(site, target).await?;
        if target.service == REDIS { Ok(site.redis()?.unmark().await?) } else { Ok(()) }
    }

    /// Healthy, on data that is whole.
    async fn healed(&self, site: &Site, target: &Target, _: &Before) -> Result<Seen, FaultError> {
        let healthy = process::healed(site, target).await?;
        if matches!(healthy, Seen::NotYet(_)) {
            return Ok(healthy);
        }
        let left = in_volume(site, target, &look()).await?;
        Ok(if left.trim().is_empty() { healthy } else { Seen::NotYet(format!("{} is left in the volume", left.trim())) })
    }
}

async fn mark(site: &Site) -> Result<Held, FaultError> {
    let is_there = site.redis()?.is_marked().await?;
    if is_there { Ok(Held::Mark) } else { Err(FaultError::Other(String::from("the key written after the copy was not kept"))) }
}

async fn last_message(site: &Site) -> Result<Held, FaultError> {
    let jetstream = site.jetstream().await?;
    let sequence = jetstream.stream().await?.last_sequence;
    let stored_at = jetstream.stored_at(sequence).await?;
    let stored_at =
        stored_at.ok_or_else(|| FaultError::Other(format!("the stream ends at {sequence} and holds no such message")))?;
    Ok(Held::Message { sequence, stored_at })
}

/// SIGKILL, unless it is down already.
async fn kill(site: &Site, target: &Target) -> Result<(), FaultError> {
    if site.inspect(target).await?.status != Status::Running {
        return Ok(());
    }
    site.engine.kill(&target.container, "SIGKILL").await?;
    let ended = poll::until(ENDED_WITHIN, ASK_EVERY, || async {
        let state = site.inspect(target).await.map_err(|error| error.to_string())?;
        if state.status == Status::Exited { Ok(()) } else { Err(process::describe(&state)) }
    });
    ended.await.map_err(|expired| FaultError::Other(format!("{} was killed and has not ended {expired}", target.service)))
}

/// Runs a script where the volume is `/data`, by the service's own user, one at a time: the container of a harness that died
/// may still be at work.
async fn in_volume(site: &Site, target: &Target, script: &str) -> Result<String, FaultError> {
    let like = site.inspect(target).await?;
    let origin = site.engine.origin(&like.id).await?;
    let ran = cluster::run_beside(
        &site.engine,
        &like,
        &origin,
        &format!("set -e; cd /data; exec 9>>{LOCK}; flock -w {PATIENCE_S} 9; {script}"),
    )
    .await;
    ran.map_err(|error| FaultError::Other(error.to_string()))
}

/// Under its name the copy is complete.
fn copy() -> String {
    format!("rm -rf {COPY} {COPY}.part; mkdir {COPY}.part; cp -a ./* {COPY}.part/; mv {COPY}.part {COPY}")
}

/// May be begun again at any point of it.
fn restore() -> String {
    format!(
        "if [ -d {COPY} ]; then mv {COPY} {RESTORING}; fi; test -d {RESTORING}; rm -rf ./*; cp -a {RESTORING}/* .; sync; rm -rf {RESTORING}"
    )
}

fn forget() -> String {
    format!("rm -rf {COPY} {COPY}.part")
}

fn look() -> String {
    format!("for left in {COPY} {COPY}.part {RESTORING}; do if [ -e $left ]; then echo $left; fi; done")
}
