//! Contradictions: the places in which an order was found at the end tell one message and one content.
//!
//! Where a client was told of the order, other traces are wrong and judged as such. Where nobody was, it cannot be told
//! which place is right: the order may have been taken in twice, and the run proves nothing. A scenario that lets a fault
//! destroy what was promised makes such traces itself.

use std::collections::BTreeMap;

use super::Desk;
use crate::case::{Case, Class};
use crate::history::{Order, Text, reads};
use crate::life::{content, lives};
use crate::numbers::many;
use crate::verdict::{Evidence, Finding};

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "contradictions";
    let case = desk.case;
    if case.plan.durability_limit {
        return Finding::valid(NAME, "not looked for: the scenario lets a fault destroy what was promised");
    }
    let mut open = Vec::new();
    let mut evidence = Evidence::default();
    for order in case.history.orders() {
        let told = case.claims_of(order.number).iter().any(|claim| claim.class == Class::Acknowledged);
        let Some(found) = (!told).then(|| differing(case, order)).flatten() else { continue };
        open.push(order.number);
        evidence.push(format!("{}: {found}", order.id()));
    }
    if open.is_empty() {
        return Finding::valid(NAME, "all traces of an order tell the same");
    }
    let summary = format!("{} that nobody was told of, and whose traces contradict each other", many(open.len(), "order"));
    let orders = lives(case, open.iter().copied());
    Finding::unknown(NAME, summary).counting(open.len()).with(evidence).with_orders(orders)
}

/// Two places of one order that tell different messages or contents.
fn differing(case: &Case<'_>, order: Order<'_>) -> Option<String> {
    let history = case.history;
    let mut messages: BTreeMap<&str, String> = BTreeMap::new();
    let mut contents: BTreeMap<(&str, Option<u64>), String> = BTreeMap::new();
    let told = |customer: Text, amount_minor| (history.text(customer), amount_minor);
    for record in order.records().iter() {
        messages.entry(history.text(record.message_id)).or_insert_with(|| reads::RECORDS.to_owned());
        contents.entry(told(record.customer_id, record.amount_minor)).or_insert_with(|| reads::RECORDS.to_owned());
    }
    for message in order.published().iter() {
        let answer = history.answer(message.answer);
        messages.entry(history.text(answer.message_id)).or_insert_with(|| reads::STREAM.to_owned());
        contents.entry(told(answer.customer_id, answer.amount_minor)).or_insert_with(|| reads::STREAM.to_owned());
    }
    for entry in order.projected().iter() {
        let place = || reads::projection(history.node_name(entry.node));
        messages.entry(history.text(entry.message_id)).or_insert_with(place);
        contents.entry(told(entry.customer_id, entry.amount_minor)).or_insert_with(place);
    }
    for row in order.rows().iter() {
        messages.entry(&row.message_id).or_insert_with(|| reads::OUTBOX.to_owned());
    }
    let two = |told: Vec<String>| (told.len() > 1).then(|| told.join(", "));
    let of_contents = contents.iter().map(|((customer, amount), place)| format!("{place} tells {}", content(customer, *amount)));
    two(messages.iter().map(|(id, place)| format!("{place} tells message {id}")).collect()).or_else(|| two(of_contents.collect()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::testing::{Story, id};
    use crate::verdict::Verdict;

    #[test]
    fn traces_of_two_messages_that_nobody_was_told_of_prove_nothing() {
        let mut story = Story::good(20);
        story.projection_mut(1, 4).message_id = "other".to_owned();
        assert_eq!(story.finding("contradictions").verdict, Verdict::Valid, "it was acknowledged, and is judged as forgotten");
        story.give_up(4);
        let finding = story.finding("contradictions");
        assert_eq!((finding.verdict, finding.count), (Verdict::Unknown, 1));
        let told = format!("{}: records tells message m-4, projection cluster-node-2 tells message other", id(4));
        assert_eq!(finding.evidence, [told]);
        story.plan.durability_limit = true;
        assert_eq!(story.finding("contradictions").verdict, Verdict::Valid);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn as_many_are_found_as_were_made(spoilt in prop::collection::vec(0..3_u8, 1..30)) {
            let mut story = Story::good(spoilt.len() as u64);
            for (order, how) in (0..).zip(&spoilt) {
                story.give_up(order);
                match how {
                    1 => story.projection_mut(2, order).message_id = "other".to_owned(),
                    2 => story.projection_mut(0, order).amount_minor = Some(7),
                    _ => {}
                }
            }
            prop_assert_eq!(story.finding("contradictions").count, spoilt.iter().filter(|how| **how > 0).count() as u64);
        }
    }
}
