use std::collections::HashSet;

use proptest::prelude::*;

use super::contradiction;
use crate::history::{Answer, History, OpKind, Outcome};
use crate::testing::{Story, answer, intended_us};
use crate::verdict::Verdict;

/// How one operation on order 0 went.
#[derive(Debug, Clone, Copy)]
struct Turn {
    sent: u64,
    took: u64,
    /// Of the content, 0 to 2.
    content: u64,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Created(u8),
    Replayed(u8),
    Refused,
    Failed,
    Unknown,
}

fn history(turns: &[Turn]) -> History {
    let mut story = Story::good(0);
    for (number, turn) in (0..).zip(turns) {
        story.invoke(number, 0, number, OpKind::Place, intended_us(turn.sent));
        let Some(crate::history::Entry::Invoke(invoke)) = story.entries.last_mut() else { unreachable!("it was pushed") };
        invoke.amount_minor = 100 + turn.content;
        let told = |message: u8| {
            Some(Answer { amount_minor: Some(100 + turn.content), message_id: format!("m-{message}"), ..answer(0) })
        };
        let (outcome, status, answer) = match turn.end {
            End::Created(message) => (Outcome::Ok, Some(201), told(message)),
            End::Replayed(message) => (Outcome::Ok, Some(200), told(message)),
            End::Refused => (Outcome::Fail, Some(409), None),
            End::Failed => (Outcome::Fail, Some(503), None),
            End::Unknown => (Outcome::Info, None, None),
        };
        let at_us = intended_us(turn.sent + turn.took) + 500;
        story.complete(number, at_us, outcome, status, status == Some(200), answer);
    }
    story.history()
}

/// What the register holds: content and message, the message unknown while only an unanswered operation wrote it.
type Register = Option<(u64, Option<u8>)>;

/// Tries every order in which the operations can have taken effect, one by one, and remembers what it has tried.
fn some_order_exists(turns: &[Turn]) -> bool {
    let live: Vec<Turn> = turns.iter().copied().filter(|turn| turn.end != End::Failed).collect();
    search(&live, 0, None, &mut HashSet::new())
}

fn search(turns: &[Turn], done: u32, register: Register, tried: &mut HashSet<(u32, Register)>) -> bool {
    if !tried.insert((done, register)) {
        return false;
    }
    let open = |number: usize| done & (1 << number) == 0;
    let must = |turn: &Turn| turn.end != End::Unknown;
    if turns.iter().enumerate().all(|(number, turn)| !open(number) || !must(turn)) {
        return true;
    }
    // None may take effect before one that has ended already has.
    let first_end = turns
        .iter()
        .enumerate()
        .filter(|(number, turn)| open(*number) && must(turn))
        .map(|(_, turn)| turn.sent + turn.took)
        .min();
    turns
        .iter()
        .enumerate()
        .filter(|(number, turn)| open(*number) && Some(turn.sent) <= first_end)
        .any(|(number, turn)| step(register, turn).into_iter().any(|next| search(turns, done | (1 << number), next, tried)))
}

fn step(register: Register, turn: &Turn) -> Option<Register> {
    match (turn.end, register) {
        (End::Created(message) | End::Replayed(message), None) => Some(Some((turn.content, Some(message)))),
        (End::Replayed(message), Some((content, held))) => {
            (content == turn.content && held.is_none_or(|held| held == message)).then_some(Some((content, Some(message))))
        }
        (End::Refused, Some((content, _))) => (content != turn.content).then_some(register),
        (End::Unknown, None) => Some(Some((turn.content, None))),
        (End::Unknown, held) => Some(held),
        (End::Created(_), Some(_)) | (End::Refused, None) | (End::Failed, _) => None,
    }
}

fn turn() -> impl Strategy<Value = Turn> {
    let end = prop_oneof![
        2 => (0..2_u8).prop_map(End::Created),
        4 => (0..2_u8).prop_map(End::Replayed),
        3 => Just(End::Refused),
        1 => Just(End::Failed),
        3 => Just(End::Unknown),
    ];
    (0..12_u64, 0..6_u64, 0..3_u64, end).prop_map(|(sent, took, content, end)| Turn { sent, took, content, end })
}

