//! Ending and freezing nodes and services.
//!
//! A node is seen by its port and its thread: one that is down refuses connections, one that is frozen accepts them and
//! says nothing. A service is seen by questions of the harness's own, and by the nodes' wires to it.

use std::time::Duration;

use async_trait::async_trait;
use judge::plan::Link;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::service;
use crate::embedded::process::End;
use crate::embedded::slot::{Seen as State, Slot};
use crate::embedded::{Condition, Embedded, ready};
use crate::http;
use crate::nemesis::fault::{Before, Fault, FaultError, Order, Seen, Target};
use crate::nemesis::faults::turns::Turns;

/// A node promises to drain within 10 s; it gets a little more.
const GRACE: Duration = Duration::from_secs(12);
/// How long a restarted service is away.
const RESTART: Duration = Duration::from_millis(300);
/// Nodes ask twice a second, and wait 0.8 s for the answer: then they take a silent service for gone.
pub(super) const KEEP_ALIVE: Duration = Duration::from_millis(1_000);
/// A node that says nothing for so long over loopback is frozen.
const SILENCE: Duration = Duration::from_millis(300);
const CONNECTS: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strike {
    Stop,
    Drain,
    Kill,
    Pause,
    Restart(Order),
    CrashLoop { pause: Duration },
}

#[derive(Debug)]
pub(super) struct OnProcess {
    strike: Strike,
    turns: Turns,
}

/// How often a node or service had started before.
#[derive(Debug, Serialize, Deserialize)]
struct Lives {
    lives: u64,
}

impl OnProcess {
    pub(super) fn new(strike: Strike) -> Self {
        Self { strike, turns: Turns::default() }
    }

    async fn strike_node(&self, site: &Embedded, name: &str) -> Result<(), FaultError> {
        let slot = site.slot(name)?;
        match self.strike {
            Strike::Stop | Strike::Drain => slot.stop(GRACE).await,
            Strike::Kill | Strike::CrashLoop { .. } => slot.kill().await,
            Strike::Pause => slot.freeze().await,
            Strike::Restart(_) => {
                slot.stop(GRACE).await;
                self.start(site, name).await?;
            }
        }
        Ok(())
    }

    async fn strike_service(&self, site: &Embedded, link: Link) {
        match self.strike {
            Strike::Stop | Strike::Drain | Strike::Kill | Strike::CrashLoop { .. } => {
                site.set_service(link, Condition::Down).await;
            }
            Strike::Pause => site.set_service(link, Condition::Frozen).await,
            Strike::Restart(_) => {
                site.set_service(link, Condition::Down).await;
                sleep(RESTART).await;
                site.set_service(link, Condition::Up).await;
            }
        }
    }

    /// To its end, even if nobody waits for it any more: half a start would be a node that nobody knows.
    async fn start(&self, site: &Embedded, name: &str) -> Result<(), FaultError> {
        let (site, name) = (site.clone(), name.to_owned());
        self.turns.whole(async move { site.start_node(&name).await.map_err(FaultError::Other) }).await
    }

    async fn go_round(&self, site: &Embedded, name: &str, pause: Duration) -> Result<std::convert::Infallible, FaultError> {
        loop {
            match service(name) {
                Some(link) => site.set_service(link, Condition::Up).await,
                None => self.start(site, name).await?,
            }
            sleep(pause).await;
            match service(name) {
                Some(link) => site.set_service(link, Condition::Down).await,
                None => site.slot(name)?.kill().await,
            }
        }
    }

    async fn shows_on_node(&self, slot: &Slot, before: &Lives) -> Seen {
        let now = slot.look().await;
        let is = match self.strike {
            Strike::Stop => now.end.is_some() && refuses(slot).await,
            Strike::Drain => now.end == Some(End::Drained) && refuses(slot).await,
            Strike::Kill => now.end == Some(End::Killed) && refuses(slot).await,
            Strike::Pause => now.frozen && accepts_in_silence(slot).await,
            Strike::Restart(_) => now.end.is_none() && now.lives > before.lives,
            Strike::CrashLoop { .. } => now.end.is_some() || now.lives > before.lives,
        };
        Seen::when(is, words(slot, &now))
    }

