//! The nemesis: injects the plan's faults at their times, proves each effect, heals it, and proves that it is gone.
//!
//! Every fault runs through the same life ([`Nemesis::live`]); what the kinds differ in stands in one file each
//! under `nemesis/`. A journal entry is on disk before each injection, so that whoever finds it can heal ([`leftovers`]).

pub mod fault;
pub mod journal;
mod kill;
pub mod leftovers;
mod pause;
mod restart;
mod stop;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use judge::history::{Entry, FaultStep, Step};
use judge::plan::{Fault, Plan};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::engine::Engine;
use crate::recorder::Recorder;
use fault::{Effect, Target};
use journal::Journal;

/// One run's nemesis.
#[derive(Debug)]
pub struct Nemesis {
    shared: Arc<Shared>,
    faults: JoinSet<()>,
    over: watch::Sender<bool>,
}

#[derive(Debug)]
struct Shared {
    engine: Engine,
    recorder: Recorder,
    journal: Journal,
    active: watch::Sender<Vec<String>>,
}

impl Nemesis {
    /// Sets out every fault of the plan; times count from `epoch_us` on the run's clock.
    #[must_use]
    pub fn start(plan: &Plan, cluster: &Cluster, engine: &Engine, journal: Journal, recorder: &Recorder, epoch_us: u64) -> Self {
        let shared = Arc::new(Shared {
            engine: engine.clone(),
            recorder: recorder.clone(),
            journal,
            active: watch::Sender::new(Vec::new()),
        });
        let over = watch::Sender::new(false);
        let mut faults = JoinSet::new();
        for (index, fault) in plan.faults.iter().enumerate() {
            let targets = fault
                .services
                .iter()
                .filter_map(|service| {
                    let container = cluster.containers.get(service)?.clone();
                    Some(Target { service: service.clone(), container })
                })
                .collect();
            let life = Life { index, fault: fault.clone(), targets, epoch_us, over: over.subscribe() };
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
        self.shared.journal.last_heal_us()
    }
}

/// One fault on its way through the run.
struct Life {
    index: usize,
    fault: Fault,
    targets: Vec<Target>,
    epoch_us: u64,
    over: watch::Receiver<bool>,
}

impl Life {
    async fn live(mut self, nemesis: Arc<Shared>) {
        if !self.wait_until(&nemesis, self.fault.at_ms).await {
            return;
        }
        let name = format!("{} {}", self.fault.kind.word(), self.fault.services.join(" "));
        nemesis.active.send_modify(|active| active.push(name.clone()));
        let effects = join_all(self.targets.iter().map(|target| self.inject(&nemesis, target))).await;
        if self.fault.for_ms > 0 {
            self.wait_until(&nemesis, self.fault.at_ms + self.fault.for_ms).await;
        }
        join_all(self.targets.iter().zip(effects).map(|(target, effect)| self.heal(&nemesis, target, effect))).await;
        nemesis.active.send_modify(|active| active.retain(|other| *other != name));
    }

    /// `false` if the run was over first.
    async fn wait_until(&mut self, nemesis: &Shared, at_ms: u64) -> bool {
        let due: Instant = nemesis.recorder.instant(self.epoch_us) + Duration::from_millis(at_ms);
        tokio::select! {
            biased;
            _ = self.over.wait_for(|over| *over) => false,
            () = tokio::time::sleep_until(due.into()) => true,
        }
    }

    /// `None` if nothing was injected.
    async fn inject(&self, nemesis: &Shared, target: &Target) -> Option<Effect> {
        let kind = self.fault.kind;
        let before = match nemesis.engine.inspect(&target.container).await {
            Ok(state) => state,
            Err(error) => {
                self.step(
                    nemesis,
                    target,
                    Step::Ineffective,
                    format!("not injected, the container cannot be inspected: {error}"),
                );
                return None;
            }
        };
        // Without the entry on disk nobody could heal after us, so nothing is injected.
        if let Err(error) = nemesis.journal.will_inject(self.index, kind, target) {
            self.step(nemesis, target, Step::Ineffective, format!("not injected, the journal cannot be written: {error}"));
            return None;
        }
        self.step(nemesis, target, Step::Inject, String::new());
        let injected = fault::inject(kind, &nemesis.engine, target).await;
        let effect = Effect { kind, before };
        match injected {
            Ok(()) => self.step(nemesis, target, Step::Injected, String::new()),
            // The call may still have had its effect: it is proven and healed like any other.
            Err(error) => self.step(nemesis, target, Step::Injected, error.to_string()),
        }
        match fault::prove_effect(&effect, &nemesis.engine, target).await {
            Ok(seen) => self.step(nemesis, target, Step::EffectVerified, seen),
            Err(expired) => self.step(nemesis, target, Step::Ineffective, expired.to_string()),
        }
        Some(effect)
    }

    async fn heal(&self, nemesis: &Shared, target: &Target, effect: Option<Effect>) {
        let Some(effect) = effect else { return };
        // Whoever ended it early, the run was not tested by it for as long as the plan says.
        if self.fault.for_ms > 0
            && let Ok(now) = nemesis.engine.inspect(&target.container).await
            && !fault::is_shown(&effect, &now)
        {
            self.step(nemesis, target, Step::Ineffective, format!("it had ended before it was healed: {}", now.summary()));
        }
        self.step(nemesis, target, Step::Heal, String::new());
        let healed = fault::heal(self.fault.kind, &nemesis.engine, target).await;
        let detail = healed.err().map(|error| error.to_string()).unwrap_or_default();
        self.step(nemesis, target, Step::Healed, detail);
        nemesis.journal.note_heal(nemesis.recorder.now_us());
        match fault::heal_until_proven(self.fault.kind, &nemesis.engine, target).await {
            Ok(seen) => {
                if let Err(error) = nemesis.journal.healed(self.index, target) {
                    let t_us = nemesis.recorder.now_us();
                    let what = format!("{} is healed, but the journal cannot be written: {error}", target.service);
                    nemesis.recorder.write(&Entry::Trouble { t_us, what });
                }
                self.step(nemesis, target, Step::HealVerified, seen);
            }
            Err(expired) => self.step(nemesis, target, Step::Unhealed, expired.to_string()),
        }
    }

    fn step(&self, nemesis: &Shared, target: &Target, step: Step, detail: String) {
        let t_us = nemesis.recorder.now_us();
        let target = target.service.clone();
        nemesis.recorder.write_through(&Entry::Fault(FaultStep { t_us, fault: self.index, target, step, detail }));
    }
}
