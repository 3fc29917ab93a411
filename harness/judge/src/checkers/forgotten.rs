//! Forgotten: answered as new after the order had already been acknowledged, or found under a message id that no answer
//! told: then the acknowledged message was given up, and the order taken in again. A first attempt that is answered as
//! a replay is reported: somebody retried behind our back.

use std::collections::{BTreeSet, HashSet};

use super::Desk;
use crate::case::Case;
use crate::history::{Op, Order, OrderIx, Outcome, Text};
use crate::life::lives;
use crate::numbers::many;
use crate::verdict::{Evidence, Finding};

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "forgotten";
    let case = desk.case;
    let mut wrong: Vec<OrderIx> = Vec::new();
    let mut evidence = Evidence::default();
    let mut early = Evidence::default();
    for order in case.history.orders() {
        let Some(acknowledged_us) = first_acknowledged_us(order) else {
            continue;
        };
        if is_excused(case, order) {
            continue;
        }
        let again = order.ops().iter().find(|op| is_new(op) && op.sent_us > acknowledged_us);
        let again = again.map(|op| format!("operation {} was answered as new by {}", op.number, case.history.node_name(op.node)));
        let found: Vec<String> = again.into_iter().chain(renamed(case, order)).collect();
        if !found.is_empty() {
            wrong.push(order.number);
            evidence.push(format!("{}: {}", order.id(), found.join("; ")));
        }
        if let Some(op) = replayed_first(order) {
            early.push(format!("{}: operation {} was a first attempt, and answered as a replay", order.id(), op.number));
        }
    }
    if !wrong.is_empty() {
        let orders = lives(case, wrong.iter().copied());
        let summary = format!("{} taken in again after the acknowledgement", many(wrong.len(), "order"));
        return Finding::invalid(NAME, summary).counting(wrong.len()).with(evidence).with_orders(orders);
    }
    if early.is_empty() {
        Finding::valid(NAME, "every acknowledged order was remembered")
    } else {
        let summary =
            format!("every acknowledged order was remembered; {} answered as a replay", many(early.len(), "first attempt"));
        Finding::valid(NAME, summary).with(early)
    }
}

/// Was it acknowledged first in a time that a rollback of Redis took away, and then taken in again?
pub(super) fn is_excused(case: &Case<'_>, order: Order<'_>) -> bool {
    let Some(acknowledged_us) = first_acknowledged_us(order) else {
        return false;
    };
    let ids = acknowledged(case, order);
    let again = order.ops().iter().filter(|op| is_new(op) && op.sent_us > acknowledged_us);
    let later = again.map(|op| op.sent_us).max();
    // Twice at the most: once for each time.
    ids.len() <= 2 && later.is_some_and(|sent_us| case.limits.excuses_taking_again(acknowledged_us, sent_us))
}

/// The message ids that clients were told.
fn acknowledged(case: &Case<'_>, order: Order<'_>) -> HashSet<Text> {
    let answers = order.ops().iter().filter(|op| op.outcome() == Outcome::Ok).filter_map(Op::answer);
    answers.map(|answer| case.history.answer(answer).message_id).collect()
}

fn first_acknowledged_us(order: Order<'_>) -> Option<u64> {
    let acknowledged = order.ops().iter().filter(|op| op.outcome() == Outcome::Ok);
    acknowledged.filter_map(|op| op.end).map(|end| end.t_us).min()
}

