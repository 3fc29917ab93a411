//! The run as it stands now, gathered from what is recorded: for whoever watches, on the terminal or through Prometheus.
//!
//! Nothing here decides anything: the verdict comes from the recording alone.

mod counts;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use judge::history::{Entry, FaultStep, OpKind, Outcome, Phase, Sample, Step};

pub(crate) use counts::Buckets;

/// More than is taken at once at any rate that one machine sends.
const RECENT: usize = 65_536;

/// Shared with the recorder.
#[derive(Debug, Default)]
pub struct Live(Mutex<State>);

/// Operations by node, kind and outcome.
pub(crate) type Ended = BTreeMap<(String, OpKind, Outcome), u64>;

/// All that is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) phase: Option<Phase>,
    /// When the load began, on the run's clock.
    pub(crate) load_us: Option<u64>,
    pub(crate) sent: BTreeMap<String, u64>,
    pub(crate) ended: Ended,
    pub(crate) unstarted: u64,
    /// From the intended start and from sending, over the whole run.
    pub(crate) corrected: Buckets,
    pub(crate) uncorrected: Buckets,
    /// From the intended start, in microseconds, since they were last taken: the latest [`RECENT`], as there may be nobody who takes them.
    recent: VecDeque<u64>,
    open: HashMap<u64, Open>,
    pub(crate) outbox: Option<(u64, u64)>,
    /// By node: what its health said last, or that it did not answer.
    pub(crate) nodes: BTreeMap<String, String>,
    pub(crate) pending: BTreeMap<String, u64>,
    /// Every fault that was ever injected, by its number in the plan and its target: is it in force?
    pub(crate) faults: BTreeMap<(usize, String), bool>,
}

#[derive(Debug, Clone)]
struct Open {
    node: String,
    kind: OpKind,
    intended_us: u64,
    sent_us: u64,
}

impl Live {
    pub(crate) fn entry(&self, entry: &Entry) {
        let mut state = self.lock();
        match entry {
            Entry::Phase { t_us, phase } => {
                if *phase == Phase::Load {
                    state.load_us = Some(*t_us);
                }
                state.phase = Some(*phase);
            }
            Entry::Invoke(invoke) => {
                *state.sent.entry(invoke.node.clone()).or_default() += 1;
                let (node, kind) = (invoke.node.clone(), invoke.kind);
                let open = Open { node, kind, intended_us: invoke.intended_us, sent_us: invoke.t_us };
                state.open.insert(invoke.op, open);
            }
            Entry::Complete(complete) => state.complete(complete.op, complete.t_us, complete.outcome),
            Entry::Unstarted { .. } => state.unstarted += 1,
            Entry::Fault(step) => state.fault(step),
            _ => {}
        }
    }

    pub(crate) fn sample(&self, sample: &Sample) {
        let mut state = self.lock();
        match sample {
            Sample::Outbox { depth, oldest_age_ms, .. } => state.outbox = Some((*depth, *oldest_age_ms)),
            Sample::Health { node, status, .. } => {
                let word = status.clone().unwrap_or_else(|| "no answer".to_owned());
                state.nodes.insert(node.clone(), word);
            }
            Sample::Stream { consumers, .. } => {
                state.pending = consumers.iter().map(|(name, at)| (name.clone(), at.pending + at.ack_pending)).collect();
            }
            _ => {}
        }
    }

    /// As it is now.
    pub(crate) fn state(&self) -> State {
        let mut state = self.lock();
        // What is open and recent is for us alone, and may be much.
        let (open, recent) = (std::mem::take(&mut state.open), std::mem::take(&mut state.recent));
        let copy = state.clone();
        (state.open, state.recent) = (open, recent);
        copy
    }

