//! Answers: each echoes its own request, a replay repeats the first answer, a conflict is refused and nothing else is,
//! and every status is in the contract's table. The answer that the stream carries stands under its own message id.

use std::collections::{BTreeMap, HashMap};

use super::{Desk, forgotten};
use crate::case::{Case, Claim};
use crate::history::{AnswerIx, History, Op, OrderIx, Outcome, Text};
use crate::life::lives;
use crate::numbers::many;
use crate::verdict::{Evidence, Finding};

/// Statuses that the contract knows for placing an order as we place them.
const IN_CONTRACT: [u16; 5] = [200, 201, 409, 503, 504];
/// Statuses that it has for requests that are not ours: without a key, too slow. What lies between may make ours so.
const BESIDE_CONTRACT: [u16; 3] = [401, 405, 408];

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "answers";
    let case = desk.case;
    let mut wrong: Vec<OrderIx> = Vec::new();
    let mut evidence = Evidence::default();
    for claim in &case.claims {
        let mut found: Vec<String> = case.ops(claim).filter_map(|op| bad_echo(case.history, op)).collect();
        found.extend(changed_answer(case, claim));
        if !forgotten::is_excused(case, case.history.order(claim.order)) {
            found.extend(wrong_conflict(case, claim));
        }
        if !found.is_empty() {
            wrong.push(claim.order);
            evidence.push(format!("{}: {}", case.history.order_id(claim.order), found.join("; ")));
        }
    }
    for (order, what) in mislabelled(case) {
        wrong.push(order);
        evidence.push(what);
    }
    let (foreign, odd) = odd_statuses(case);
    wrong.extend(foreign.iter().map(|op| op.order));
    evidence.extend(statuses(&foreign));
    if !wrong.is_empty() {
        wrong.sort_unstable();
        wrong.dedup();
        let summary = format!(
            "{} with an answer that is not its own, or changed, or not of the contract, or a refusal without reason",
            many(wrong.len(), "order")
        );
        let orders = lives(case, wrong.iter().copied());
        return Finding::invalid(NAME, summary).counting(wrong.len()).with(evidence).with(odd).with_orders(orders);
    }
    let answered = case.history.ops.iter().filter(|op| op.outcome() == Outcome::Ok).count();
    let mut summary = format!("all {answered} answers echo their own request");
    if !odd.is_empty() {
        summary.push_str("; some had not the form that their status demands, or one of requests that are not ours");
    }
    Finding::valid(NAME, summary).with(odd)
}

/// An answer that took an operation for done must be about this operation, and one of the two that say so.
fn bad_echo(history: &History, op: &Op) -> Option<String> {
    let end = op.end.filter(|end| end.outcome == Outcome::Ok)?;
    let Some(answer) = end.answer.map(|answer| history.answer(answer)) else {
        return Some(format!("operation {} was taken as done without an answer", op.number));
    };
    if !matches!(end.status, Some(200 | 201)) {
        return Some(format!("operation {} was taken as done by status {:?}", op.number, end.status));
    }
    let echoes = answer.customer_id == op.customer_id && answer.amount_minor == Some(op.amount_minor);
    (!echoes).then(|| {
        let customer = history.text(answer.customer_id);
        format!("the answer to operation {} tells another content: {customer} {:?}", op.number, answer.amount_minor)
    })
}

/// All answers of one claim under one message id are the same. (Several message ids are a duplicate.)
fn changed_answer(case: &Case<'_>, claim: &Claim) -> Option<String> {
    let history = case.history;
    let id = history.order_id(claim.order);
    let mut by_message: HashMap<Text, AnswerIx> = HashMap::new();
    for op in case.ops(claim).filter(|op| op.outcome() == Outcome::Ok) {
        let Some(answer) = op.answer() else { continue };
        let told = history.answer(answer);
        if history.text(told.order_id) != id {
            return Some(format!("the answer to operation {} is about {}", op.number, history.text(told.order_id)));
        }
        if *by_message.entry(told.message_id).or_insert(answer) != answer {
            return Some(format!("operation {} got another answer than the first", op.number));
        }
    }
    None
}

