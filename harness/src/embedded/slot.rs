//! A node's place in the embedded cluster: its name, address and settings, through all its lives.

use std::net::SocketAddr;
use std::time::Duration;

use node::memory::Wires;
use node::order::NodeId;
use node::settings::Settings;
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;

use super::logs::Log;
use super::process::{End, Needs, Process};
use super::services::Services;

/// How long a killed thread may take to end.
const SOON: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Slot {
    needs: Needs,
    log: Log,
    life: Mutex<Life>,
}

#[derive(Debug, Default)]
struct Life {
    /// The present one, or the last.
    process: Option<Process>,
    /// How many there were.
    count: u64,
}

/// A node as it is seen from outside of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) lives: u64,
    /// How the last life ended; `None` while it lives.
    pub(super) end: Option<End>,
    pub(super) frozen: bool,
}

impl Slot {
    pub(super) fn new(id: NodeId, address: SocketAddr, settings: Settings, services: Services) -> Self {
        let log = Log::new();
        let needs = Needs { id, address, settings, services, log: log.dispatch() };
        Self { needs, log, life: Mutex::default() }
    }

    pub(super) fn id(&self) -> &NodeId {
        &self.needs.id
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.needs.address
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.needs.settings
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    /// Begins a life, unless one goes on.
    pub(super) async fn start(&self) -> Result<(), String> {
        let mut life = self.life.lock().await;
        if life.process.as_ref().is_some_and(|process| process.end().is_none()) {
            return Ok(());
        }
        life.process = Some(Process::start(self.needs.clone()).await?);
        life.count += 1;
        Ok(())
    }

    /// Drains it; one that takes longer than `grace` is killed.
    pub(super) async fn stop(&self, grace: Duration) {
        let end = self.life.lock().await.process.as_mut().map(|process| {
            process.stop();
            process.watch()
        });
        // Others may look at it meanwhile.
        if !ended(end, grace).await {
            self.kill().await;
        }
    }

    pub(super) async fn kill(&self) {
        let end = self.life.lock().await.process.as_ref().map(|process| {
            process.kill();
            process.watch()
        });
        // A thread that does not end is seen to live on by whoever asks for proof.
        ended(end, SOON).await;
    }

    pub(super) async fn freeze(&self) {
        if let Some(process) = &self.life.lock().await.process {
            process.freeze();
        }
    }

    pub(super) async fn thaw(&self) {
        if let Some(process) = &self.life.lock().await.process {
            process.thaw();
        }
    }

    pub(super) async fn look(&self) -> Seen {
        let life = self.life.lock().await;
        let (end, frozen) = life.process.as_ref().map_or((None, false), |process| (process.end(), process.is_frozen()));
        Seen { lives: life.count, end, frozen }
    }

    /// `None` while it does not live.
    pub(super) async fn wires(&self) -> Option<Wires> {
        let life = self.life.lock().await;
        let process = life.process.as_ref().filter(|process| process.end().is_none())?;
        Some(process.wires.clone())
    }
}

/// `false` if it lives on.
async fn ended(end: Option<watch::Receiver<Option<End>>>, within: Duration) -> bool {
    let Some(mut end) = end else { return true };
    timeout(within, end.wait_for(Option::is_some)).await.is_ok()
}

impl std::fmt::Display for Seen {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.end {
            None if self.frozen => write!(out, "frozen in life {}", self.lives),
            None => write!(out, "running, life {}", self.lives),
            Some(End::Killed) => write!(out, "killed in life {}", self.lives),
            Some(End::Drained) => write!(out, "drained in life {}", self.lives),
            Some(End::Failed(why)) => write!(out, "failed in life {}: {why}", self.lives),
        }
    }
}
