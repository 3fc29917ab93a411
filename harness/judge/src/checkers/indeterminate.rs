//! Indeterminate operations are resolved from evidence: absent, recovered or lost. What contradicts itself, or cannot be
//! seen, stays unresolved. What resolved them is counted by place.

use super::Desk;
use crate::case::Class;
use crate::fate::Fate;
use crate::life::lives;
use crate::numbers::many;
use crate::verdict::{Evidence, Finding};

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "indeterminate";
    let (mut recovered, mut absent, mut lost) = (0_u64, 0_u64, 0_u64);
    let mut unresolved = Vec::new();
    let claims = desk.case.claims.iter().zip(desk.fates).filter(|(claim, _)| claim.class == Class::Indeterminate);
    for (claim, fate) in claims {
        match fate {
            Fate::Applied => recovered += 1,
            Fate::Absent => absent += 1,
            Fate::Lost(_) | Fate::Excused(..) => lost += 1,
            Fate::Unresolved(why) | Fate::Unjudged(why) => unresolved.push((claim.order, why)),
            Fate::Refused => {}
        }
    }
    let lost_too = if lost > 0 { format!(", {lost} lost") } else { String::new() };
    let resolved = format!("{recovered} recovered, {absent} absent{lost_too}");
    let by_place = by_place(desk);
    if unresolved.is_empty() {
        return Finding::valid(NAME, format!("all indeterminate orders are resolved: {resolved}")).with(by_place);
    }
    let evidence: Evidence =
        unresolved.iter().map(|(order, why)| format!("{}: {why}", desk.case.history.order_id(*order))).collect();
    let orders = lives(desk.case, unresolved.iter().map(|(order, _)| *order));
    let summary = format!("{} unresolved; {resolved}", many(unresolved.len(), "indeterminate order"));
    Finding::unknown(NAME, summary).counting(unresolved.len()).with(evidence).with(by_place).with_orders(orders)
}

/// How many of the indeterminate orders were found in each place that tells of an order at the end.
fn by_place(desk: &Desk<'_>) -> Vec<String> {
    let history = desk.case.history;
    let mut counts =
        [("its idempotency record", 0_u64), ("its outbox row", 0), ("the stream", 0), ("a projection", 0), ("no place", 0)];
    for claim in desk.case.claims.iter().filter(|claim| claim.class == Class::Indeterminate) {
        let order = history.order(claim.order);
        let found =
            [!order.records().is_empty(), !order.rows().is_empty(), !order.published().is_empty(), !order.projected().is_empty()];
        for (count, found) in counts.iter_mut().zip(found.into_iter().chain([found == [false; 4]])) {
            count.1 += u64::from(found);
        }
    }
    counts.into_iter().filter(|(_, count)| *count > 0).map(|(place, count)| format!("{count} found in {place}")).collect()
}

#[cfg(test)]
mod tests {
    use crate::history::{Entry, OpKind, Outcome, Record, reads};
    use crate::testing::{Story, amount, customer, id, intended_us};
    use crate::verdict::Verdict;

    #[test]
    fn indeterminate_order_on_every_node_is_recovered() {
        let mut story = Story::good(20);
        story.give_up(4);
        let report = story.report();
        assert_eq!((report.verdict, report.orders.recovered, report.orders.indeterminate), (Verdict::Valid, 1, 1));
        assert_eq!(report.orders.acknowledged + report.orders.indeterminate + report.orders.failed, report.orders.attempted);
    }

    #[test]
    fn indeterminate_order_without_a_trace_is_absent() {
        let mut story = Story::good(20);
        story.give_up(4);
        story.never_published(4);
        story.no_record(4);
        let report = story.report();
        assert_eq!((report.verdict, report.orders.absent, report.orders.lost), (Verdict::Valid, 1, 0));
    }

    #[test]
    fn absence_needs_every_read() {
        for what in [reads::STREAM.to_owned(), reads::RECORDS.to_owned(), reads::OUTBOX.to_owned()] {
            let mut story = Story::good(20);
            story.give_up(4);
            story.never_published(4);
            story.no_record(4);
            story.failed_reads.insert(what, "timeout".to_owned());
            let report = story.report();
            assert_eq!((report.orders.absent, report.orders.unresolved), (0, 1));
        }
    }

    #[test]
    fn traces_of_two_contents_are_unresolved() {
        let mut story = Story::good(20);
        story.give_up(4);
        story.invoke(100, 4, 0, OpKind::Conflict, intended_us(4) + 50_000);
        story.complete(100, intended_us(4) + 2_000_000, Outcome::Info, None, false, None);
        let record = Entry::Record(Record {
            order_id: id(4),
            customer_id: customer(4),
            amount_minor: Some(amount(4) + 1),
            message_id: "m-other".to_owned(),
        });
        story.entries.push(record);
        let finding = story.finding("indeterminate");
        assert_eq!(finding.verdict, Verdict::Unknown);
    }

    #[test]
    fn conflict_given_up_beside_an_acknowledged_order_is_absent() {
        let mut story = Story::good(20);
        story.invoke(100, 4, 0, OpKind::Conflict, intended_us(4) + 50_000);
        story.complete(100, intended_us(4) + 2_000_000, Outcome::Info, None, false, None);
        let report = story.report();
        assert_eq!((report.verdict, report.orders.absent), (Verdict::Valid, 1), "{}", report.reason);
    }

    #[test]
    fn what_became_of_each_is_counted_with_the_places_that_told_it() {
        let mut story = Story::good(20);
        (4..8).for_each(|order| story.give_up(order));
        for order in [6, 7] {
            story.never_published(order);
            story.no_record(order);
        }
        let resolved = "all indeterminate orders are resolved: 2 recovered, 2 absent";
        assert_eq!(story.finding("indeterminate").summary, resolved);
        for order in [8, 9] {
            story.give_up(order);
            story.never_published(order);
        }
        let finding = story.finding("indeterminate");
        assert_eq!(finding.summary, format!("{resolved}, 2 lost"));
        let places =
            ["4 found in its idempotency record", "2 found in the stream", "2 found in a projection", "2 found in no place"];
        assert_eq!(finding.evidence, places);
    }
}