/// A 409 needs another content that was sent before, and never meets a content that was acknowledged before.
fn wrong_conflict(case: &Case<'_>, claim: &Claim) -> Option<String> {
    let refused: Vec<&Op> = case.ops(claim).filter(|op| op.is_conflict()).collect();
    let first = refused.first()?;
    let rivals = case.claims_of(claim.order).iter().filter(|other| *other != claim);
    let rival_sent_us = rivals.flat_map(|rival| case.ops(rival)).map(|op| op.sent_us).min();
    let ended = |op: &Op| op.end.map_or(u64::MAX, |end| end.t_us);
    if let Some(op) = refused.iter().find(|op| rival_sent_us.is_none_or(|sent_us| sent_us > ended(op))) {
        return Some(format!("operation {} was refused as a conflict, and no other content had been sent", op.number));
    }
    let acknowledged_us = case.ops(claim).filter(|op| op.outcome() == Outcome::Ok).map(ended).min()?;
    let late = refused.iter().find(|op| op.sent_us > acknowledged_us);
    late.map(|op| format!("operation {} was refused as a conflict after this very content was acknowledged", op.number)).or_else(
        || {
            // Refused first, acknowledged later: the content that it conflicted with cannot have gone away.
            let took_in = case.ops(claim).filter(|op| op.outcome() == Outcome::Ok).find(|op| op.sent_us > ended(first));
            took_in
                .map(|op| format!("operation {} was acknowledged after this content had been refused as a conflict", op.number))
        },
    )
}

/// Messages whose `Nats-Msg-Id`, by which the stream knows duplicates, is not that of the order that they carry.
fn mislabelled(case: &Case<'_>) -> Vec<(OrderIx, String)> {
    let history = case.history;
    let labels = history.published.iter().map(|message| {
        let payload = history.answer(message.answer).message_id;
        (message, history.text(message.message_id), history.text(payload))
    });
    let wrong = labels.filter(|(_, header, payload)| !header.is_empty() && !payload.is_empty() && header != payload);
    wrong
        .map(|(message, header, payload)| {
            let (id, sequence) = (history.order_id(message.order), message.sequence);
            (message.order, format!("{id}: sequence {sequence} is labelled {header} and carries message {payload}"))
        })
        .collect()
}

/// Operations whose status is none of the contract's for a well-formed order, and counts of what is only odd: statuses of
/// requests that are not ours, and answers in another form, which may have been cut off on their way.
fn odd_statuses<'a>(case: &Case<'a>) -> (Vec<&'a Op>, Vec<String>) {
    let (mut foreign, mut beside, mut misshapen) = (Vec::new(), BTreeMap::<u16, u64>::new(), 0_u64);
    for op in &case.history.ops {
        let Some(status) = op.status() else { continue };
        if BESIDE_CONTRACT.contains(&status) {
            *beside.entry(status).or_default() += 1;
        } else if !IN_CONTRACT.contains(&status) {
            foreign.push(op);
        } else if op.outcome() == Outcome::Info && status != 504 {
            misshapen += 1;
        }
    }
    let beside = beside.into_iter().map(|(status, count)| format!("status {status}: {count} times"));
    let misshapen = (misshapen > 0).then(|| format!("{misshapen} answers had not the form that their status demands"));
    (foreign, beside.chain(misshapen).collect())
}

