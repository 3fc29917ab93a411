//! Feeds: a node's event feed and its projection tell the same.
//!
//! - *Ordered*: positions only grow, from one event to the next.
//! - *Unique*: no event is shown twice, and a position is one order's for good.
//! - *Reliable*: the feed left nothing out. All that was applied while it was followed is on it, under the projection's message.
//! - *Resumable*: a lost feed goes on behind the last position that it showed, and so neither skips nor repeats.
//!
//! A feed may go back to an earlier position only where a fault had set the store back. What it had shown behind that position
//! is void then: those positions are given out again.

use std::collections::{BTreeMap, BTreeSet};

use super::Desk;
use crate::case::Case;
use crate::history::{FeedChange, FeedState, MessageSeen, NodeIx, OrderIx, Phase};
use crate::life::lives;
use crate::numbers::many;
use crate::verdict::{Evidence, Finding};

/// A feed that is connected and silent for so long has shown all that it will show.
const SILENT_US: u64 = 2_000_000;

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "feeds";
    let case = desk.case;
    let (mut orders, mut evidence) = (BTreeSet::new(), Evidence::default());
    for node in &case.required {
        let seen = case.history.seen.iter().enumerate().filter(|(at, seen)| seen.node == *node && !case.resets.is_void(*at));
        let mut by_position: BTreeMap<u64, &MessageSeen> = BTreeMap::new();
        for (_, event) in seen {
            match by_position.get(&event.position) {
                None => {
                    by_position.insert(event.position, event);
                }
                // Shown again: told below.
                Some(first) if first.order == event.order => {}
                Some(first) => {
                    orders.insert(event.order);
                    evidence.push(two_orders(case, first, event));
                }
            }
        }
        let wrong = [gone_back(case, *node), contradicted(case, *node, &by_position), left_out(case, *node, &by_position)];
        for (order, line) in wrong.into_iter().flatten() {
            orders.insert(order);
            evidence.push(line);
        }
    }
    if let unexplained @ [_, ..] = case.resets.unexplained.as_slice() {
        let summary = format!("{} went back, and no fault had set the store back", many(unexplained.len(), "feed"));
        let evidence: Evidence = unexplained.iter().map(|change| set_back(case, change)).collect();
        return Finding::invalid(NAME, summary).counting(unexplained.len()).with(evidence);
    }
    if !evidence.is_empty() {
        let summary = format!(
            "{} out of order, repeated, left out, or at odds with the projection of its node",
            many(evidence.len(), "event")
        );
        let count = orders.len();
        return Finding::invalid(NAME, summary).counting(count).with(evidence).with_orders(lives(case, orders));
    }
    Finding::valid(NAME, format!("{} events are in order and agree with the projections", case.history.seen.len()))
}

fn set_back(case: &Case<'_>, change: &FeedChange) -> String {
    let node = case.history.node_name(change.node);
    let to = if let FeedState::Reset { to } = change.state { to } else { 0 };
    format!("{node}: its feed went back to position {to} at {} ms", change.t_us / 1_000)
}

/// Events at or before the position of the event before them, which only a reset explains.
fn gone_back(case: &Case<'_>, node: NodeIx) -> Vec<(OrderIx, String)> {
    let history = case.history;
    let name = history.node_name(node);
    let mut resets = case.resets.of_node(history, node).into_iter();
    let mut reset = resets.next();
    let mut last: Option<&MessageSeen> = None;
    let mut wrong = Vec::new();
    // In the order in which the feed showed them.
    for event in history.seen.iter().filter(|event| event.node == node) {
        let mut lowest = last.map(|last| last.position);
        while let Some((t_us, to)) = reset.filter(|(t_us, _)| *t_us <= event.t_us) {
            if last.is_none_or(|last| last.t_us <= t_us) {
                lowest = lowest.map(|lowest| lowest.min(to));
            }
            reset = resets.next();
        }
        if let Some(last) = last
            && lowest.is_some_and(|lowest| event.position <= lowest)
        {
            let (id, before) = (history.order_id(event.order), history.order_id(last.order));
            let what =
                if event.order == last.order { "again".to_owned() } else { format!("behind {before} at {}", last.position) };
            wrong.push((event.order, format!("{id}: the feed of {name} showed position {} {what}", event.position)));
        }
        last = Some(event);
    }
    wrong
}

