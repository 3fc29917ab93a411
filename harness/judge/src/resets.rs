//! Feeds that went back, because the store behind them had lost writes.
//!
//! A node's word alone excuses nothing: it is believed where the run had set Redis back before.

use crate::history::{FeedChange, FeedState, History, Step};
use crate::plan::{FaultKind, Plan};

/// The service whose state positions are part of.
const STORE: &str = "redis";

#[derive(Debug)]
pub(crate) struct Resets {
    /// By event of the history's feeds.
    void: Vec<bool>,
    /// Feeds that went back though no fault had set the store back.
    pub(crate) unexplained: Vec<FeedChange>,
}

impl Resets {
    pub(crate) fn of(plan: &Plan, history: &History) -> Self {
        let set_back_us = history
            .faults
            .iter()
            .filter(|step| step.step == Step::Inject && step.target == STORE)
            .filter(|step| plan.faults.get(step.fault).is_some_and(|fault| matches!(fault.kind, FaultKind::RollBack { .. })))
            .map(|step| step.t_us)
            .min();
        let (mut void, mut unexplained) = (vec![false; history.seen.len()], Vec::new());
        for change in &history.feeds {
            let FeedState::Reset { to } = change.state else { continue };
            if set_back_us.is_none_or(|set_back_us| change.t_us < set_back_us) {
                unexplained.push(change.clone());
                continue;
            }
            for (seen, void) in history.seen.iter().zip(&mut void) {
                *void |= seen.node == change.node && seen.t_us <= change.t_us && seen.position > to;
            }
        }
        Self { void, unexplained }
    }

    /// Was this event of the history's feeds taken back?
    pub(crate) fn is_void(&self, seen: usize) -> bool {
        self.void.get(seen).copied().unwrap_or(false)
    }
}
