//! Faults on a node's way to a service.

use std::time::Duration;

use async_trait::async_trait;
use judge::plan::Link;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::process::KEEP_ALIVE;
use crate::embedded::Embedded;
use crate::embedded::ways::Way;
use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};

/// What is wrong with the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Harm {
    Cut,
    /// Every message takes so long one way.
    Slow(Duration),
    /// Nothing arrives; after a second without an answer the node takes the link for down.
    Hold,
    /// Answers vanish, and the connection is reset so long after the first that did.
    Mute(Duration),
}

#[derive(Debug)]
pub(super) struct OnWire {
    pub(super) link: Link,
    pub(super) harm: Harm,
}

/// Answers that had vanished on the wire before.
#[derive(Debug, Serialize, Deserialize)]
struct Swallowed {
    answers: u64,
}

impl Harm {
    fn put(self, way: &mut Way) {
        match self {
            Self::Cut => way.cut = true,
            Self::Slow(one_way) => way.slow = one_way,
            Self::Hold => way.held = true,
            Self::Mute(reset_after) => way.mute = Some(reset_after),
        }
    }

    fn take(self, way: &mut Way) {
        match self {
            Self::Cut => way.cut = false,
            Self::Slow(_) => way.slow = Duration::ZERO,
            Self::Hold => (way.held, way.given_up) = (false, false),
            Self::Mute(_) => way.mute = None,
        }
    }
}

#[async_trait]
impl Fault<Embedded> for OnWire {
    async fn before(&self, site: &Embedded, target: &Target) -> Result<Before, FaultError> {
        let wire = site.wire(&target.service, self.link).await;
        Before::of(&Swallowed { answers: wire.map_or(0, |wire| wire.swallowed()) })
    }

    async fn inject(&self, site: &Embedded, target: &Target, _: &Before) -> Result<(), FaultError> {
        site.change_way(&target.service, self.link, |way| self.harm.put(way)).await;
        Ok(())
    }

    async fn effect(&self, site: &Embedded, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        let Some(wire) = site.wire(&target.service, self.link).await else {
            let way = site.way(&target.service, self.link);
            let mut harmed = way;
            self.harm.put(&mut harmed);
            return Ok(Seen::when(way == harmed, format!("the node is down; its way is {way:?}")));
        };
        let link = wire.link().state();
        let detail = link.detail.unwrap_or_default();
        Ok(match self.harm {
            Harm::Cut => Seen::when(!link.up, format!("the link is up: {}; {detail}", link.up)),
            Harm::Slow(one_way) => Seen::when(wire.one_way() == one_way, format!("a message takes {:?} one way", wire.one_way())),
            Harm::Hold => Seen::when(wire.is_held() || !link.up, format!("the wire is held: {}; {detail}", wire.is_held())),
            Harm::Mute(_) => {
                // Those of a life before this one are not known here.
                let swallowed = wire.swallowed();
                let is = swallowed > 0 && swallowed != before.read::<Swallowed>()?.answers;
                Seen::when(is, format!("{swallowed} answers have vanished"))
            }
        })
    }

    async fn heal(&self, site: &Embedded, target: &Target, _: &Before) -> Result<(), FaultError> {
        site.change_way(&target.service, self.link, |way| self.harm.take(way)).await;
        Ok(())
    }

    async fn healed(&self, site: &Embedded, target: &Target, _: &Before) -> Result<Seen, FaultError> {
        let way = site.way(&target.service, self.link);
        let mut well = way;
        self.harm.take(&mut well);
        Ok(Seen::when(way == well, format!("the way to {} is {way:?}", self.link.word())))
    }

    async fn keep_up(&self, site: &Embedded, target: &Target, _: &Before) -> FaultError {
        if self.harm == Harm::Hold {
            sleep(KEEP_ALIVE).await;
            site.change_way(&target.service, self.link, |way| way.given_up = way.held).await;
        }
        std::future::pending().await
    }
}

/// A cut that comes and goes.
#[derive(Debug)]
pub(super) struct Flap {
    cut: OnWire,
    down: Duration,
    up: Duration,
}

impl Flap {
    pub(super) fn new(link: Link, down: Duration, up: Duration) -> Self {
        Self { cut: OnWire { link, harm: Harm::Cut }, down, up }
    }
}

#[async_trait]
impl Fault<Embedded> for Flap {
    async fn before(&self, site: &Embedded, target: &Target) -> Result<Before, FaultError> {
        self.cut.before(site, target).await
    }

    async fn inject(&self, site: &Embedded, target: &Target, before: &Before) -> Result<(), FaultError> {
        self.cut.inject(site, target, before).await
    }

    /// Of its first turn.
    async fn effect(&self, site: &Embedded, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        self.cut.effect(site, target, before).await
    }

    async fn heal(&self, site: &Embedded, target: &Target, before: &Before) -> Result<(), FaultError> {
        self.cut.heal(site, target, before).await
    }

    async fn healed(&self, site: &Embedded, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        self.cut.healed(site, target, before).await
    }

    async fn keep_up(&self, site: &Embedded, target: &Target, before: &Before) -> FaultError {
        loop {
            sleep(self.down).await;
            if let Err(error) = self.cut.heal(site, target, before).await {
                return error;
            }
            sleep(self.up).await;
            if let Err(error) = self.cut.inject(site, target, before).await {
                return error;
            }
        }
    }

    fn is_steady(&self) -> bool {
        false
    }
}