    /// The latencies since this was last asked, in milliseconds: p50 and p99, by the nearest rank.
    pub(crate) fn take_recent(&self) -> Option<(f64, f64)> {
        let mut recent = Vec::from(std::mem::take(&mut self.lock().recent));
        recent.sort_unstable();
        let at = |percent: usize| {
            let rank = (recent.len() * percent).div_ceil(100).checked_sub(1)?;
            recent.get(rank).map(|us| *us as f64 / 1_000.0)
        };
        at(50).zip(at(99))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Counts are whole whoever panicked: each is changed in one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn complete(&mut self, op: u64, t_us: u64, outcome: Outcome) {
        let Some(open) = self.open.remove(&op) else { return };
        let waited_us = t_us.saturating_sub(open.intended_us);
        self.corrected.add(waited_us);
        self.uncorrected.add(t_us.saturating_sub(open.sent_us));
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(waited_us);
        *self.ended.entry((open.node, open.kind, outcome)).or_default() += 1;
    }

    fn fault(&mut self, step: &FaultStep) {
        let key = (step.fault, step.target.clone());
        match step.step {
            Step::Inject => {
                self.faults.insert(key, true);
            }
            // A heal that could not be proven is none: the fault stays in force until it is.
            Step::HealVerified => {
                self.faults.insert(key, false);
            }
            _ => {}
        }
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.values().sum()
    }

    pub(crate) fn of(&self, outcome: Outcome) -> u64 {
        self.ended.iter().filter(|((_, _, ended), _)| *ended == outcome).map(|(_, count)| count).sum()
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.sent() - self.ended.values().sum::<u64>()
    }

    /// Of faults that are in force: their numbers, each once, with their targets.
    pub(crate) fn in_force(&self) -> BTreeMap<usize, BTreeSet<&str>> {
        let mut faults: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
        for ((fault, target), _) in self.faults.iter().filter(|(_, in_force)| **in_force) {
            faults.entry(*fault).or_default().insert(target);
        }
        faults
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use judge::history::{Complete, Invoke};

    use super::*;

    pub(crate) fn invoke(op: u64, t_us: u64) -> Entry {
        Entry::Invoke(Invoke {
            t_us,
            op,
            process: 1,
            node: "cluster-node-1".into(),
            intended_us: t_us - 500,
            order_id: format!("n-{op}"),
            customer_id: "n-c".into(),
            amount_minor: 1,
            kind: OpKind::Place,
        })
    }

    pub(crate) fn complete(op: u64, t_us: u64, outcome: Outcome) -> Entry {
        let (status, answer, error) = (None, None, None);
        Entry::Complete(Complete { t_us, op, outcome, status, replayed: false, answer, applied: None, error })
    }

    pub(crate) fn step(step: Step) -> Entry {
        Entry::Fault(FaultStep { t_us: 9, fault: 0, target: "cluster-node-1".into(), step, detail: String::new() })
    }

    #[test]
    fn what_is_recorded_is_what_is_seen() {
        let live = Live::default();
        live.entry(&Entry::Phase { t_us: 1_000, phase: Phase::Load });
        for op in 0..100 {
            live.entry(&invoke(op, 2_000));
        }
        for op in 0..90 {
            live.entry(&complete(op, 1_500 + (op + 1) * 1_000, if op < 80 { Outcome::Ok } else { Outcome::Info }));
        }
        live.sample(&Sample::Outbox { t_us: 5, depth: 7, oldest_age_ms: 30 });
        let state = live.state();
        assert_eq!((state.sent(), state.of(Outcome::Ok), state.of(Outcome::Info), state.in_flight()), (100, 80, 10, 10));
        assert_eq!((state.load_us, state.outbox), (Some(1_000), Some((7, 30))));
        assert_eq!(live.take_recent(), Some((45.0, 90.0)));
        assert_eq!(live.take_recent(), None, "they were taken");
        assert_eq!(live.state().in_flight(), 10);
    }

    #[test]
    fn what_nobody_takes_does_not_pile_up() {
        let live = Live::default();
        for op in 0..2 * RECENT as u64 {
            live.entry(&invoke(op, 1_000));
            // The first half took a second, the second half 2 ms.
            let took = if op < RECENT as u64 { 1_000_000 } else { 2_000 };
            live.entry(&complete(op, 500 + took, Outcome::Ok));
        }
        assert_eq!(live.lock().recent.len(), RECENT);
        assert_eq!(live.take_recent(), Some((2.0, 2.0)));
    }

    #[test]
    fn a_fault_is_in_force_until_its_heal_is_proven() {
        let live = Live::default();
        for (of, in_force) in
            [(Step::Inject, 1), (Step::EffectVerified, 1), (Step::Heal, 1), (Step::Healed, 1), (Step::HealVerified, 0)]
        {
            live.entry(&step(of));
            assert_eq!(live.state().in_force().len(), in_force, "{of:?}");
        }
        assert_eq!(live.state().faults.len(), 1);
    }
}
