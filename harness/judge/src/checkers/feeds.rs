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
mod tests {
    use crate::history::{Entry, FeedState, Step};
    use crate::testing::{NODES, Story, id, intended_us};
    use crate::verdict::Verdict;

    impl Story {
        /// Node 1's feed shows only these positions.
        fn show_only(&mut self, positions: std::ops::Range<u64>) {
            self.remove(
                |entry| matches!(entry, Entry::Seen(seen) if seen.node == NODES[0] && !positions.contains(&seen.position)),
            );
        }

        fn feed(&mut self, t_us: u64, state: FeedState) {
            self.entries.push(Entry::Feed { t_us, node: NODES[0].to_owned(), state, detail: String::new() });
        }

        fn never_connected_before(&mut self) {
            self.remove(|entry| matches!(entry, Entry::Feed { node, .. } if node == NODES[0]));
        }
    }

    #[test]
    fn feed_that_began_late_and_ended_early_left_nothing_out() {
        let mut story = Story::good(20);
        story.show_only(5..15);
        story.never_connected_before();
        story.feed(intended_us(4), FeedState::Connected);
        story.feed(intended_us(14), FeedState::Lost);
        let finding = story.finding("feeds");
        assert_eq!(finding.verdict, Verdict::Valid, "{:?}", finding.evidence);
    }