/// What one register really answers, to operations that take effect at a moment of their own.
fn served(plans: &[(u64, u64, u64, u64, bool)]) -> Vec<Turn> {
    let mut order: Vec<usize> = (0..plans.len()).collect();
    let at = |number: &usize| plans[*number].0 * 10 + plans[*number].1.min(plans[*number].2) * 10;
    order.sort_by_key(at);
    let mut held: Option<u64> = None;
    let mut turns: Vec<Option<Turn>> = vec![None; plans.len()];
    for number in order {
        let (sent, _, took, content, is_told) = plans[number];
        let end = match held {
            None => End::Created(0),
            Some(held) if held == content => End::Replayed(0),
            Some(_) => End::Refused,
        };
        held = held.or(Some(content));
        turns[number] = Some(Turn { sent, took, content, end: if is_told { end } else { End::Unknown } });
    }
    turns.into_iter().flatten().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_search_through_all_orders_agrees(turns in prop::collection::vec(turn(), 1..7)) {
        let history = history(&turns);
        let found = contradiction(&history, history.order(0));
        prop_assert_eq!(found.is_none(), some_order_exists(&turns), "{:?}", found);
    }

    #[test]
    fn what_one_register_answers_fits(
        plans in prop::collection::vec((0..30_u64, 0..6_u64, 0..6_u64, 0..3_u64, any::<bool>()), 1..20),
    ) {
        let history = history(&served(&plans));
        prop_assert_eq!(contradiction(&history, history.order(0)), None);
    }
}

#[test]
fn two_nodes_that_both_take_an_order_as_new_are_found() {
    let mut story = Story::good(20);
    story.invoke(100, 4, 1, OpKind::Replay, intended_us(4) + 1_000);
    story.complete(100, intended_us(4) + 4_000, Outcome::Ok, Some(201), false, Some(answer(4)));
    let finding = story.finding("linearizability");
    assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 1));
    assert_eq!(finding.evidence, ["run-4: two operations were answered as new (operation 4 and 100)"]);
}

#[test]
fn replay_that_ended_before_its_order_was_sent_is_found() {
    let mut story = Story::good(20);
    story.invoke(100, 4, 1, OpKind::Replay, intended_us(3));
    story.complete(100, intended_us(3) + 4_000, Outcome::Ok, Some(200), true, Some(answer(4)));
    assert_eq!(story.finding("linearizability").verdict, Verdict::Invalid);
}

#[test]
fn concurrent_operations_and_lost_answers_fit() {
    let mut story = Story::good(20);
    story.again(100, 4, OpKind::Replay, Outcome::Ok, 200, Some(answer(4)));
    story.again(101, 5, OpKind::Conflict, Outcome::Fail, 409, None);
    story.give_up(5);
    story.again(102, 6, OpKind::Replay, Outcome::Fail, 503, None);
    let finding = story.finding("linearizability");
    assert_eq!(finding.verdict, Verdict::Valid);
    assert!(finding.summary.starts_with("the answers to 23 operations fit"), "{}", finding.summary);
}

#[test]
fn replay_that_ended_in_the_moment_in_which_its_order_was_sent_fits() {
    let ended_at = |us: u64| {
        let mut story = Story::good(20);
        story.invoke(100, 4, 1, OpKind::Replay, intended_us(3));
        // An order is recorded as sent 100 us after it was meant to be.
        story.complete(100, intended_us(4) + us, Outcome::Ok, Some(200), true, Some(answer(4)));
        story.finding("linearizability").verdict
    };
    assert_eq!((ended_at(100), ended_at(99)), (Verdict::Valid, Verdict::Invalid));
}

#[test]
fn two_contents_that_were_refused_for_each_other_are_both_named() {
    let mut story = Story::good(20);
    story.refuse(4, 409);
    // Of the other content one operation may have taken effect, and a later one was refused.
    story.invoke(100, 4, 1, OpKind::Conflict, intended_us(4));
    story.again(101, 4, OpKind::Conflict, Outcome::Fail, 409, None);
    let why = "run-4: refused as a conflict, and no other content can have been placed";
    assert_eq!(story.finding("linearizability").evidence, [format!("{why} (operation 4 and 101)")]);
    story.remove(|entry| matches!(entry, crate::history::Entry::Invoke(invoke) if invoke.op == 100));
    assert_eq!(story.finding("linearizability").evidence, [format!("{why} (operation 4)")]);
}
