//! The nemesis: injects the plan's faults at their times, proves each effect, heals it, and proves that it is gone.
//!
//! Every fault runs through the same life ([`Nemesis::live`]); what the kinds differ in stands in one file each
//! under `nemesis/faults/`. A journal entry is on disk before each injection, so that whoever finds it can heal ([`leftovers`]).

pub mod death;
pub mod fault;
pub(crate) mod faults;
pub mod fingerprint;
pub mod ground;
pub mod guardian;
mod helper;
pub mod journal;
pub mod leftovers;
mod site;
pub mod targets;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use judge::history::{Entry, FaultStep, Step};
use judge::plan::{Dynamic, FaultKind, Need, Plan};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::recorder::Recorder;
use fault::{Hit, Order};
pub(crate) use faults::netem_lacking;
use ground::Ground;
use journal::Journal;
pub use site::Site;

/// How long before its time a fault's target is looked at.
const LEAD_MS: u64 = 300;

/// The same, for looks that take longer: several echoes through a link, commands in a keeper, a helper container that has to
/// start first. What is looked at too late is injected too late.
fn lead_ms(kind: FaultKind) -> u64 {
    match kind.need() {
        None => LEAD_MS,
        Some(Need::Proxy) => 600,
        Some(Need::Helper | Need::Netem | Need::SmallDisks) => 2_000,
    }
}

/// One run's nemesis.
#[derive(Debug)]
pub struct Nemesis<G = Site> {
    shared: Arc<Shared<G>>,
    faults: JoinSet<()>,
    over: watch::Sender<bool>,
}

#[derive(Debug)]
struct Shared<G> {
    ground: G,
    recorder: Recorder,
    /// `None` where whatever is broken ends with this process.
    journal: Option<Journal>,
    last_heal_us: Mutex<Option<u64>>,
    active: watch::Sender<Vec<String>>,
    /// What was hit so far: number of the fault, service.
    hits: Mutex<Vec<(usize, String)>>,
}

impl<G: Ground> Nemesis<G> {
    /// Sets out every fault of the plan; times count from `epoch_us` on the run's clock.
    #[must_use]
    pub fn start(plan: &Plan, ground: &G, journal: impl Into<Option<Journal>>, recorder: &Recorder, epoch_us: u64) -> Self {
        let shared = Arc::new(Shared {
            ground: ground.clone(),
            recorder: recorder.clone(),
            journal: journal.into(),
            last_heal_us: Mutex::default(),
            active: watch::Sender::new(Vec::new()),
            hits: Mutex::default(),
        });
        let over = watch::Sender::new(false);
        let mut faults = JoinSet::new();
        for (index, fault) in plan.faults.iter().enumerate() {
            let life = Life { index, fault: fault.clone(), epoch_us, over: over.subscribe() };
            faults.spawn(life.live(Arc::clone(&shared)));
        }
        Self { shared, faults, over }
    }

    /// The faults that are in force now, for the progress line.
    #[must_use]
    pub fn active(&self) -> watch::Receiver<Vec<String>> {
        self.shared.active.subscribe()
    }

    /// From now on nothing more is injected, and what is in force is healed.
    pub fn stop(&self) {
        self.over.send_replace(true);
    }

