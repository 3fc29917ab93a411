//! Feeds: a node's event feed and its projection tell the same. A position is one order's for good, its message is the
//! projection's, and between the first and the last position that a feed showed it left nothing out.

use std::collections::{BTreeMap, BTreeSet};

use super::Desk;
use crate::case::Case;
use crate::history::{MessageSeen, NodeIx};
use crate::life::lives;
use crate::numbers::many;
use crate::verdict::Finding;

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "feeds";
    let case = desk.case;
    let mut wrong: Vec<(usize, String)> = Vec::new();
    let mut repeats = 0_u64;
    for node in &case.required {
        let seen = case.history.seen.iter().filter(|seen| seen.node == *node);
        let mut by_position: BTreeMap<u64, &MessageSeen> = BTreeMap::new();
        for event in seen {
            match by_position.get(&event.position) {
                None => {
                    by_position.insert(event.position, event);
                }
                Some(first) if first.order == event.order => repeats += 1,
                Some(first) => wrong.push((event.order, two_orders(case, first, event))),
            }
        }
        wrong.extend(contradicted(case, *node, &by_position));
        wrong.extend(left_out(case, *node, &by_position));
    }
    let repeated = if repeats > 0 { vec![format!("{repeats} events were shown again at the same position")] } else { Vec::new() };
    if !wrong.is_empty() {
        let orders: BTreeSet<usize> = wrong.iter().map(|(order, _)| *order).collect();
        let summary = format!("{} at odds with the projection of its node, or left out", many(wrong.len(), "event"));
        let evidence = wrong.into_iter().map(|(_, line)| line).collect();
        let count = orders.len();
        return Finding::invalid(NAME, summary).counting(count).with(evidence).with(repeated).with_orders(lives(case, orders));
    }
    Finding::valid(NAME, format!("{} events agree with the projections", case.history.seen.len())).with(repeated)
}

fn two_orders(case: &Case<'_>, first: &MessageSeen, event: &MessageSeen) -> String {
    let orders = &case.history.orders;
    let node = case.history.node_name(event.node);
    format!("{node}: position {} was {} and then {}", event.position, orders[first.order].id, orders[event.order].id)
}

/// Events whose message or position the projection tells otherwise.
fn contradicted(case: &Case<'_>, node: NodeIx, seen: &BTreeMap<u64, &MessageSeen>) -> Vec<(usize, String)> {
    let name = case.history.node_name(node);
    seen.values()
        .filter_map(|event| {
            let id = &case.history.orders[event.order].id;
            let mut entries = case.projected(event.order).filter(|entry| entry.node == node);
            // What is in no projection has vanished, which is judged there.
            let entry = entries.next()?;
            if entry.message_id != event.message_id {
                let line = format!("{id}: {name} showed message {} and holds {}", event.message_id, entry.message_id);
                return Some((event.order, line));
            }
            let positions = std::iter::once(entry).chain(entries).map(|entry| entry.position).collect::<Vec<_>>();
            let agrees = positions.contains(&event.position) || entry.applied > 1;
            (!agrees).then(|| (event.order, format!("{id}: {name} showed position {} and holds {positions:?}", event.position)))
        })
        .collect()
}

/// Orders of the projection that a feed passed over.
fn left_out(case: &Case<'_>, node: NodeIx, seen: &BTreeMap<u64, &MessageSeen>) -> Vec<(usize, String)> {
    let (Some((first, _)), Some((last, _))) = (seen.first_key_value(), seen.last_key_value()) else {
        return Vec::new();
    };
    let name = case.history.node_name(node);
    let entries = case.history.projected.iter().filter(|entry| entry.node == node && entry.applied > 0);
    entries
        .filter(|entry| (*first..=*last).contains(&entry.position) && !seen.contains_key(&entry.position))
        // An order that was applied again moved to a new position; that is a duplicate, judged there.
        .filter(|entry| !case.history.orders[entry.order].seen.iter().any(|at| case.history.seen[*at].node == node))
        .map(|entry| {
            let id = &case.history.orders[entry.order].id;
            (entry.order, format!("{id}: the feed of {name} passed over position {}", entry.position))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::history::Entry;
    use crate::testing::{NODES, Story, id, intended_us};
    use crate::verdict::Verdict;

    #[test]
    fn feed_that_began_late_and_ended_early_left_nothing_out() {
        let mut story = Story::good(20);
        story.remove(|entry| matches!(entry, Entry::Seen(seen) if seen.node == NODES[0] && !(5..15).contains(&seen.position)));
        let finding = story.finding("feeds");
        assert_eq!(finding.verdict, Verdict::Valid, "{:?}", finding.evidence);
    }

    #[test]
    fn event_shown_again_after_a_reconnect_is_reported() {
        let mut story = Story::good(20);
        story.see(1, 6, 7, intended_us(6) + 20_000);
        let finding = story.finding("feeds");
        assert_eq!((finding.verdict, finding.evidence.len()), (Verdict::Valid, 1));
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
