//! Vanished: seen on a node's feed, and later not in that node's projection.
//!
//! What a node took back because a fault had set its store back may be away for a while. It was in the stream when it was
//! shown, so it comes again: in the final projection it has to be.

use super::Desk;
use crate::history::OrderIx;
use crate::life::lives;
use crate::numbers::many;
use crate::verdict::{Evidence, Finding};

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "vanished";
    let case = desk.case;
    let history = case.history;
    let mut wrong: Vec<OrderIx> = Vec::new();
    let mut evidence = Evidence::default();
    for confirm in history.confirms.iter().filter(|confirm| confirm.status == 404) {
        let mut shown = history.order(confirm.order).seen().numbered();
        if shown.any(|(at, seen)| seen.node == confirm.node && case.resets.is_void(at)) {
            continue;
        }
        wrong.push(confirm.order);
        let id = history.order_id(confirm.order);
        evidence.push(format!("{id}: on the feed of {0}, then 404 on {0}", history.node_name(confirm.node)));
    }
    let final_reads_us = case.final_reads_us();
    for seen in history.seen.iter().filter(|seen| seen.t_us < final_reads_us && case.has_projection(seen.node)) {
        if !case.projected(seen.order).any(|entry| entry.node == seen.node && entry.applied > 0) {
            wrong.push(seen.order);
            let id = history.order_id(seen.order);
            evidence.push(format!("{id}: on the feed of {0}, not in the final projection of {0}", history.node_name(seen.node)));
        }
    }
    if wrong.is_empty() {
        return Finding::valid(NAME, "everything that a feed showed stayed");
    }
    wrong.sort_unstable();
    wrong.dedup();
    let orders = lives(case, wrong.iter().copied());
    let summary = format!("{} seen on a node and gone later", many(wrong.len(), "order"));
    Finding::invalid(NAME, summary).counting(wrong.len()).with(evidence).with_orders(orders)
}

#[cfg(test)]
mod tests {
    use crate::history::{Entry, reads};
    use crate::testing::{NODES, Story, id, intended_us};
    use crate::verdict::Verdict;

    fn confirm(status: u16) -> Entry {
        let node = NODES[0].to_owned();
        Entry::Confirm { t_us: intended_us(3) + 9_000, node, order_id: id(3), status, applied: None }
    }

    #[test]
    fn confirmed_order_stayed_and_a_busy_node_denies_nothing() {
        let mut story = Story::good(20);
        story.entries.push(confirm(200));
        story.entries.push(confirm(503));
        assert_eq!(story.finding("vanished").verdict, Verdict::Valid);
    }

    #[test]
    fn order_on_the_feed_and_then_not_found_has_vanished() {
        let mut story = Story::good(20);
        story.entries.push(confirm(404));
        let finding = story.finding("vanished");
        assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 1));
    }

    #[test]
    fn order_on_the_feed_and_not_in_the_final_projection_has_vanished() {
        let mut story = Story::good(20);
        story.remove(|entry| matches!(entry, Entry::Projection(held) if held.order_id == id(3) && held.node == NODES[2]));
        assert_eq!(story.finding("vanished").count, 1);
        story.failed_reads.insert(reads::projection(NODES[2]), "timeout".to_owned());
        assert_eq!(story.finding("vanished").verdict, Verdict::Valid, "a projection that was not read denies nothing");
    }

    #[test]
    fn sight_of_an_order_that_the_projection_lists_and_has_not_applied_has_vanished() {
        let mut story = Story::good(20);
        story.projection_mut(2, 3).applied = 0;
        assert_eq!(story.finding("vanished").count, 1);
    }

    #[test]
    fn sight_that_is_no_older_than_the_final_reads_may_be_newer_than_the_projection() {
        let mut story = Story::good(20);
        story.forget_on(&[2], 3);
        let reads_us = story.quiescence.as_ref().expect("it has one").t_us;
        let mut before = story.clone();
        story.see(2, 3, 4, reads_us);
        assert_eq!(story.finding("vanished").verdict, Verdict::Valid);
        before.see(2, 3, 4, reads_us - 1);
        assert_eq!(before.finding("vanished").verdict, Verdict::Invalid);
    }
}