    /// Heals all that is still in force, injects nothing more, and waits until every heal is proven or given up.
    /// Returns when the last heal call returned, on the run's clock, if there was any.
    pub async fn heal_all(mut self) -> Option<u64> {
        self.stop();
        while let Some(ended) = self.faults.join_next().await {
            if let Err(error) = ended {
                let t_us = self.shared.recorder.now_us();
                self.shared.recorder.write(&Entry::Trouble { t_us, what: format!("a fault's task ended abnormally: {error}") });
            }
        }
        if let Err(what) = self.shared.ground.tidy().await {
            let t_us = self.shared.recorder.now_us();
            self.shared.recorder.write(&Entry::Trouble { t_us, what });
        }
        *self.shared.last_heal_us.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One fault on its way through the run.
struct Life {
    index: usize,
    fault: judge::plan::Fault,
    epoch_us: u64,
    over: watch::Receiver<bool>,
}

impl Life {
    async fn live<G: Ground>(mut self, nemesis: Arc<Shared<G>>) {
        if let Some(dynamic) = self.fault.dynamic()
            && !self.find_target(&nemesis, dynamic).await
        {
            return;
        }
        // What takes time is done before the moment itself: looking, and writing to the disk.
        if !self.wait_until(&nemesis, self.fault.at_ms.saturating_sub(lead_ms(self.fault.kind))).await {
            return;
        }
        let hits = join_all(self.fault.services.iter().map(|service| self.aim(&nemesis, service))).await;
        let hits: Vec<Hit<G>> = hits.into_iter().flatten().collect();
        if hits.is_empty() {
            return;
        }
        if !self.wait_until(&nemesis, self.fault.at_ms).await {
            for hit in &hits {
                self.note_healed(&nemesis, hit);
            }
            return;
        }
        let name = self.fault.label();
        nemesis.active.send_modify(|active| active.push(name.clone()));
        match hits[0].fault.order() {
            Order::AtOnce => self.hit_at_once(&nemesis, &hits).await,
            Order::InTurn => self.hit_in_turn(&nemesis, &hits).await,
        }
        nemesis.active.send_modify(|active| active.retain(|other| *other != name));
    }

    /// `false` if there is no such target, or the run was over first.
    async fn find_target<G: Ground>(&mut self, nemesis: &Shared<G>, dynamic: Dynamic) -> bool {
        let ahead_ms = if dynamic == Dynamic::LastHit { LEAD_MS } else { targets::AHEAD_MS };
        if !self.wait_until(nemesis, self.fault.at_ms.saturating_sub(ahead_ms)).await {
            return false;
        }
        let due = self.due(nemesis, self.fault.at_ms.saturating_sub(LEAD_MS));
        let hits = nemesis.hits.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let found = tokio::select! {
            biased;
            _ = self.over.wait_for(|over| *over) => return false,
            found = targets::find(dynamic, nemesis.ground.cluster(), &hits, due) => found,
        };
        match found {
            Ok(services) => self.fault.services = services,
            Err(why) => {
                self.step(nemesis, &self.fault.target, Step::Ineffective, format!("not injected: {why}"));
                return false;
            }
        }
        true
    }

    async fn hit_at_once<G: Ground>(&self, nemesis: &Shared<G>, hits: &[Hit<G>]) {
        join_all(hits.iter().map(|hit| self.inject(nemesis, hit))).await;
        self.hold(nemesis, hits).await;
        join_all(hits.iter().map(|hit| self.heal(nemesis, hit))).await;
    }

    async fn hit_in_turn<G: Ground>(&self, nemesis: &Shared<G>, hits: &[Hit<G>]) {
        for hit in hits {
            if *self.over.borrow() {
                let why = "not injected: the run was over before its turn came; give the load more time";
                self.step(nemesis, &hit.target.service, Step::Ineffective, why.into());
                self.note_healed(nemesis, hit);
                continue;
            }
            self.inject(nemesis, hit).await;
            self.heal(nemesis, hit).await;
        }
    }

    /// Keeps the fault up for as long as the plan says, or until the run is over.
    async fn hold<G: Ground>(&self, nemesis: &Shared<G>, hits: &[Hit<G>]) {
        if self.fault.for_ms == 0 {
            return;
        }
        let works = hits.iter().map(|hit| async move {
            let error = hit.fault.keep_up(&nemesis.ground, &hit.target, &hit.before).await;
            self.step(nemesis, &hit.target.service, Step::Ineffective, format!("it could not be kept up: {error}"));
        });
        tokio::select! {
            _ = self.wait_until(nemesis, self.fault.at_ms + self.fault.for_ms) => {}
            // What could not be kept up may be in force all the same, and is healed at its time.
            () = async { join_all(works).await; std::future::pending().await } => {}
        }
    }

    fn due<G: Ground>(&self, nemesis: &Shared<G>, at_ms: u64) -> Instant {
        (nemesis.recorder.instant(self.epoch_us) + Duration::from_millis(at_ms)).into()
    }

    /// `false` if the run was over first.
    async fn wait_until<G: Ground>(&self, nemesis: &Shared<G>, at_ms: u64) -> bool {
        let mut over = self.over.clone();
        tokio::select! {
            biased;
            _ = over.wait_for(|over| *over) => false,
            () = tokio::time::sleep_until(self.due(nemesis, at_ms)) => true,
        }
    }

    /// Looks at a target and writes into the journal what is about to happen to it; `None` if it cannot be hit.
    async fn aim<G: Ground>(&self, nemesis: &Shared<G>, service: &str) -> Option<Hit<G>> {
        let refused = |why: String| {
            self.step(nemesis, service, Step::Ineffective, format!("not injected: {why}"));
            None
        };
        let fault = match nemesis.ground.fault(self.fault.kind) {
            Ok(fault) => fault,
            Err(reason) => return refused(reason),
        };
        let target = match nemesis.ground.target(service) {
            Ok(target) => target,
            Err(error) => return refused(error.to_string()),
        };
        let before = match fault.before(&nemesis.ground, &target).await {
            Ok(before) => before,
            Err(error) => return refused(format!("it cannot be looked at: {error}")),
        };
        // Without the entry on disk nobody could heal after us.
        if let Some(journal) = &nemesis.journal
            && let Err(error) = journal.will_inject(self.index, self.fault.kind, &target, &before, fault.longest_call())
        {
            return refused(format!("the journal cannot be written: {error}"));
        }
        Some(Hit { fault, target, before })
    }

    async fn inject<G: Ground>(&self, nemesis: &Shared<G>, hit: &Hit<G>) {
        let service = &hit.target.service;
        nemesis.hits.lock().unwrap_or_else(PoisonError::into_inner).push((self.index, service.clone()));
        self.step(nemesis, service, Step::Inject, String::new());
        // The call may have had its effect even where it failed: it is proven and healed like any other.
        let injected = hit.inject(&nemesis.ground).await;
        if injected.is_ok() && !hit.fault.works_on() {
            self.journaled(nemesis, hit, |journal| journal.injected(self.index, &hit.target));
        }
        let detail = injected.err().map(|error| error.to_string()).unwrap_or_default();
        self.step(nemesis, service, Step::Injected, detail);
        match hit.prove_effect(&nemesis.ground).await {
            Ok(seen) => self.step(nemesis, service, Step::EffectVerified, seen),
            Err(expired) => self.step(nemesis, service, Step::Ineffective, expired.to_string()),
        }
    }

    async fn heal<G: Ground>(&self, nemesis: &Shared<G>, hit: &Hit<G>) {
        let service = &hit.target.service;
        // Whoever ended it early, the run was not tested by it for as long as the plan says.
        if self.fault.for_ms > 0
            && hit.fault.is_steady()
            && let Err(seen) = hit.still_shows(&nemesis.ground).await
        {
            self.step(nemesis, service, Step::Ineffective, format!("it had ended before it was healed: {seen}"));
        }
        self.step(nemesis, service, Step::Heal, String::new());
        let detail = hit.heal(&nemesis.ground).await.err().map(|error| error.to_string()).unwrap_or_default();
        self.step(nemesis, service, Step::Healed, detail);
        *nemesis.last_heal_us.lock().unwrap_or_else(PoisonError::into_inner) = Some(nemesis.recorder.now_us());
        match hit.heal_until_proven(&nemesis.ground).await {
            Ok(seen) => {
                self.note_healed(nemesis, hit);
                self.step(nemesis, service, Step::HealVerified, seen);
            }
            Err(expired) => {
                let detail = format!("{expired}; try `{}`", hit.fault.by_hand(&hit.target));
                self.step(nemesis, service, Step::Unhealed, detail);
            }
        }
    }

    fn note_healed<G: Ground>(&self, nemesis: &Shared<G>, hit: &Hit<G>) {
        self.journaled(nemesis, hit, |journal| journal.healed(self.index, &hit.target));
    }

    fn journaled<G: Ground>(&self, nemesis: &Shared<G>, hit: &Hit<G>, write: impl FnOnce(&Journal) -> std::io::Result<()>) {
        if let Some(Err(error)) = nemesis.journal.as_ref().map(write) {
            let t_us = nemesis.recorder.now_us();
            let what = format!("{}: the journal cannot be written after {}: {error}", hit.target.service, self.fault.kind.word());
            nemesis.recorder.write(&Entry::Trouble { t_us, what });
        }
    }

    fn step<G: Ground>(&self, nemesis: &Shared<G>, service: &str, step: Step, detail: String) {
        let t_us = nemesis.recorder.now_us();
        let target = service.to_owned();
        nemesis.recorder.write_through(&Entry::Fault(FaultStep { t_us, fault: self.index, target, step, detail }));
    }
}