fn two_orders(case: &Case<'_>, first: &MessageSeen, event: &MessageSeen) -> String {
    let history = case.history;
    let (node, before, then) = (history.node_name(event.node), history.order_id(first.order), history.order_id(event.order));
    format!("{node}: position {} was {before} and then {then}", event.position)
}

/// Events whose message or position the projection tells otherwise.
fn contradicted(case: &Case<'_>, node: NodeIx, seen: &BTreeMap<u64, &MessageSeen>) -> Vec<(OrderIx, String)> {
    let history = case.history;
    let name = history.node_name(node);
    seen.values()
        .filter_map(|event| {
            let id = history.order_id(event.order);
            let mut entries = case.projected(event.order).filter(|entry| entry.node == node);
            // What is in no projection has vanished, which is judged there.
            let entry = entries.next()?;
            if entry.message_id != event.message_id {
                let (shown, held) = (history.text(event.message_id), history.text(entry.message_id));
                let line = format!("{id}: {name} showed message {shown} and holds {held}");
                return Some((event.order, line));
            }
            let positions = std::iter::once(entry).chain(entries).map(|entry| entry.position).collect::<Vec<_>>();
            let agrees = positions.contains(&event.position) || entry.applied > 1;
            (!agrees).then(|| (event.order, format!("{id}: {name} showed position {} and holds {positions:?}", event.position)))
        })
        .collect()
}

/// Orders of the projection that the feed never showed, though it was followed when it had to show them.
fn left_out(case: &Case<'_>, node: NodeIx, seen: &BTreeMap<u64, &MessageSeen>) -> Vec<(OrderIx, String)> {
    let first = if is_followed_from_the_start(case, node) { Some(0) } else { seen.keys().next().copied() };
    let last = if is_told_to_the_end(case, node, seen) { Some(u64::MAX) } else { seen.keys().next_back().copied() };
    let (Some(first), Some(last)) = (first, last) else {
        return Vec::new();
    };
    let name = case.history.node_name(node);
    let shown: BTreeSet<OrderIx> = seen.values().map(|event| event.order).collect();
    let entries = case.history.projected.iter().filter(|entry| entry.node == node && entry.applied > 0);
    entries
        // An order that was applied again moved to a new position; that is a duplicate, judged there.
        .filter(|entry| first <= entry.position && entry.position <= last && !shown.contains(&entry.order))
        .filter(|entry| !case.resets.is_unknown(node, entry.position))
        .map(|entry| {
            let id = case.history.order_id(entry.order);
            (entry.order, format!("{id}: the feed of {name} never showed position {}", entry.position))
        })
        .collect()
}

/// Connected before the load began: from then on every order of the run had to be shown.
fn is_followed_from_the_start(case: &Case<'_>, node: NodeIx) -> bool {
    let Some(load_us) = case.history.phase_us(Phase::Load) else {
        return false;
    };
    let mut changes = case.history.feeds.iter().filter(|change| change.node == node);
    changes.any(|change| change.state == FeedState::Connected && change.t_us <= load_us)
}

/// The cluster was quiescent, and the feed connected long enough to have shown everything. One that still showed
/// something just before may have been catching up.
fn is_told_to_the_end(case: &Case<'_>, node: NodeIx, seen: &BTreeMap<u64, &MessageSeen>) -> bool {
    let Some(reads_us) = case.history.phase_us(Phase::FinalReads).filter(|_| case.is_quiescent()) else {
        return false;
    };
    let mut changes = case.history.feeds.iter().filter(|change| change.node == node && change.t_us <= reads_us);
    let is_connected =
        changes.next_back().is_some_and(|change| change.state == FeedState::Connected && change.t_us + SILENT_US <= reads_us);
    let is_silent = !seen.values().any(|event| event.t_us + SILENT_US / 2 > reads_us);
    is_connected && is_silent
}

#[cfg(test)]
mod tests;
