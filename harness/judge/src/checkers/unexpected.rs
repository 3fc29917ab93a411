//! Unexpected: published or applied, and none of its operations ended `ok` or `info`, or there was none at all. A
//! changed amount or customer makes another claim, and so an unexpected one.

use std::collections::BTreeMap;

use super::Desk;
use crate::case::{Case, Claim, Class};
use crate::history::OrderIx;
use crate::life::lives;
use crate::numbers::many;
use crate::verdict::{Evidence, Finding};

/// An order's content as some store holds it, or `None` where the store tells only its id.
type Content<'a> = Option<(&'a str, Option<u64>)>;

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "unexpected";
    let case = desk.case;
    let history = case.history;
    let mut wrong: Vec<OrderIx> = Vec::new();
    let mut evidence = Evidence::default();
    let mut count = 0;
    for order in history.orders() {
        let mut effects: BTreeMap<Content<'_>, String> = BTreeMap::new();
        for message in order.published().iter() {
            let answer = history.answer(message.answer);
            let content = Some((history.text(answer.customer_id), answer.amount_minor));
            effects.entry(content).or_insert_with(|| format!("published as sequence {}", message.sequence));
        }
        for entry in order.projected().iter().filter(|entry| entry.applied > 0) {
            let content = Some((history.text(entry.customer_id), entry.amount_minor));
            effects.entry(content).or_insert_with(|| format!("applied on {}", history.node_name(entry.node)));
        }
        // A feed tells no content; where nothing else tells it, the sight still is an effect.
        if let Some(seen) = order.seen().first()
            && effects.is_empty()
        {
            effects.insert(None, format!("seen on {}", history.node_name(seen.node)));
        }
        let unexpected: Vec<String> = effects
            .iter()
            .filter_map(|(content, effect)| why(case, order.number, *content).map(|why| format!("{effect}, {why}")))
            .collect();
        if !unexpected.is_empty() {
            count += unexpected.len();
            wrong.push(order.number);
            evidence.push(format!("{}: {}", order.id(), unexpected.join("; ")));
        }
    }
    if wrong.is_empty() {
        return Finding::valid(NAME, "nothing took effect that was not asked for, or that was refused");
    }
    let orders = lives(case, wrong.iter().copied());
    let summary = format!("{} in effect although refused, changed, or never attempted", many(wrong.len(), "order"));
    Finding::invalid(NAME, summary).counting(count).with(evidence).with_orders(orders)
}

/// Why an effect is unexpected, if it is.
fn why(case: &Case<'_>, order: OrderIx, content: Content<'_>) -> Option<&'static str> {
    let claims = case.claims_of(order);
    if claims.is_empty() {
        return Some("never attempted");
    }
    let Some((customer_id, amount_minor)) = content else {
        let all_failed = claims.iter().all(|claim| claim.class == Class::Failed);
        return all_failed.then_some("though every operation certainly failed");
    };
    let is_same =
        |claim: &&Claim| case.history.text(claim.customer_id) == customer_id && Some(claim.amount_minor) == amount_minor;
    match claims.iter().find(is_same) {
        None => Some("with a content that nobody sent"),
        Some(claim) if claim.class == Class::Failed => Some("though every operation with this content certainly failed"),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::history::{Entry, OpKind, Outcome};
    use crate::testing::{Story, id};
    use crate::verdict::Verdict;

    #[test]
    fn refused_conflict_that_left_nothing_is_expected() {
        let mut story = Story::good(20);
        story.again(100, 4, OpKind::Conflict, Outcome::Fail, 409, None);
        let report = story.report();
        assert_eq!((report.verdict, report.orders.failed, report.orders.conflicts), (Verdict::Valid, 1, 1), "{}", report.reason);
    }

    #[test]
    fn order_applied_though_it_was_refused_is_unexpected() {
        let mut story = Story::good(20);
        story.refuse(9, 503);
        let finding = story.finding("unexpected");
        assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 1));
        assert_eq!(finding.orders[0].order_id, id(9));
    }

    #[test]
    fn order_that_may_have_taken_effect_is_expected() {
        let mut story = Story::good(20);
        story.give_up(9);
        assert_eq!(story.finding("unexpected").verdict, Verdict::Valid);
        story.remove(|entry| matches!(entry, Entry::Complete(end) if end.op == 9));
        assert_eq!(story.finding("unexpected").verdict, Verdict::Valid, "an operation without an end is info");
    }

    #[test]
    fn order_of_this_run_that_nobody_attempted_is_unexpected() {
        let mut story = Story::good(20);
        story.project(0, 777, 1);
        assert_eq!(story.finding("unexpected").count, 1);
    }

    #[test]
    fn orders_of_another_run_are_counted_and_ignored() {
        let mut story = Story::good(20);
        story.project(0, 777, 1);
        if let Some(Entry::Projection(held)) = story.entries.last_mut() {
            held.order_id = "earlier-777".to_owned();
            held.customer_id = "earlier-customer-1".to_owned();
        }
        story.ledger.insert((crate::testing::NODES[0].to_owned(), "earlier-customer-1".to_owned()), (1, Some(5)));
        let report = story.report();
        assert_eq!((report.verdict, report.run.foreign), (Verdict::Valid, 2), "{}", report.reason);
    }

    #[test]
    fn changed_or_inexact_amount_is_unexpected() {
        for amount in [Some(1), None] {
            let mut story = Story::good(20);
            story.projection_mut(1, 4).amount_minor = amount;
            assert_eq!(story.finding("unexpected").count, 1);
        }
    }

    #[test]
    fn refused_order_that_a_node_lists_and_has_not_applied_is_no_effect() {
        let mut story = Story::good(20);
        story.refuse(9, 503);
        story.never_published(9);
        story.no_record(9);
        story.project(0, 9, 0);
        assert_eq!(story.finding("unexpected").verdict, Verdict::Valid);
    }

    #[test]
    fn sight_alone_is_an_effect_of_a_refused_order_and_expected_of_another() {
        let mut story = Story::good(20);
        story.never_published(9);
        story.see(0, 9, 10, crate::testing::intended_us(9) + 8_000);
        assert_eq!(story.finding("unexpected").verdict, Verdict::Valid);
        story.refuse(9, 503);
        assert_eq!(
            story.finding("unexpected").evidence,
            ["run-9: seen on cluster-node-1, though every operation certainly failed"]
        );
    }
}