/// A trace of the order whose message id is none of those that it was acknowledged under.
fn renamed(case: &Case<'_>, order: Order<'_>) -> Option<String> {
    let history = case.history;
    let acknowledged = acknowledged(case, order);
    if acknowledged.is_empty() {
        return None;
    }
    let differs = |(_, id): &(&str, Text)| !acknowledged.contains(id);
    let record = order.records().iter().map(|record| ("its record", record.message_id)).find(differs);
    let row = || {
        let ids = order.rows().iter().map(|row| row.message_id.as_str());
        let mut untold = ids.filter(|id| acknowledged.iter().all(|told| history.text(*told) != *id));
        untold.next().map(|id| ("an outbox row", id))
    };
    let published = order.published().iter().map(|message| ("the stream", history.answer(message.answer).message_id));
    let projected = order.projected().iter().map(|entry| (history.node_name(entry.node), entry.message_id));
    let seen = order.seen().iter().map(|seen| (history.node_name(seen.node), seen.message_id));
    let mut later = published.chain(projected).chain(seen);
    let words = |(place, id)| (place, history.text(id));
    let (place, id) = record.map(words).or_else(row).or_else(|| later.find(differs).map(words))?;
    let told: BTreeSet<&str> = acknowledged.iter().map(|told| history.text(*told)).collect();
    let told: Vec<&str> = told.into_iter().collect();
    Some(format!("acknowledged as message {}, and {place} holds {id}", told.join(", ")))
}

fn is_new(op: &Op) -> bool {
    op.outcome() == Outcome::Ok && (op.status() == Some(201) || op.end.is_some_and(|end| !end.replayed))
}

/// An operation answered as a replay before any other of its order had been sent.
fn replayed_first(order: Order<'_>) -> Option<&Op> {
    let first = order.ops().iter().min_by_key(|op| op.sent_us)?;
    let end = first.end.filter(|end| end.replayed)?;
    let others = order.ops().iter().filter(|op| op.number != first.number);
    others.map(|op| op.sent_us).all(|sent_us| sent_us > end.t_us).then_some(first)
}

#[cfg(test)]
mod tests {
    use crate::history::{Answer, Entry, OpKind, Outcome, Row, RowState};
    use crate::testing::{Story, answer, id, intended_us};
    use crate::verdict::Verdict;

