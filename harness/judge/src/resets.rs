//! Feeds that went back, because the store behind them had lost writes.
//!
//! A node's word alone excuses nothing: it is believed where the run had set Redis back before. A feed that broke while Redis
//! was set back cannot be told of it; what it had shown meanwhile is void all the same, and what it missed cannot be told.

use crate::history::{FeedChange, FeedState, History, MessageSeen, NodeIx, Step};
use crate::plan::{FaultKind, Plan};

/// The service whose state positions are part of.
const STORE: &str = "redis";
/// A node whose store is back notices within so long that its counter went back, and says so.
const TOLD_WITHIN_US: u64 = 2_000_000;

#[derive(Debug)]
pub(crate) struct Resets {
    /// By event of the history's feeds.
    void: Vec<bool>,
    /// Feeds that went back though no fault had set the store back.
    pub(crate) unexplained: Vec<FeedChange>,
    /// Feeds that broke before they could be told, in the order of time.
    untold: Vec<Untold>,
}

/// A feed that broke while the store was set back.
#[derive(Debug)]
struct Untold {
    node: NodeIx,
    lost_us: u64,
    /// The last position that it had shown before the store was touched.
    to: u64,
    /// The first position that it showed when it was back; what lies between is not known.
    next: u64,
}

/// When the store was set back: from the first call for it until the nodes must have noticed.
struct Setback {
    from_us: u64,
    to_us: u64,
}

impl Resets {
    pub(crate) fn of(plan: &Plan, history: &History) -> Self {
        let setbacks = setbacks(plan, history);
        let set_back_us = setbacks.iter().map(|setback| setback.from_us).min();
        let (mut void, mut unexplained) = (vec![false; history.seen.len()], Vec::new());
        let mut take_back = |node, until_us, to| {
            for (seen, void) in history.seen.iter().zip(&mut void) {
                *void |= seen.node == node && seen.t_us <= until_us && seen.position > to;
            }
        };
        for change in &history.feeds {
            let FeedState::Reset { to } = change.state else { continue };
            if set_back_us.is_none_or(|set_back_us| change.t_us < set_back_us) {
                unexplained.push(change.clone());
            } else {
                take_back(change.node, change.t_us, to);
            }
        }
        let untold: Vec<Untold> = setbacks.iter().flat_map(|setback| untold(history, setback)).collect();
        for feed in &untold {
            take_back(feed.node, feed.lost_us, feed.to);
        }
        Self { void, unexplained, untold }
    }

    /// Was this event of the history's feeds taken back?
    pub(crate) fn is_void(&self, seen: usize) -> bool {
        self.void.get(seen).copied().unwrap_or(false)
    }

    /// When the feed of a node went back, told or not, and to which position.
    pub(crate) fn of_node(&self, history: &History, node: NodeIx) -> Vec<(u64, u64)> {
        let told = history.feeds.iter().filter(|change| change.node == node).filter_map(|change| match change.state {
            FeedState::Reset { to } => Some((change.t_us, to)),
            _ => None,
        });
        let untold = self.untold.iter().filter(|feed| feed.node == node).map(|feed| (feed.lost_us, feed.to));
        let mut all: Vec<_> = told.chain(untold).collect();
        all.sort_unstable();
        all
    }

    /// Could the feed of a node have shown this position while nobody could know?
    pub(crate) fn is_unknown(&self, node: NodeIx, position: u64) -> bool {
        self.untold.iter().any(|feed| feed.node == node && feed.to < position && position < feed.next)
    }
}

fn setbacks(plan: &Plan, history: &History) -> Vec<Setback> {
    let is_setback = |fault: usize| plan.faults.get(fault).is_some_and(|fault| matches!(fault.kind, FaultKind::RollBack { .. }));
    let steps = history.faults.iter().filter(|step| step.target == STORE && is_setback(step.fault));
    let begun = steps.clone().filter(|step| step.step == Step::Inject);
    begun
        .map(|begun| {
            let back = steps.clone().find(|step| step.fault == begun.fault && step.step == Step::HealVerified);
            Setback { from_us: begun.t_us, to_us: back.map_or(u64::MAX, |back| back.t_us.saturating_add(TOLD_WITHIN_US)) }
        })
        .collect()
}

/// Feeds that broke during a setback, and whose node then told nobody of it.
fn untold<'a>(history: &'a History, setback: &'a Setback) -> impl Iterator<Item = Untold> + 'a {
    let is_told = move |node: NodeIx| {
        let mut changes = history.feeds.iter().filter(move |change| change.node == node && change.t_us >= setback.from_us);
        changes.any(|change| matches!(change.state, FeedState::Reset { .. }))
    };
    let during = setback.from_us..=setback.to_us;
    let lost = history.feeds.iter().filter(move |change| change.state == FeedState::Lost && during.contains(&change.t_us));
    lost.filter(move |lost| !is_told(lost.node)).map(|lost| {
        let shown = || history.seen.iter().filter(|seen| seen.node == lost.node);
        let position = |seen: &MessageSeen| seen.position;
        Untold {
            node: lost.node,
            lost_us: lost.t_us,
            to: shown().filter(|seen| seen.t_us < setback.from_us).map(position).max().unwrap_or(0),
            next: shown().find(|seen| seen.t_us > lost.t_us).map_or(u64::MAX, position),
        }
    })
}