    #[test]
    fn connected_feed_that_falls_silent_left_its_tail_out() {
        let mut story = Story::good(20);
        story.show_only(0..15);
        let finding = story.finding("feeds");
        assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 6));
        assert_eq!(finding.orders[0].order_id, id(14));
    }

    #[test]
    fn connected_feed_that_shows_nothing_at_all_left_everything_out() {
        let mut story = Story::good(20);
        story.show_only(0..0);
        assert_eq!((story.finding("feeds").verdict, story.finding("feeds").count), (Verdict::Invalid, 20));
    }

    #[test]
    fn feed_connected_before_the_load_may_not_begin_late() {
        let mut story = Story::good(20);
        story.show_only(5..100);
        // Cut and resumed: what it missed in between it has to show.
        story.feed(intended_us(1), FeedState::Lost);
        story.feed(intended_us(5), FeedState::Connected);
        assert_eq!(story.finding("feeds").count, 4);
    }

    #[test]
    fn tail_cannot_be_told_where_the_feed_was_back_only_just_now_or_the_cluster_was_not_quiescent() {
        let mut story = Story::good(20);
        story.show_only(0..15);
        story.feed(intended_us(15), FeedState::Lost);
        let mut lost = story.clone();
        assert_eq!(lost.finding("feeds").verdict, Verdict::Valid);
        let reads_us = lost.quiescence.as_ref().expect("it has one").t_us;
        lost.feed(reads_us - 1_900_000, FeedState::Connected);
        assert_eq!(lost.finding("feeds").verdict, Verdict::Valid);
        story.feed(reads_us - 2_000_000, FeedState::Connected);
        assert_eq!(story.finding("feeds").verdict, Verdict::Invalid);
        story.see(0, 13, 14, reads_us - 500_000);
        story.remove(|entry| matches!(entry, Entry::Seen(seen) if seen.position == 14 && seen.t_us < reads_us - 500_000 && seen.node == NODES[0]));
        assert_eq!(story.finding("feeds").verdict, Verdict::Valid, "it was still catching up");
        let mut busy = Story::good(20);
        busy.show_only(0..15);
        busy.quiescence.as_mut().expect("it has one").reached = false;
        assert_eq!(busy.finding("feeds").verdict, Verdict::Valid);
    }

    #[test]
    fn event_shown_again_after_a_reconnect_is_found() {
        let mut story = Story::good(20);
        story.feed(intended_us(20), FeedState::Lost);
        story.feed(intended_us(20) + 1, FeedState::Connected);
        story.see(0, 19, 20, intended_us(20) + 20_000);
        let finding = story.finding("feeds");
        assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 1));
        assert_eq!(finding.evidence, ["run-19: the feed of cluster-node-1 showed position 20 again"]);
    }

    #[test]
    fn event_that_comes_after_a_later_one_is_found() {
        let mut story = Story::good(20);
        let is_sixth = |entry: &Entry| matches!(entry, Entry::Seen(seen) if seen.position == 6 && seen.node == NODES[0]);
        let sixth = story.entries.iter().find(|entry| is_sixth(entry)).cloned().expect("it was shown");
        story.remove(is_sixth);
        let behind = story
            .entries
            .iter()
            .position(|entry| matches!(entry, Entry::Seen(seen) if seen.position == 7 && seen.node == NODES[0]));
        story.entries.insert(behind.expect("it was shown") + 1, sixth);
        let finding = story.finding("feeds");
        assert_eq!((finding.verdict, finding.orders[0].order_id.clone()), (Verdict::Invalid, id(5)), "{:?}", finding.evidence);
    }

    /// Redis loses what came behind order 9, and every node shows orders 10 to 19 again, in another order.
    fn set_back() -> Story {
        let mut story = Story::good(20);
        let at_us = intended_us(20);
        let steps = [Step::Inject, Step::Injected, Step::EffectVerified, Step::Heal, Step::Healed, Step::HealVerified];
        let steps: Vec<(Step, u64)> = steps.into_iter().zip((at_us - 95_000..).step_by(10_000)).collect();
        story.strike(crate::plan::FaultKind::RollBack { lose_ms: 100 }, "redis", 0, &steps);
        for (number, node) in NODES.into_iter().enumerate() {
            let change = |t_us, state| Entry::Feed { t_us, node: node.to_owned(), state, detail: String::new() };
            story.entries.push(change(at_us, FeedState::Reset { to: 10 }));
            story.entries.push(change(at_us + 100_000, FeedState::Connected));
            for order in (10..20).rev() {
                let position = 30 - order;
                story.see(number, order, position, at_us + 110_000 + position);
                story.projection_mut(number, order).position = position;
            }
        }
        story
    }

    #[test]
    fn what_a_set_back_store_took_back_is_shown_again_at_other_positions() {
        let story = set_back();
        for checker in ["feeds", "duplicated", "vanished"] {
            let finding = story.finding(checker);
            assert_eq!(finding.verdict, Verdict::Valid, "{checker}: {:?}", finding.evidence);
        }
        let mut silent = set_back();
        silent.remove(|entry| matches!(entry, Entry::Feed { state: FeedState::Reset { .. }, .. }));
        for checker in ["feeds", "duplicated"] {
            assert_eq!(silent.finding(checker).verdict, Verdict::Invalid, "{checker}: nobody said that positions are void");
        }
    }

    /// As [`set_back`], but node 1 dies before it can tell, and comes back when its feed has passed over three positions.
    fn set_back_untold(lost_us: u64) -> Story {
        let mut story = set_back();
        for entry in &mut story.entries {
            if let Entry::Feed { t_us, node, state: state @ FeedState::Reset { .. }, .. } = entry
                && node == NODES[0]
            {
                (*t_us, *state) = (lost_us, FeedState::Lost);
            }
        }
        let again_us = intended_us(20) + 110_000;
        story.remove(
            |entry| matches!(entry, Entry::Seen(seen) if seen.node == NODES[0] && seen.t_us >= again_us && seen.position <= 13),
        );
        story
    }

    #[test]
    fn feed_that_broke_while_the_store_was_set_back_cannot_be_told() {
        let story = set_back_untold(intended_us(20));
        for checker in ["feeds", "duplicated", "vanished"] {
            let finding = story.finding(checker);
            assert_eq!(finding.verdict, Verdict::Valid, "{checker}: {:?}", finding.evidence);
        }
        let mut skips = story.clone();
        skips.remove(
            |entry| matches!(entry, Entry::Seen(seen) if seen.node == NODES[0] && seen.position == 16 && seen.order_id == id(14)),
        );
        assert_eq!(skips.finding("feeds").count, 1, "what it passes over once it is back it should have shown");
        let much_later = set_back_untold(intended_us(20) + 5_000_000);
        assert_eq!(much_later.finding("feeds").verdict, Verdict::Invalid, "there was time to tell");
    }

    #[test]
    fn what_was_taken_back_may_be_away_for_a_while_and_not_for_good() {
        let missing = |order| Entry::Confirm {
            t_us: intended_us(20) - 1_000,
            node: NODES[0].to_owned(),
            order_id: id(order),
            status: 404,
            applied: None,
        };
        let mut story = set_back();
        story.entries.push(missing(15));
        assert_eq!(story.finding("vanished").verdict, Verdict::Valid, "{:?}", story.finding("vanished").evidence);
        story.entries.push(missing(5));
        assert_eq!(story.finding("vanished").count, 1, "order 5 lay before the position that the feed went back to");
        let mut story = set_back();
        story.remove(|entry| matches!(entry, Entry::Projection(held) if held.order_id == id(15) && held.node == NODES[0]));
        assert_eq!(story.finding("vanished").count, 1, "the stream had it, so it had to come again");
    }

    #[test]
    fn feed_that_goes_back_without_a_fault_behind_it_is_found() {
        let mut story = set_back();
        story.plan.faults[0].kind = crate::plan::FaultKind::Kill;
        assert_eq!((story.finding("feeds").verdict, story.finding("feeds").count), (Verdict::Invalid, 3));
        assert_eq!(story.finding("duplicated").verdict, Verdict::Invalid);
    }

    #[test]
    fn position_that_the_feed_passed_over_is_found() {
        let mut story = Story::good(20);
        story.remove(|entry| matches!(entry, Entry::Seen(seen) if seen.node == NODES[0] && seen.position == 9));
        let finding = story.finding("feeds");
        assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 1));
        assert_eq!(finding.orders[0].order_id, id(8));
    }

    #[test]
    fn position_of_two_orders_is_found() {
        let mut story = Story::good(20);
        story.see(1, 6, 3, intended_us(6) + 20_000);
        assert_eq!(story.finding("feeds").verdict, Verdict::Invalid);
    }

    #[test]
    fn event_with_another_message_or_position_than_the_projection_is_found() {
        let mut story = Story::good(20);
        story.projection_mut(1, 4).message_id = "other".to_owned();
        assert_eq!(story.finding("feeds").verdict, Verdict::Invalid);
        let mut story = Story::good(20);
        story.projection_mut(1, 4).position = 900;
        assert_eq!(story.finding("feeds").verdict, Verdict::Invalid);
    }
}