/// A line for each status.
fn statuses(ops: &[&Op]) -> Vec<String> {
    let mut by_status: BTreeMap<u16, Vec<u64>> = BTreeMap::new();
    for op in ops {
        by_status.entry(op.status().unwrap_or(0)).or_default().push(op.number);
    }
    let line = |(status, ops): (u16, Vec<u64>)| {
        format!("status {status}: {} times, first for operation {}", ops.len(), ops.first().copied().unwrap_or(0))
    };
    by_status.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use crate::history::{Answer, Entry, OpKind, Outcome};
    use crate::testing::{Story, answer, id};
    use crate::verdict::Verdict;

    fn verdict(story: &Story) -> Verdict {
        story.finding("answers").verdict
    }

    #[test]
    fn answer_about_another_content_or_order_is_wrong() {
        let other_amount = Answer { amount_minor: Some(1), ..answer(4) };
        let inexact = Answer { amount_minor: None, ..answer(4) };
        let other_customer = Answer { customer_id: "run-customer-9".to_owned(), ..answer(4) };
        let other_order = Answer { order_id: "run-5".to_owned(), ..answer(4) };
        for wrong in [other_amount, inexact, other_customer, other_order] {
            let mut story = Story::good(10);
            story.end_mut(4).answer = Some(wrong);
            assert_eq!(verdict(&story), Verdict::Invalid);
        }
    }

    #[test]
    fn replay_that_changes_the_answer_is_wrong() {
        let mut story = Story::good(10);
        let later = Answer { accepted_by: "cluster-node-9".to_owned(), ..answer(4) };
        story.again(100, 4, OpKind::Replay, Outcome::Ok, 200, Some(later));
        assert_eq!(verdict(&story), Verdict::Invalid);
    }

    #[test]
    fn conflict_answered_with_the_first_order_is_wrong() {
        let mut story = Story::good(10);
        story.again(100, 4, OpKind::Conflict, Outcome::Ok, 200, Some(answer(4)));
        assert_eq!(verdict(&story), Verdict::Invalid);
    }

    #[test]
    fn conflict_that_came_first_may_win() {
        let mut story = Story::good(10);
        // The other content was sent while the first was under way, and was taken in; the first one was refused.
        story.invoke(100, 4, 0, OpKind::Conflict, crate::testing::intended_us(4) + 1_000);
        let won = Answer { amount_minor: Some(crate::testing::amount(4) + 1), ..answer(4) };
        story.complete(100, crate::testing::intended_us(4) + 4_000, Outcome::Ok, Some(201), false, Some(won));
        story.refuse(4, 409);
        assert_eq!(verdict(&story), Verdict::Valid);
    }

    #[test]
    fn refusal_as_conflict_without_another_content_is_wrong() {
        let mut story = Story::good(10);
        story.refuse(4, 409);
        assert_eq!(verdict(&story), Verdict::Invalid);
    }

    #[test]
    fn refusal_as_conflict_of_what_was_acknowledged_is_wrong() {
        let mut story = Story::good(10);
        story.again(100, 4, OpKind::Conflict, Outcome::Fail, 409, None);
        assert_eq!(verdict(&story), Verdict::Valid);
        story.again(101, 4, OpKind::Replay, Outcome::Fail, 409, None);
        assert_eq!(verdict(&story), Verdict::Invalid);
    }

    #[test]
    fn message_labelled_with_another_id_than_it_carries_is_wrong() {
        let mut story = Story::good(10);
        let mut label = |sequence: u64, label: &str| {
            for entry in &mut story.entries {
                if let Entry::Published(found) = entry
                    && found.sequence == sequence
                {
                    found.message_id = label.to_owned();
                }
            }
            story.finding("answers")
        };
        assert_eq!(label(5, "").verdict, Verdict::Valid, "a label that was not read tells nothing");
        let finding = label(5, "other");
        assert_eq!((finding.verdict, finding.orders[0].order_id.clone()), (Verdict::Invalid, id(4)));
    }

    #[test]
    fn status_outside_the_contract_is_wrong() {
        for (status, outcome) in [(500, Outcome::Info), (404, Outcome::Info), (302, Outcome::Info), (422, Outcome::Fail)] {
            let mut story = Story::good(10);
            story.give_up(4);
            story.end_mut(4).status = Some(status);
            story.end_mut(4).outcome = outcome;
            let finding = story.finding("answers");
            assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 1), "{status}");
            assert_eq!(finding.evidence, [format!("status {status}: 1 times, first for operation 4")]);
        }
    }

    #[test]
    fn statuses_of_the_contract_and_answers_that_were_cut_off_are_no_fault() {
        for status in [503, 504, 401, 408] {
            let mut story = Story::good(10);
            story.give_up(4);
            story.end_mut(4).status = Some(status);
            assert_eq!(story.finding("answers").verdict, Verdict::Valid, "{status}");
        }
        let mut beside = Story::good(10);
        for order in [4, 5] {
            beside.give_up(order);
            beside.end_mut(order).status = Some(401);
        }
        assert_eq!(beside.finding("answers").evidence, ["status 401: 2 times"]);
        let mut story = Story::good(10);
        story.give_up(5);
        story.end_mut(5).status = Some(201);
        story.give_up(6);
        story.end_mut(6).status = Some(200);
        let finding = story.finding("answers");
        assert_eq!(finding.verdict, Verdict::Valid);
        assert_eq!(finding.evidence, ["2 answers had not the form that their status demands"]);
        assert!(finding.summary.starts_with("all 8 answers echo their own request; some had not"), "{}", finding.summary);
        assert_eq!(Story::good(10).finding("answers").summary, "all 10 answers echo their own request");
    }

    #[test]
    fn refusal_as_conflict_with_what_was_sent_only_later_is_wrong() {
        let sent_after_the_refusal = |us: u64| {
            let mut story = Story::good(10);
            story.refuse(4, 409);
            let won = Answer { amount_minor: Some(crate::testing::amount(4) + 1), ..answer(4) };
            // Recorded as sent 100 us after it was meant to be.
            story.invoke(100, 4, 1, OpKind::Conflict, crate::testing::intended_us(4) + 4_900 + us);
            story.complete(100, crate::testing::intended_us(4) + 9_000, Outcome::Ok, Some(201), false, Some(won));
            verdict(&story)
        };
        assert_eq!((sent_after_the_refusal(0), sent_after_the_refusal(1)), (Verdict::Valid, Verdict::Invalid));
    }

    #[test]
    fn content_is_refused_as_a_conflict_at_most_in_the_moment_of_its_acknowledgement() {
        use crate::testing::intended_us;
        let sent_after_the_acknowledgement = |us: u64| {
            let mut story = Story::good(10);
            // Another content, of which nobody knows what became.
            story.invoke(100, 4, 0, OpKind::Conflict, intended_us(4) - 1_000);
            story.invoke(101, 4, 1, OpKind::Replay, intended_us(4) + 4_900 + us);
            story.complete(101, intended_us(4) + 9_000, Outcome::Fail, Some(409), false, None);
            verdict(&story)
        };
        assert_eq!((sent_after_the_acknowledgement(0), sent_after_the_acknowledgement(1)), (Verdict::Valid, Verdict::Invalid));
    }

    #[test]
    fn content_that_was_refused_as_a_conflict_is_never_acknowledged_later() {
        use crate::testing::intended_us;
        let sent_at = |us: u64| {
            let mut story = Story::good(10);
            // Another content, sent first; nobody knows what became of it.
            story.invoke(100, 4, 0, OpKind::Conflict, intended_us(4) - 1_000);
            story.refuse(4, 409);
            story.invoke(101, 4, 1, OpKind::Replay, intended_us(4) + us - 100);
            story.complete(101, intended_us(4) + 9_000, Outcome::Ok, Some(201), false, Some(answer(4)));
            verdict(&story)
        };
        assert_eq!((sent_at(4_000), sent_at(5_000)), (Verdict::Valid, Verdict::Valid), "they were under way at once");
        assert_eq!(sent_at(5_001), Verdict::Invalid);
    }
}
