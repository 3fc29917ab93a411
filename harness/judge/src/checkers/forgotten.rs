//! Forgotten: answered as new after the order had already been acknowledged. A first attempt that is answered as a
//! replay is reported: somebody retried behind our back.

use super::Desk;
use crate::case::Case;
use crate::history::{Op, Order, Outcome};
use crate::life::lives;
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
            early.push(format!(
                "{}: operation {} was a first attempt, and answered as a replay",
                order.id, op.number
            ));
        }
    }
    if !wrong.is_empty() {
        let orders = lives(case, wrong.iter().copied());
        let summary = format!(
            "{} orders were answered as new after they had been acknowledged",
            wrong.len()
        );
        return Finding::invalid(NAME, summary)
            .counting(wrong.len())
            .with(evidence)
            .with_orders(orders);
    }
    if early.is_empty() {
        Finding::valid(NAME, "every acknowledged order was remembered")
    } else {
        let summary = format!(
            "every acknowledged order was remembered; {} first attempts were answered as replays",
            early.len()
        );
        Finding::valid(NAME, summary).with(early)
    }
}

fn ops<'a>(case: &Case<'a>, order: &'a Order) -> impl Iterator<Item = &'a Op> {
    let history = case.history;
    order.ops.iter().filter_map(move |at| history.ops.get(*at))
}

fn first_acknowledged_us(case: &Case<'_>, order: &Order) -> Option<u64> {
    let acknowledged = ops(case, order).filter(|op| op.outcome() == Outcome::Ok);
    acknowledged
        .filter_map(|op| op.end.as_ref())
        .map(|end| end.t_us)
        .min()
}

fn is_new(op: &Op) -> bool {
    op.outcome() == Outcome::Ok
        && (op.status() == Some(201) || op.end.as_ref().is_some_and(|end| !end.replayed))
}

/// An operation answered as a replay before any other of its order had been sent.
fn replayed_first<'a>(case: &Case<'a>, order: &'a Order) -> Option<&'a Op> {
    let first = ops(case, order).min_by_key(|op| op.sent_us)?;
    let end = first.end.as_ref().filter(|end| end.replayed)?;
    let others = ops(case, order).filter(|op| op.number != first.number);
    others
        .map(|op| op.sent_us)
        .all(|sent_us| sent_us > end.t_us)
        .then_some(first)
}