    #[test]
    fn order_answered_as_new_after_its_acknowledgement_is_forgotten() {
        let mut story = Story::good(20);
        story.again(100, 4, OpKind::Replay, Outcome::Ok, 201, Some(answer(4)));
        let finding = story.finding("forgotten");
        assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 1));
    }

    #[test]
    fn concurrent_attempts_of_which_either_is_the_first_are_fine() {
        let mut story = Story::good(20);
        // Sent before the first one was answered, answered as new; the first one gets the replay.
        story.invoke(100, 4, 0, OpKind::Replay, intended_us(4) + 1_000);
        story.complete(100, intended_us(4) + 4_000, Outcome::Ok, Some(201), false, Some(answer(4)));
        story.end_mut(4).status = Some(200);
        story.end_mut(4).replayed = true;
        let finding = story.finding("forgotten");
        assert_eq!((finding.verdict, finding.evidence.len()), (Verdict::Valid, 0));
    }

    #[test]
    fn first_attempt_answered_as_replay_is_reported() {
        let mut story = Story::good(20);
        story.end_mut(4).status = Some(200);
        story.end_mut(4).replayed = true;
        let finding = story.finding("forgotten");
        assert_eq!((finding.verdict, finding.evidence.len()), (Verdict::Valid, 1));
    }

    /// The places in which this order's message id is changed to `other`.
    fn rename(story: &mut Story, order: u64, places: &[&str]) {
        let order = id(order);
        for entry in &mut story.entries {
            let (place, message_id) = match entry {
                Entry::Record(record) if record.order_id == order => ("record", &mut record.message_id),
                Entry::Projection(held) if held.order_id == order => ("projection", &mut held.message_id),
                Entry::Seen(seen) if seen.order_id == order => ("feed", &mut seen.message_id),
                Entry::Published(found) if found.answer.as_ref().is_some_and(|answer| answer.order_id == order) => {
                    if let Some(answer) = found.answer.as_mut().filter(|_| places.contains(&"stream")) {
                        answer.message_id = "other".to_owned();
                    }
                    ("stream", &mut found.message_id)
                }
                _ => continue,
            };
            if places.contains(&place) {
                *message_id = "other".to_owned();
            }
        }
    }

    #[test]
    fn acknowledged_message_that_gave_way_to_another_is_forgotten() {
        let mut story = Story::good(20);
        // Accepted again under an answer that timed out; all that is left is of the second acceptance.
        story.again(100, 4, OpKind::Replay, Outcome::Ok, 200, Some(answer(4)));
        story.give_up(100);
        rename(&mut story, 4, &["record", "projection", "feed", "stream"]);
        let finding = story.finding("forgotten");
        assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 1));
        assert_eq!(finding.orders[0].order_id, id(4));
    }

    #[test]
    fn acknowledged_message_id_has_to_stand_in_every_single_place() {
        for place in ["record", "projection", "feed", "stream"] {
            let mut story = Story::good(20);
            rename(&mut story, 4, &[place]);
            assert_eq!(story.finding("forgotten").verdict, Verdict::Invalid, "{place}");
        }
    }

    #[test]
    fn order_without_an_acknowledgement_may_have_any_message_id() {
        let mut story = Story::good(20);
        story.give_up(4);
        rename(&mut story, 4, &["record", "projection", "feed", "stream"]);
        assert_eq!(story.finding("forgotten").verdict, Verdict::Valid);
    }

    #[test]
    fn acknowledgement_under_a_second_id_is_told_as_a_duplicate() {
        let mut story = Story::good(20);
        let other = Answer { message_id: "other".to_owned(), ..answer(4) };
        story.again(100, 4, OpKind::Replay, Outcome::Ok, 200, Some(other));
        assert_eq!(story.finding("forgotten").verdict, Verdict::Valid);
        assert_eq!(story.finding("duplicated").verdict, Verdict::Invalid);
    }

    #[test]
    fn attempt_that_was_sent_in_the_moment_of_the_acknowledgement_is_concurrent_with_it() {
        let sent_after = |us: u64| {
            let mut story = Story::good(20);
            // It is recorded as sent 100 us after it was meant to be.
            story.invoke(100, 4, 0, OpKind::Replay, intended_us(4) + 4_900 + us);
            story.complete(100, intended_us(4) + 9_000, Outcome::Ok, Some(201), false, Some(answer(4)));
            story.finding("forgotten").verdict
        };
        assert_eq!((sent_after(0), sent_after(1)), (Verdict::Valid, Verdict::Invalid));
    }

    #[test]
    fn answer_without_the_mark_of_a_replay_is_one_as_new() {
        let mut story = Story::good(20);
        story.again(100, 4, OpKind::Replay, Outcome::Ok, 200, Some(answer(4)));
        story.end_mut(100).replayed = false;
        assert_eq!(story.finding("forgotten").verdict, Verdict::Invalid);
    }

    #[test]
    fn outbox_row_has_to_stand_under_the_acknowledged_message_id_too() {
        let with_row = |message_id: &str| {
            let mut story = Story::good(20);
            story.entries.push(Entry::Row(Row {
                message_id: message_id.to_owned(),
                state: RowState::Pending,
                order_id: Some(id(4)),
                attempts: Some(1),
                last_error: None,
            }));
            story.finding("forgotten").verdict
        };
        assert_eq!((with_row("m-4"), with_row("other")), (Verdict::Valid, Verdict::Invalid));
    }

    #[test]
    fn first_attempt_is_told_from_one_that_ran_beside_another() {
        let other_sent_after = |us: u64| {
            let mut story = Story::good(20);
            story.end_mut(4).status = Some(200);
            story.end_mut(4).replayed = true;
            story.invoke(100, 4, 0, OpKind::Replay, intended_us(4) + 4_900 + us);
            story.complete(100, intended_us(4) + 9_000, Outcome::Ok, Some(200), true, Some(answer(4)));
            story.finding("forgotten").evidence.len()
        };
        assert_eq!((other_sent_after(0), other_sent_after(1), other_sent_after(2)), (0, 1, 1));
    }
}
