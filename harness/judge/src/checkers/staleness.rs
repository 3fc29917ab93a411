//! Staleness: between the acknowledgement of an order and its application a node answers as if there were none. That is
//! allowed, and told as an interval for each node: it begins when the order is acknowledged, and ends no later than its
//! sight on the node's feed.
//!
//! What is not allowed is the opposite: an order that a node shows before anybody sent it. Both times are of one clock, and
//! an operation is recorded before its request leaves.

use super::Desk;
use crate::case::Case;
use crate::history::{NodeIx, Order, OrderIx, Outcome};
use crate::life::lives;
use crate::numbers::many;
use crate::verdict::{Evidence, Finding};

/// The longest of a node.
#[derive(Debug, Clone, Copy)]
struct Interval {
    node: NodeIx,
    order: OrderIx,
    from_us: u64,
    until_us: u64,
}

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "staleness";
    let case = desk.case;
    let early = seen_early(case);
    if !early.is_empty() {
        let evidence = early.iter().map(|(order, node)| {
            let (id, node) = (case.history.order_id(*order), case.history.node_name(*node));
            format!("{id}: {node} showed it before it was sent")
        });
        let summary = format!("{} shown before anybody sent them", many(early.len(), "order"));
        let evidence: Evidence = evidence.collect();
        let orders = lives(case, early.iter().map(|(order, _)| *order));
        return Finding::invalid(NAME, summary).counting(early.len()).with(evidence).with_orders(orders);
    }
    let longest = longest(case);
    let Some(worst) = longest.iter().max_by_key(|interval| interval.until_us - interval.from_us) else {
        return Finding::valid(NAME, "no order was seen after its acknowledgement");
    };
    let summary = format!("a node was behind an acknowledged order for at most {}", words(case, worst));
    Finding::valid(NAME, summary).with(longest.iter().map(|interval| words(case, interval)).collect::<Evidence>())
}

fn words(case: &Case<'_>, interval: &Interval) -> String {
    let Interval { node, order, from_us, until_us } = *interval;
    let (id, node) = (case.history.order_id(order), case.history.node_name(node));
    let (from, until) = (case.edges.ms(from_us) / 1_000.0, case.edges.ms(until_us) / 1_000.0);
    format!("{:.1} ms, {node} with {id} from {from:+.3} s to {until:+.3} s", (until_us - from_us) as f64 / 1_000.0)
}

/// Orders with the node that showed them before the first of their operations was sent.
fn seen_early(case: &Case<'_>) -> Vec<(OrderIx, NodeIx)> {
    let of_order = |order: Order<'_>| {
        let sent_us = order.ops().iter().map(|op| op.sent_us).min()?;
        let seen = order.seen().iter().find(|seen| seen.t_us < sent_us)?;
        Some((order.number, seen.node))
    };
    case.history.orders().filter_map(of_order).collect()
}

/// For each required node the longest time between acknowledgement and first sight.
fn longest(case: &Case<'_>) -> Vec<Interval> {
    let history = case.history;
    let mut longest: Vec<Option<Interval>> = vec![None; history.nodes.len()];
    for order in history.orders() {
        let ends = order.ops().iter().filter(|op| op.outcome() == Outcome::Ok);
        let Some(from_us) = ends.filter_map(|op| op.end).map(|end| end.t_us).min() else { continue };
        for node in &case.required {
            let sights = order.seen().iter().filter(|seen| seen.node == *node);
            let Some(until_us) = sights.map(|seen| seen.t_us).min().filter(|until_us| *until_us > from_us) else { continue };
            if let Some(held) = longest.get_mut(usize::from(*node))
                && held.is_none_or(|held| until_us - from_us > held.until_us - held.from_us)
            {
                *held = Some(Interval { node: *node, order: order.number, from_us, until_us });
            }
        }
    }
    longest.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::history::Entry;
    use crate::testing::{NODES, Story, id, intended_us};
    use crate::verdict::Verdict;

    #[test]
    fn node_that_lags_is_stale_and_not_wrong() {
        let mut story = Story::good(20);
        for entry in &mut story.entries {
            if let Entry::Seen(seen) = entry
                && seen.order_id == id(7)
                && seen.node == NODES[1]
            {
                seen.t_us += 400_000;
            }
        }
        let finding = story.finding("staleness");
        assert_eq!(finding.verdict, Verdict::Valid);
        assert!(finding.summary.contains("403.0 ms, cluster-node-2 with run-7 "), "{}", finding.summary);
        assert_eq!(finding.evidence.len(), 3, "one interval a node");
        assert_eq!(finding.evidence[0], "3.0 ms, cluster-node-1 with run-0 from +0.005 s to +0.008 s");
    }

    #[test]
    fn order_that_is_shown_before_it_is_sent_is_found() {
        let mut story = Story::good(20);
        story.remove(|entry| matches!(entry, Entry::Seen(seen) if seen.order_id == id(7) && seen.node == NODES[2]));
        story.see(2, 7, 8, intended_us(7) + 99);
        let finding = story.finding("staleness");
        assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 1));
        assert_eq!(finding.orders[0].order_id, id(7));
    }

    #[test]
    fn order_that_is_shown_as_it_is_sent_is_not_early() {
        let mut story = Story::good(20);
        story.remove(|entry| matches!(entry, Entry::Seen(seen) if seen.order_id == id(7) && seen.node == NODES[2]));
        story.see(2, 7, 8, intended_us(7) + 100);
        assert_eq!(story.finding("staleness").verdict, Verdict::Valid);
    }

    /// A story of so many orders in which some sights come at other times.
    fn seen_at(orders: u64, at: impl Fn(&str, &str) -> Option<u64>) -> Story {
        let mut story = Story::good(orders);
        for entry in &mut story.entries {
            if let Entry::Seen(seen) = entry {
                seen.t_us = at(&seen.order_id, &seen.node).unwrap_or(seen.t_us);
            }
        }
        story
    }

    #[test]
    fn longest_lag_is_told_whenever_it_was() {
        let (early, late) = (id(0), id(19));
        let story = seen_at(20, |order, node| match (order, node) {
            (order, node) if order == early && node == NODES[1] => Some(intended_us(0) + 25_000),
            (order, node) if order == late && node == NODES[2] => Some(intended_us(19) + 15_000),
            _ => None,
        });
        let summary = story.finding("staleness").summary;
        assert!(summary.contains("at most 20.0 ms, cluster-node-2 with run-0 "), "{summary}");
    }

    #[test]
    fn order_that_is_seen_with_its_acknowledgement_was_never_stale() {
        let finding = seen_at(1, |_, _| Some(intended_us(0) + 5_000)).finding("staleness");
        assert_eq!(finding.summary, "no order was seen after its acknowledgement");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn exactly_those_are_found_that_were_shown_too_early(shown_after_us in prop::collection::vec(1_000..20_000_u64, 1..30)) {
            let mut story = Story::good(shown_after_us.len() as u64);
            for entry in &mut story.entries {
                if let Entry::Invoke(invoke) = entry {
                    invoke.t_us += 9_900;
                }
            }
            story.remove(|entry| matches!(entry, Entry::Seen(_)));
            for (order, after_us) in (0..).zip(&shown_after_us) {
                story.see(0, order, order + 1, intended_us(order) + after_us);
            }
            let early = shown_after_us.iter().filter(|after_us| **after_us < 10_000).count() as u64;
            prop_assert_eq!(story.finding("staleness").count, early);
        }
    }
}
