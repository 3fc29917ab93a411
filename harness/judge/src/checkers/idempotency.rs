//! Idempotency: one order id with one content gets one answer and has one effect, whenever, wherever and how often it
//! is sent, also at once and at several nodes. Another content under the same id is refused.
//!
//! The answer is one object: what the client was told, what the stream carries and what every further answer repeats are the
//! same in every field.

use std::collections::HashMap;

use super::{Desk, forgotten};
use crate::case::{Case, Claim, Class};
use crate::history::{AnswerIx, History, Op, Order, Outcome, Text};
use crate::life::{content, lives};
use crate::numbers::many;
use crate::verdict::{Evidence, Finding};

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "idempotency";
    let case = desk.case;
    let mut wrong = Vec::new();
    let mut evidence = Evidence::default();
    let mut repeated = 0;
    for order in case.history.orders() {
        let claims = case.claims_of(order.number);
        repeated += claims.iter().map(|claim| acknowledged(case, claim).count().saturating_sub(1)).sum::<usize>();
        let found: Vec<String> = claims
            .iter()
            .filter_map(|claim| two_answers(case, claim))
            .chain(two_contents(case, claims))
            .chain(another_message(case, order))
            .collect();
        if !found.is_empty() && !forgotten::is_excused(case, order) {
            wrong.push(order.number);
            evidence.push(format!("{}: {}", order.id(), found.join("; ")));
        }
    }
    if wrong.is_empty() {
        return Finding::valid(NAME, format!("{repeated} repeated operations got the first answer and had no further effect"));
    }
    let summary = format!("{} with a second answer, a second content or a second effect", many(wrong.len(), "order"));
    let orders = lives(case, wrong.iter().copied());
    Finding::invalid(NAME, summary).counting(wrong.len()).with(evidence).with_orders(orders)
}

fn acknowledged<'a>(case: &Case<'a>, claim: &Claim) -> impl Iterator<Item = (&'a Op, AnswerIx)> {
    case.ops(claim).filter(|op| op.outcome() == Outcome::Ok).filter_map(|op| Some((op, op.answer()?)))
}

/// The first two answers to one content that differ.
fn two_answers(case: &Case<'_>, claim: &Claim) -> Option<String> {
    let mut all = acknowledged(case, claim);
    let (first, told) = all.next()?;
    let (other, again) = all.find(|(_, again)| *again != told)?;
    let node = |op: &Op| case.history.node_name(op.node);
    Some(format!(
        "operation {} at {} was told {}, operation {} at {} {}",
        first.number,
        node(first),
        words(case.history, told),
        other.number,
        node(other),
        words(case.history, again)
    ))
}

fn two_contents(case: &Case<'_>, claims: &[Claim]) -> Option<String> {
    let mut taken = claims.iter().filter(|claim| claim.class == Class::Acknowledged);
    let (one, other) = (taken.next()?, taken.next()?);
    let first = |claim: &Claim| acknowledged(case, claim).next().map_or(0, |(op, _)| op.number);
    Some(format!(
        "two contents were acknowledged: {} to operation {}, {} to operation {}",
        content(case.history.text(one.customer_id), Some(one.amount_minor)),
        first(one),
        content(case.history.text(other.customer_id), Some(other.amount_minor)),
        first(other)
    ))
}

/// A message of the stream that tells another answer than the client got under the same id.
fn another_message(case: &Case<'_>, order: Order<'_>) -> Option<String> {
    let history = case.history;
    let mut told: Option<HashMap<Text, AnswerIx>> = None;
    for message in order.published().iter() {
        let told = told.get_or_insert_with(|| {
            let answers = case.claims_of(order.number).iter().flat_map(|claim| acknowledged(case, claim));
            answers.map(|(_, answer)| (history.answer(answer).message_id, answer)).collect()
        });
        let carried = message.answer;
        if let Some(told) = told.get(&history.answer(carried).message_id).filter(|told| **told != carried) {
            let (told, carried) = (words(history, *told), words(history, carried));
            return Some(format!("the client was told {told}, sequence {} carries {carried}", message.sequence));
        }
    }
    None
}

