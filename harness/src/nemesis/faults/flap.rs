//! Flap: a cut that comes and goes. It begins cut, and each turn is one cut and one heal of it.

use std::convert::Infallible;
use std::time::Duration;

use async_trait::async_trait;
use judge::plan::{Direction, Peer};

use super::cut::Cut;
use super::turns::Turns;
use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::site::Site;

#[derive(Debug)]
pub(super) struct Flap {
    cut: Cut,
    down: Duration,
    up: Duration,
    turns: Turns,
}

impl Flap {
    pub(super) fn new(from: Peer, down_ms: u64, up_ms: u64) -> Self {
        let (down, up) = (Duration::from_millis(down_ms), Duration::from_millis(up_ms));
        Self { cut: Cut::new(from, Direction::Both), down, up, turns: Turns::default() }
    }

    async fn go_round(&self, site: &Site, target: &Target, before: &Before) -> Result<Infallible, FaultError> {
        loop {
            tokio::time::sleep(self.down).await;
            self.whole(site, target, before, Turn::Heal).await?;
            tokio::time::sleep(self.up).await;
            self.whole(site, target, before, Turn::Cut).await?;
        }
    }

    async fn whole(&self, site: &Site, target: &Target, before: &Before, turn: Turn) -> Result<(), FaultError> {
        let (cut, site, target, before) = (self.cut.clone(), site.clone(), target.clone(), before.clone());
        let work = async move {
            match turn {
                Turn::Cut => cut.inject(&site, &target, &before).await,
                Turn::Heal => cut.heal(&site, &target, &before).await,
            }
        };
        self.turns.whole(work).await
    }
}

#[derive(Debug, Clone, Copy)]
enum Turn {
    Cut,
    Heal,
}

#[async_trait]
impl Fault for Flap {
    async fn before(&self, site: &Site, target: &Target) -> Result<Before, FaultError> {
        self.cut.before(site, target).await
    }

    async fn inject(&self, site: &Site, target: &Target, before: &Before) -> Result<(), FaultError> {
        self.cut.inject(site, target, before).await
    }

    /// Of its first turn.
    async fn effect(&self, site: &Site, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        self.cut.effect(site, target, before).await
    }

    async fn heal(&self, site: &Site, target: &Target, before: &Before) -> Result<(), FaultError> {
        let _quiet = self.turns.quiet().await;
        self.cut.heal(site, target, before).await
    }

    async fn healed(&self, site: &Site, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        self.cut.healed(site, target, before).await
    }

    async fn keep_up(&self, site: &Site, target: &Target, before: &Before) -> FaultError {
        match self.go_round(site, target, before).await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    fn is_steady(&self) -> bool {
        false
    }

    fn by_hand(&self, target: &Target) -> String {
        self.cut.by_hand(target)
    }
}
