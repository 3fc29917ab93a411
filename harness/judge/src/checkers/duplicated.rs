//! Duplicated: applied more than once on a node, by its projection, its feed (two positions) or a confirming read; two
//! acknowledged message ids for one order id; or twice in the stream. A message that is twice in the stream is allowed
//! outside the deduplication window, and reported.

use std::collections::{BTreeMap, BTreeSet};

use super::{Desk, forgotten};
use crate::case::Case;
use crate::history::{NodeIx, Op, Order, OrderIx, Outcome, PublishedMessage, Text};
use crate::life::lives;
use crate::numbers::many;
use crate::verdict::{Evidence, Finding};

/// The stream drops a message whose id it has stored within this time.
const DEDUP_WINDOW_US: i64 = 120_000_000;

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "duplicated";
    let case = desk.case;
    let confirmed = confirmed_twice(case);
    let mut wrong: Vec<OrderIx> = Vec::new();
    let mut evidence = Evidence::default();
    let mut tolerated = Evidence::default();
    for order in case.history.orders() {
        let mut found = applied_twice(case, order);
        if let Some(node) = confirmed.get(&order.number) {
            found.push(format!("applied more than once on {}, as a read confirmed", case.history.node_name(*node)));
        }
        let retaken = forgotten::is_excused(case, order);
        found.extend(acknowledged_twice(case, order).filter(|_| !retaken));
        match published_twice(case, order) {
            // The first message had left before the store forgot it; that it takes effect once is judged by the projections.
            Some(Twice::Renamed(what)) if retaken => tolerated.push(format!("{}: {what}", order.id())),
            Some(Twice::Renamed(what) | Twice::Wrong(what)) => found.push(what),
            Some(Twice::Allowed(what)) => tolerated.push(format!("{}: {what}", order.id())),
            None => {}
        }
        if !found.is_empty() {
            wrong.push(order.number);
            evidence.push(format!("{}: {}", order.id(), found.join("; ")));
        }
    }
    if !wrong.is_empty() {
        let orders = lives(case, wrong.iter().copied());
        let summary = format!("{} in effect more than once, or taken in twice", many(wrong.len(), "order"));
        return Finding::invalid(NAME, summary).counting(wrong.len()).with(evidence).with_orders(orders);
    }
    if tolerated.is_empty() {
        Finding::valid(NAME, "no order was applied, acknowledged or published twice")
    } else {
        let summary = format!("{} twice in the stream, outside its deduplication window", many(tolerated.len(), "message"));
        Finding::valid(NAME, summary).with(tolerated)
    }
}

fn applied_twice(case: &Case<'_>, order: Order<'_>) -> Vec<String> {
    let history = case.history;
    let mut listed: BTreeMap<NodeIx, (BTreeSet<u64>, u64)> = BTreeMap::new();
    for entry in order.projected().iter() {
        // A node that applied twice may say so by its count, at two positions, or at two positions that both hold the count.
        let (positions, most) = listed.entry(entry.node).or_default();
        positions.insert(entry.position);
        *most = entry.applied.max(*most);
    }
    let mut positions: BTreeMap<NodeIx, BTreeSet<u64>> = BTreeMap::new();
    // What the node took back, it may show again elsewhere.
    for (_, seen) in order.seen().numbered().filter(|(at, _)| !case.resets.is_void(*at)) {
        positions.entry(seen.node).or_default().insert(seen.position);
    }
    let projected = listed
        .iter()
        .map(|(node, (positions, most))| (node, (*most).max(positions.len() as u64)))
        .filter(|(_, times)| *times > 1)
        .map(|(node, times)| format!("applied {times} times on {}", history.node_name(*node)));
    let fed = positions
        .iter()
        .filter(|(_, positions)| positions.len() > 1)
        .map(|(node, positions)| format!("on the feed of {} at positions {positions:?}", history.node_name(*node)));
    projected.chain(fed).collect()
}

fn confirmed_twice(case: &Case<'_>) -> BTreeMap<OrderIx, NodeIx> {
    let confirms = case.history.confirms.iter();
    confirms
        .filter(|confirm| confirm.applied.is_some_and(|applied| applied > 1))
        .map(|confirm| (confirm.order, confirm.node))
        .collect()
}

fn acknowledged_twice(case: &Case<'_>, order: Order<'_>) -> Option<String> {
    let answers = order.ops().iter().filter(|op| op.outcome() == Outcome::Ok).filter_map(Op::answer);
    let ids = ids(case, answers.map(|answer| case.history.answer(answer).message_id));
    (ids.len() > 1).then(|| format!("acknowledged under {} message ids: {}", ids.len(), join(&ids)))
}

enum Twice {
    Wrong(String),
    /// Under several message ids.
    Renamed(String),
    Allowed(String),
}

fn published_twice(case: &Case<'_>, order: Order<'_>) -> Option<Twice> {
    let messages: Vec<&PublishedMessage> = order.published().iter().collect();
    let [first, .., last] = messages.as_slice() else {
        return None;
    };
    let ids = ids(case, messages.iter().map(|message| message.message_id));
    let sequences: BTreeSet<u64> = messages.iter().map(|message| message.sequence).collect();
    if sequences.len() < 2 {
        // One message that was read twice is the reader's doing.
        return None;
    }
    if ids.len() > 1 {
        return Some(Twice::Renamed(format!("in the stream under {} message ids: {}", ids.len(), join(&ids))));
    }
    let history = case.history;
    let what = format!("message {} is in the stream at sequences {sequences:?}", history.text(first.message_id));
    let mut times: Vec<i64> = messages.iter().filter_map(|message| history.wall_us(message.stored_at)).collect();
    times.sort_unstable();
    let closest = times.windows(2).map(|pair| pair[1] - pair[0]).min();
    match closest {
        Some(gap_us) if times.len() == messages.len() && gap_us > DEDUP_WINDOW_US => Some(Twice::Allowed(what)),
        _ => Some(Twice::Wrong(format!("{what}, stored {} and {}", history.wall(first.stored_at), history.wall(last.stored_at)))),
    }
}

