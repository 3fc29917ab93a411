//! Forgotten: answered as new after the order had already been acknowledged. A first attempt that is answered as a
//! replay is reported: somebody retried behind our back.

use super::Desk;
use crate::case::Case;
use crate::history::{Op, Order, Outcome};
use crate::life::lives;
use crate::numbers::many;
use crate::verdict::Finding;

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "forgotten";
    let case = desk.case;
    let mut wrong: Vec<usize> = Vec::new();
    let mut evidence = Vec::new();
    let mut early = Vec::new();
    for (number, order) in case.history.orders.iter().enumerate() {
        let Some(acknowledged_us) = first_acknowledged_us(case, order) else {
            continue;
        };
        let again = ops(case, order).find(|op| is_new(op) && op.sent_us > acknowledged_us);
        if let Some(op) = again {
            wrong.push(number);
            evidence.push(format!(
                "{}: operation {} was answered as new by {}",
                order.id,
                op.number,
                case.history.node_name(op.node)
            ));
        }
        if let Some(op) = replayed_first(case, order) {
            early.push(format!("{}: operation {} was a first attempt, and answered as a replay", order.id, op.number));
        }
    }
    if !wrong.is_empty() {
        let orders = lives(case, wrong.iter().copied());
        let summary = format!("{} answered as new after the acknowledgement", many(wrong.len(), "order"));
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

fn ops<'a>(case: &Case<'a>, order: &'a Order) -> impl Iterator<Item = &'a Op> {
    let history = case.history;
    order.ops.iter().filter_map(move |at| history.ops.get(*at))
}

fn first_acknowledged_us(case: &Case<'_>, order: &Order) -> Option<u64> {
    let acknowledged = ops(case, order).filter(|op| op.outcome() == Outcome::Ok);
    acknowledged.filter_map(|op| op.end.as_ref()).map(|end| end.t_us).min()
}

fn is_new(op: &Op) -> bool {
    op.outcome() == Outcome::Ok && (op.status() == Some(201) || op.end.as_ref().is_some_and(|end| !end.replayed))
}

/// An operation answered as a replay before any other of its order had been sent.
fn replayed_first<'a>(case: &Case<'a>, order: &'a Order) -> Option<&'a Op> {
    let first = ops(case, order).min_by_key(|op| op.sent_us)?;
    let end = first.end.as_ref().filter(|end| end.replayed)?;
    let others = ops(case, order).filter(|op| op.number != first.number);
    others.map(|op| op.sent_us).all(|sent_us| sent_us > end.t_us).then_some(first)
}

#[cfg(test)]
mod tests {
    use crate::history::{OpKind, Outcome};
    use crate::testing::{Story, answer, intended_us};
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
}