    async fn shows_on_service(&self, site: &Embedded, link: Link, before: &Lives) -> Seen {
        let (now, starts) = (site.services().condition(link), site.services().starts(link));
        let heard = timeout(SILENCE, site.services().hears(link)).await;
        let is = match self.strike {
            Strike::Stop | Strike::Drain | Strike::Kill => matches!(heard, Ok(Err(_))) && site.links_are_down(link).await,
            Strike::Pause => heard.is_err(),
            Strike::Restart(_) => starts > before.lives && now == Condition::Up,
            Strike::CrashLoop { .. } => starts > before.lives || now == Condition::Down,
        };
        Seen::when(is, format!("{} is {now:?}, started {starts} times", link.word()))
    }
}

#[async_trait]
impl Fault<Embedded> for OnProcess {
    async fn before(&self, site: &Embedded, target: &Target) -> Result<Before, FaultError> {
        let lives = match service(&target.service) {
            Some(link) => site.services().starts(link),
            None => site.slot(&target.service)?.look().await.lives,
        };
        Before::of(&Lives { lives })
    }

    async fn inject(&self, site: &Embedded, target: &Target, _: &Before) -> Result<(), FaultError> {
        match service(&target.service) {
            Some(link) => self.strike_service(site, link).await,
            None => self.strike_node(site, &target.service).await?,
        }
        Ok(())
    }

    async fn effect(&self, site: &Embedded, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        let before = before.read()?;
        Ok(match service(&target.service) {
            Some(link) => self.shows_on_service(site, link, &before).await,
            None => self.shows_on_node(site.slot(&target.service)?, &before).await,
        })
    }

    async fn heal(&self, site: &Embedded, target: &Target, _: &Before) -> Result<(), FaultError> {
        let Some(link) = service(&target.service) else {
            site.slot(&target.service)?.thaw().await;
            return self.start(site, &target.service).await;
        };
        if site.services().condition(link) != Condition::Up {
            site.set_service(link, Condition::Up).await;
        }
        Ok(())
    }

    async fn healed(&self, site: &Embedded, target: &Target, _: &Before) -> Result<Seen, FaultError> {
        let Some(link) = service(&target.service) else {
            let slot = site.slot(&target.service)?;
            let now = slot.look().await;
            let node = site.cluster().nodes.iter().find(|node| node.name == target.service);
            let answer = match node {
                Some(node) => ready(node).await,
                None => Err("it is not of the roster".to_owned()),
            };
            let said = answer.as_ref().map_or_else(String::as_str, |()| "ready");
            let is = now.end.is_none() && !now.frozen && answer.is_ok();
            return Ok(Seen::when(is, format!("{}, {said}", words(slot, &now))));
        };
        let heard = timeout(SILENCE, site.services().hears(link)).await;
        Ok(Seen::when(matches!(heard, Ok(Ok(()))), format!("{} is {:?}", link.word(), site.services().condition(link))))
    }

    async fn keep_up(&self, site: &Embedded, target: &Target, _: &Before) -> FaultError {
        match (self.strike, service(&target.service)) {
            (Strike::Pause, Some(link)) => {
                sleep(KEEP_ALIVE).await;
                site.give_up_on(link).await;
                std::future::pending().await
            }
            (Strike::CrashLoop { pause }, _) => match self.go_round(site, &target.service, pause).await {
                Ok(never) => match never {},
                Err(error) => error,
            },
            _ => std::future::pending().await,
        }
    }

    fn order(&self) -> Order {
        match self.strike {
            Strike::Restart(order) => order,
            _ => Order::AtOnce,
        }
    }

    fn is_steady(&self) -> bool {
        !matches!(self.strike, Strike::CrashLoop { .. })
    }
}

fn words(slot: &Slot, state: &State) -> String {
    format!("{} on {}: {state}", slot.id(), slot.address())
}

async fn refuses(slot: &Slot) -> bool {
    !connects(slot).await
}

async fn connects(slot: &Slot) -> bool {
    matches!(timeout(CONNECTS, TcpStream::connect(slot.address())).await, Ok(Ok(_)))
}

/// The kernel takes connections for a process that does not run.
async fn accepts_in_silence(slot: &Slot) -> bool {
    let url = format!("http://{}/health/live", slot.address());
    connects(slot).await && matches!(http::get(&http::client(SILENCE), &url).await, Err(http::HttpError::Timeout { .. }))
}