/// The different ones, sorted.
fn ids<'a>(case: &Case<'a>, ids: impl Iterator<Item = Text>) -> BTreeSet<&'a str> {
    ids.map(|id| case.history.text(id)).collect()
}

fn join(ids: &BTreeSet<&str>) -> String {
    ids.iter().copied().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use crate::history::{Answer, Entry, OpKind, Outcome};
    use crate::testing::{NODES, Story, answer, id, intended_us, message, wall};
    use crate::verdict::Verdict;

    #[test]
    fn replay_of_an_acknowledged_order_is_no_duplicate() {
        let mut story = Story::good(20);
        story.again(100, 4, OpKind::Replay, Outcome::Ok, 200, Some(answer(4)));
        let report = story.report();
        assert_eq!((report.verdict, report.orders.duplicated), (Verdict::Valid, 0), "{}", report.reason);
    }

    #[test]
    fn order_applied_twice_on_one_node_is_duplicated() {
        let mut story = Story::good(20);
        story.projection_mut(2, 6).applied = 2;
        let finding = story.finding("duplicated");
        assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 1));
        assert_eq!(finding.evidence, [format!("{}: applied 2 times on {}", id(6), NODES[2])]);
        assert_eq!(finding.orders[0].order_id, id(6));
    }

    #[test]
    fn order_at_two_positions_of_a_feed_is_duplicated() {
        let mut story = Story::good(20);
        story.see(1, 6, 500, intended_us(6) + 20_000);
        assert_eq!(story.finding("duplicated").verdict, Verdict::Invalid);
    }

    #[test]
    fn event_shown_again_at_its_position_is_no_duplicate() {
        let mut story = Story::good(20);
        story.see(1, 6, 7, intended_us(6) + 20_000);
        assert_eq!(story.report().orders.duplicated, 0);
    }

    #[test]
    fn order_acknowledged_under_two_message_ids_is_duplicated() {
        let mut story = Story::good(20);
        let other = Answer { message_id: "other".to_owned(), ..answer(4) };
        story.again(100, 4, OpKind::Replay, Outcome::Ok, 200, Some(other));
        let finding = story.finding("duplicated");
        assert_eq!(finding.count, 1);
        assert_eq!(finding.evidence, ["run-4: acknowledged under 2 message ids: m-4, other"]);
    }

    #[test]
    fn message_twice_in_the_stream_is_wrong_inside_the_window_and_reported_outside() {
        let mut inside = Story::good(20);
        inside.publish(4, 900, &message(4));
        assert_eq!(inside.finding("duplicated").verdict, Verdict::Invalid);

        let mut outside = Story::good(20);
        outside.publish(4, 900, &message(4));
        let Some(Entry::Published(late)) = outside.entries.last_mut() else { unreachable!("it was pushed last") };
        late.stored_at = wall(intended_us(4) + 130_000_000);
        let finding = outside.finding("duplicated");
        assert_eq!((finding.verdict, finding.count), (Verdict::Valid, 0));
        assert_eq!(finding.evidence.len(), 1, "it is reported");
    }

    #[test]
    fn confirming_read_that_tells_two_applications_is_believed() {
        let mut story = Story::good(20);
        let node = NODES[0].to_owned();
        story.entries.push(Entry::Confirm { t_us: intended_us(3) + 9_000, node, order_id: id(3), status: 200, applied: Some(2) });
        assert_eq!(story.finding("duplicated").count, 1);
    }

    #[test]
    fn confirming_read_that_tells_one_application_is_no_duplicate() {
        let mut story = Story::good(20);
        let node = NODES[0].to_owned();
        story.entries.push(Entry::Confirm { t_us: intended_us(3) + 9_000, node, order_id: id(3), status: 200, applied: Some(1) });
        assert_eq!(story.finding("duplicated").verdict, Verdict::Valid);
    }

    /// Order 4 is in the stream again, so much later.
    fn published_again(message_id: &str, after_us: u64) -> Story {
        let mut story = Story::good(20);
        story.publish(4, 900, message_id);
        let Some(Entry::Published(late)) = story.entries.last_mut() else { unreachable!("it was pushed last") };
        late.stored_at = wall(intended_us(4) + 6_000 + after_us);
        story
    }

    #[test]
    fn window_of_deduplication_ends_after_two_minutes_and_holds_for_one_message_id_alone() {
        let verdict = |message_id: &str, after_us| published_again(message_id, after_us).finding("duplicated").verdict;
        assert_eq!(verdict(&message(4), 120_000_000), Verdict::Invalid);
        assert_eq!(verdict(&message(4), 120_000_001), Verdict::Valid);
        assert_eq!(verdict("other", 120_000_001), Verdict::Invalid, "the stream never takes two ids for one");
    }

    #[test]
    fn message_that_was_read_twice_is_not_twice_in_the_stream() {
        let mut story = Story::good(20);
        story.publish(4, 5, &message(4));
        assert_eq!(story.finding("duplicated").verdict, Verdict::Valid);
    }
}