fn words(history: &History, answer: AnswerIx) -> String {
    let answer = history.answer(answer);
    let content = content(history.text(answer.customer_id), answer.amount_minor);
    let (id, node) = (history.text(answer.message_id), history.text(answer.accepted_by));
    format!("message {id} by {node} at {}, {content}", history.wall(answer.accepted_at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::history::{Answer, Entry, OpKind, Outcome};
    use crate::testing::{Story, amount, answer, intended_us};
    use crate::verdict::Verdict;

    #[test]
    fn replays_at_other_nodes_and_at_once_get_the_first_answer() {
        let mut story = Story::good(20);
        story.again(100, 4, OpKind::Replay, Outcome::Ok, 200, Some(answer(4)));
        story.invoke(101, 4, 2, OpKind::Replay, intended_us(4) + 1_000);
        story.complete(101, intended_us(4) + 7_000, Outcome::Ok, Some(200), true, Some(answer(4)));
        let finding = story.finding("idempotency");
        assert_eq!(finding.verdict, Verdict::Valid, "{:?}", finding.evidence);
        assert!(finding.summary.starts_with("2 repeated"), "{}", finding.summary);
    }

    #[test]
    fn second_answer_is_found_in_any_field() {
        let others = [
            Answer { message_id: "other".to_owned(), ..answer(4) },
            Answer { accepted_by: "cluster-node-9".to_owned(), ..answer(4) },
            Answer { accepted_at: "2026-01-01T00:00:09Z".to_owned(), ..answer(4) },
        ];
        for other in others {
            let mut story = Story::good(20);
            story.again(100, 4, OpKind::Replay, Outcome::Ok, 200, Some(other));
            assert_eq!(story.finding("idempotency").verdict, Verdict::Invalid);
        }
    }

    #[test]
    fn second_content_that_is_acknowledged_is_found() {
        let mut story = Story::good(20);
        let other = Answer { amount_minor: Some(amount(4) + 1), ..answer(4) };
        story.again(100, 4, OpKind::Conflict, Outcome::Ok, 200, Some(other));
        let finding = story.finding("idempotency");
        assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 1));
    }

    #[test]
    fn message_that_tells_another_answer_than_the_client_got_is_found() {
        let mut story = Story::good(20);
        for entry in &mut story.entries {
            if let Entry::Published(found) = entry
                && let Some(carried) = found.answer.as_mut().filter(|carried| carried.order_id == "run-4")
            {
                carried.accepted_by = "cluster-node-9".to_owned();
            }
        }
        assert_eq!(story.finding("idempotency").verdict, Verdict::Invalid);
        story.give_up(4);
        assert_eq!(story.finding("idempotency").verdict, Verdict::Valid, "nobody was told anything else");
    }

    #[test]
    fn two_contents_are_found_though_each_has_an_answer_of_its_own() {
        let mut story = Story::good(20);
        let other = Answer { amount_minor: Some(amount(4) + 1), message_id: "other".to_owned(), ..answer(4) };
        story.again(100, 4, OpKind::Conflict, Outcome::Ok, 200, Some(other));
        let told =
            "two contents were acknowledged: run-customer-1 for 4.29 to operation 4, run-customer-1 for 4.30 to operation 100";
        assert_eq!(story.finding("idempotency").evidence, [format!("run-4: {told}")]);
    }

    #[test]
    fn two_answers_are_told_in_full() {
        let mut story = Story::good(20);
        let other = Answer { message_id: "other".to_owned(), accepted_by: "cluster-node-9".to_owned(), ..answer(4) };
        story.again(100, 4, OpKind::Replay, Outcome::Ok, 200, Some(other));
        let at = "2026-01-01T00:00:02.042Z, run-customer-1 for 4.29";
        let first = format!("operation 4 at cluster-node-2 was told message m-4 by cluster-node-2 at {at}");
        let second = format!("operation 100 at cluster-node-3 message other by cluster-node-9 at {at}");
        assert_eq!(story.finding("idempotency").evidence, [format!("run-4: {first}, {second}")]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn as_many_orders_are_found_as_were_answered_twice(kinds in prop::collection::vec(0..4_u32, 1..30)) {
            let mut story = Story::good(kinds.len() as u64);
            for (order, kind) in (0..).zip(&kinds) {
                let other = Answer { accepted_at: "2026-01-01T00:00:09Z".to_owned(), ..answer(order) };
                match kind {
                    1 => story.again(1_000 + order, order, OpKind::Replay, Outcome::Ok, 200, Some(answer(order))),
                    2 => story.again(1_000 + order, order, OpKind::Conflict, Outcome::Fail, 409, None),
                    3 => story.again(1_000 + order, order, OpKind::Replay, Outcome::Ok, 200, Some(other)),
                    _ => {}
                }
            }
            let finding = story.finding("idempotency");
            prop_assert_eq!(finding.count, kinds.iter().filter(|kind| **kind == 3).count() as u64);
        }
    }
}
