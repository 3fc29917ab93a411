//! Linearizability: the outcomes of POST, from any node, are those of one register for each order that is written once.
//!
//! The first operation that takes effect, the *creator*, writes content and message id; nothing changes them any more. So
//! an order in which all operations took effect one by one exists exactly if some creator explains all answers:
//!
//! - 201 is the creator's answer: there is one at the most, and where there is one it is the creator;
//! - 200 tells the creator's content and message, 409 tells that the creator's content is another one;
//! - whoever learnt of the order ended no earlier than the creator was sent.
//!
//! Of all operations with one content the one sent first is as good a creator as any other, so that no search is needed:
//! cost is linear in the operations, and no limit of time is needed either. The search that this replaces, which tries every order
//! with memory of what it has tried, stands in the tests and must agree with it.
//!
//! An operation without outcome may have taken effect at any time after it was sent, or never; a certain failure never does. A first
//! attempt that is answered as a replay was retried behind our back, which is reported elsewhere. GETs are no part of it:
//! each node answers from its own projection, so a 404 right after a 201 is staleness.

use std::collections::HashMap;

use super::{Desk, forgotten};
use crate::history::{History, Op, Order, Outcome, Text};
use crate::life::lives;
use crate::numbers::many;
use crate::verdict::{Evidence, Finding};

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "linearizability";
    let case = desk.case;
    let mut wrong = Vec::new();
    let mut evidence = Evidence::default();
    let mut operations = 0;
    for order in case.history.orders() {
        operations += order.ops().len();
        let Some(contradiction) = contradiction(case.history, order) else { continue };
        if forgotten::is_excused(case, order) {
            continue;
        }
        wrong.push(order.number);
        evidence.push(format!("{}: {}", order.id(), contradiction.words()));
    }
    if wrong.is_empty() {
        return Finding::valid(
            NAME,
            format!("the answers to {operations} operations fit into one order of events for each order"),
        );
    }
    let summary = format!("{} whose answers fit into no order of events", many(wrong.len(), "order"));
    let orders = lives(case, wrong.iter().copied());
    Finding::invalid(NAME, summary).counting(wrong.len()).with(evidence).with_orders(orders)
}

/// The fewest operations that cannot all have been answered so by one register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contradiction {
    /// Numbers of the operations.
    pub(crate) ops: Vec<u64>,
    why: &'static str,
}

impl Contradiction {
    fn of(why: &'static str, ops: &[&Op]) -> Self {
        Self { ops: ops.iter().map(|op| op.number).collect(), why }
    }

    pub(crate) fn words(&self) -> String {
        let numbers: Vec<String> = self.ops.iter().map(u64::to_string).collect();
        format!("{} (operation {})", self.why, numbers.join(" and "))
    }
}

/// What the operations of one order say, each kind by what decides.
#[derive(Default)]
struct Answers<'a> {
    created: Vec<&'a Op>,
    /// 200, or another answer that tells a placed order.
    told: Vec<&'a Op>,
    refused: Vec<&'a Op>,
    /// The operation that was sent first of each content that may have taken effect.
    first: HashMap<(Text, u64), &'a Op>,
}

impl<'a> Answers<'a> {
    fn of(order: Order<'a>) -> Self {
        let mut answers = Self::default();
        for op in order.ops().iter() {
            match op.outcome() {
                Outcome::Ok if op.status() == Some(201) => answers.created.push(op),
                Outcome::Ok => answers.told.push(op),
                Outcome::Fail if op.is_conflict() => answers.refused.push(op),
                // It certainly did nothing, and learnt nothing.
                Outcome::Fail => continue,
                Outcome::Info => {}
            }
            if !op.is_conflict() {
                let first = answers.first.entry(content(op)).or_insert(op);
                if op.sent_us < first.sent_us {
                    *first = op;
                }
            }
        }
        answers
    }
}

/// `None` if the answers fit.
pub(crate) fn contradiction(history: &History, order: Order<'_>) -> Option<Contradiction> {
    let answers = Answers::of(order);
    if let [one, other, ..] = answers.created.as_slice() {
        return Some(Contradiction::of("two operations were answered as new", &[one, other]));
    }
    let Some(told) = answers.created.first().or(answers.told.first()).copied() else {
        return unexplained_refusal(&answers);
    };
    let message = |op: &Op| op.answer().map(|answer| history.answer(answer).message_id);
    if let Some(other) = answers.told.iter().find(|other| content(other) != content(told) || message(other) != message(told)) {
        return Some(Contradiction::of("two operations were told of different orders", &[told, other]));
    }
    let creator = answers.created.first().copied().unwrap_or_else(|| answers.first.get(&content(told)).copied().unwrap_or(told));
    if let Some(refused) = answers.refused.iter().find(|refused| content(refused) == content(told)) {
        return Some(Contradiction::of("the same content was taken and refused as a conflict", &[told, refused]));
    }
    let early = answers.told.iter().chain(&answers.refused).find(|op| ended_us(op) < creator.sent_us);
    early.map(|early| {
        Contradiction::of("an operation learnt of the order before any was sent that can have placed it", &[early, creator])
    })
}

/// No answer tells the order: then some operation without outcome must explain all conflicts.
fn unexplained_refusal(answers: &Answers<'_>) -> Option<Contradiction> {
    let earliest = *answers.refused.iter().min_by_key(|refused| ended_us(refused))?;
    let refused: HashMap<_, &Op> = answers.refused.iter().map(|refused| (content(refused), *refused)).collect();
    let candidates = || answers.first.values().filter(|first| first.sent_us <= ended_us(earliest));
    if candidates().any(|first| !refused.contains_key(&content(first))) {
        return None;
    }
    let other = refused.values().filter(|other| content(other) != content(earliest)).min_by_key(|other| other.number);
    let why = "refused as a conflict, and no other content can have been placed";
    Some(match other.filter(|_| candidates().any(|first| content(first) != content(earliest))) {
        Some(other) => Contradiction::of(why, &[earliest, other]),
        None => Contradiction::of(why, &[earliest]),
    })
}

fn content(op: &Op) -> (Text, u64) {
    (op.customer_id, op.amount_minor)
}

fn ended_us(op: &Op) -> u64 {
    op.end.map_or(u64::MAX, |end| end.t_us)
}

#[cfg(test)]
mod tests;
