//! Read back: an order that a node shows is the one that was answered and published, applied once, and it stays. A node that
//! does not know an acknowledged order yet is behind, which is allowed: it is counted as a stale read, and told with the longest
//! of them.
//!
//! What a fault had set back, a node may deny for a while: where one struck Redis or destroyed what lies below, a node that
//! goes back on its word is told and not held against it. The final projections have the last word then.

use std::collections::BTreeMap;

use super::Desk;
use crate::case::Case;
use crate::history::{AnswerIx, NodeIx, Op, Order, OrderIx, Outcome, ReadBack};
use crate::life::{content, lives};
use crate::numbers::many;
use crate::verdict::{Evidence, Finding};

/// Statuses that the contract knows for reading an order; those beside it are of requests without a key or too slow.
const IN_CONTRACT: [u16; 6] = [200, 404, 503, 401, 405, 408];
/// The service that all projections are kept in.
const STORE: &str = "redis";

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "read_back";
    let case = desk.case;
    if case.history.read_back.is_empty() {
        return Finding::valid(NAME, "no order was read back");
    }
    let was_set_back = may_be_set_back(case);
    let mut wrong: Vec<OrderIx> = Vec::new();
    let (mut evidence, mut denied) = (Evidence::default(), Evidence::default());
    for order in case.history.orders().filter(|order| !order.read_back().is_empty()) {
        let mut found: Vec<String> = order.read_back().iter().filter_map(|read| misread(case, order, read)).collect();
        match gone(case, order) {
            Some(what) if was_set_back => denied.push(format!("{}: {what}", order.id())),
            gone => found.extend(gone),
        }
        if !found.is_empty() {
            wrong.push(order.number);
            evidence.push(format!("{}: {}", order.id(), found.join("; ")));
        }
    }
    if !wrong.is_empty() {
        let summary = format!("{} read back wrongly", many(wrong.len(), "order"));
        let orders = lives(case, wrong.iter().copied());
        return Finding::invalid(NAME, summary).counting(wrong.len()).with(evidence).with_orders(orders);
    }
    Finding::valid(NAME, told(case)).with(denied)
}

fn told(case: &Case<'_>) -> String {
    let answered = case.history.read_back.iter().filter(|read| read.is_answered()).count();
    let (mut stale_reads, mut latest_us) = (0_usize, 0);
    for us in stale(case) {
        stale_reads += 1;
        latest_us = us.max(latest_us);
    }
    let behind_ms = latest_us as f64 / 1_000.0;
    let stale = match stale_reads {
        0 => "none of them stale".to_owned(),
        some => format!("{some} of them stale, the latest {behind_ms:.1} ms after the acknowledgement"),
    };
    format!("{} answered, {stale}", many(answered, "read"))
}

/// For every read that did not find an order which had been acknowledged before it was sent: so long before, in microseconds.
pub(crate) fn stale<'a>(case: &'a Case<'_>) -> impl Iterator<Item = u64> + 'a {
    case.history.orders().flat_map(|order| {
        let acknowledged = order.ops().iter().filter(|op| op.outcome() == Outcome::Ok);
        let from_us = acknowledged.filter_map(|op| op.end).map(|end| end.t_us).min();
        let denials = order.read_back().iter().filter(|read| read.is_not_found());
        denials.filter_map(move |read| read.sent_us.checked_sub(from_us?))
    })
}

/// Everything is told that one answer alone shows.
fn misread(case: &Case<'_>, order: Order<'_>, read: &ReadBack) -> Option<String> {
    let history = case.history;
    let (number, node) = (read.number, history.node_name(read.node));
    if let Some(status) = read.status().filter(|status| !IN_CONTRACT.contains(status)) {
        return Some(format!("read {number} at {node} was answered {status}"));
    }
    let (answer, end) = (read.found()?, read.end?);
    let found = history.answer(answer);
    if history.text(found.order_id) != order.id() {
        return Some(format!("read {number} at {node} was answered with {}", history.text(found.order_id)));
    }
    let sent_before = |op: &&Op| op.sent_us <= end.t_us;
    let mut ops = order.ops().iter().filter(sent_before).peekable();
    if ops.peek().is_none() {
        return Some(format!("{node} showed it to read {number} before anybody had sent it"));
    }
    if !ops.any(|op| op.customer_id == found.customer_id && Some(op.amount_minor) == found.amount_minor) {
        let shown = content(history.text(found.customer_id), found.amount_minor);
        return Some(format!("read {number} at {node} shows a content that nobody had sent: {shown}"));
    }
    if is_unheard_of(order, answer) {
        let (id, by) = (history.text(found.message_id), history.text(found.accepted_by));
        let at = history.wall(found.accepted_at);
        return Some(format!("read {number} at {node} shows what no answer and no message tells: message {id} of {by}, {at}"));
    }
    match read.applied {
        Some(1) => None,
        Some(times) => Some(format!("{node} says to read {number} that it applied it {times} times")),
        None => Some(format!("{node} does not say to read {number} how often it applied it")),
    }
}

/// It was answered to no client, the stream does not carry it, and it cannot be that of an operation whose answer was lost.
fn is_unheard_of(order: Order<'_>, answer: AnswerIx) -> bool {
    let told = |op: &Op| op.answer() == Some(answer);
    let lost = |op: &Op| op.outcome() != Outcome::Fail && op.answer().is_none();
    !order.ops().iter().any(|op| told(op) || lost(op)) && !order.published().iter().any(|message| message.answer == answer)
}

/// A node showed the order, and to a read that was sent later it denied it.
fn gone(case: &Case<'_>, order: Order<'_>) -> Option<String> {
    let mut denials = order.read_back().iter().filter(|read| read.is_not_found()).peekable();
    denials.peek()?;
    let history = case.history;
    let on_feed = order.seen().iter().map(|seen| (seen.node, seen.t_us));
    let to_reads = order.read_back().iter().filter(|read| read.found().is_some());
    let to_reads = to_reads.filter_map(|read| Some((read.node, read.end?.t_us)));
    let mut first_shown_us: BTreeMap<NodeIx, u64> = BTreeMap::new();
    for (node, t_us) in on_feed.chain(to_reads) {
        first_shown_us.entry(node).and_modify(|first| *first = t_us.min(*first)).or_insert(t_us);
    }
    denials.find_map(|denial| {
        let shown_us = *first_shown_us.get(&denial.node)?;
        let node = history.node_name(denial.node);
        (shown_us < denial.sent_us).then(|| {
            let (at_s, later_s) = (case.edges.ms(shown_us) / 1_000.0, case.edges.ms(denial.sent_us) / 1_000.0);
            format!("{node} showed it at {at_s:+.3} s, and denied it to read {} of {later_s:+.3} s", denial.number)
        })
    })
}

/// Could what nodes had applied have been lost for a while?
fn may_be_set_back(case: &Case<'_>) -> bool {
    let struck = case.spans.iter().zip(&case.plan.faults);
    let mut struck = struck.filter(|(span, _)| span.inject_us.is_some());
    struck.any(|(span, fault)| fault.kind.destroys() || span.services.iter().any(|service| service == STORE))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::history::{Answer, OpKind, Outcome, Step};
    use crate::plan::FaultKind;
    use crate::testing::{Story, answer, id, intended_us};
    use crate::verdict::Verdict;

    /// From so long to so long after the intended start of an order; it is answered after 5 ms, and everywhere after 8 ms.
    fn during(order: u64, from_ms: u64, until_ms: u64) -> (u64, u64) {
        (intended_us(order) + from_ms * 1_000, intended_us(order) + until_ms * 1_000)
    }

    fn spoilt(spoil: impl FnOnce(&mut Story)) -> (Verdict, usize) {
        let mut story = Story::good(20);
        story.read_back(100, 4, 1, during(4, 20, 22), 200);
        spoil(&mut story);
        let finding = story.finding("read_back");
        if finding.verdict == Verdict::Invalid {
            assert_eq!(finding.orders[0].order_id, id(4), "{finding:?}");
        }
        (finding.verdict, usize::try_from(finding.count).expect("few"))
    }

    #[test]
    fn order_that_is_read_back_as_it_was_sent_is_right() {
        assert_eq!(spoilt(|_| ()), (Verdict::Valid, 0));
        assert_eq!(Story::good(3).finding("read_back").summary, "no order was read back");
    }

    #[test]
    fn read_that_comes_before_the_node_has_applied_it_is_stale_and_allowed() {
        let mut story = Story::good(20);
        story.read_back(100, 4, 1, during(4, 6, 7), 404);
        story.read_back(101, 5, 1, during(5, 3, 4), 404);
        story.read_back(102, 6, 1, during(6, 9, 10), 503);
        let finding = story.finding("read_back");
        assert_eq!(finding.verdict, Verdict::Valid, "{finding:?}");
        assert_eq!(finding.summary, "2 reads answered, 1 of them stale, the latest 1.0 ms after the acknowledgement");
        let exercised = story.report().exercised;
        let counted = ["reads", "reads_found", "stale_reads"].map(|name| exercised.get(name).copied());
        assert_eq!(counted, [Some(2), Some(0), Some(1)]);
    }

    #[test]
    fn wrong_answers_are_found() {
        let invalid = (Verdict::Invalid, 1);
        assert_eq!(spoilt(|story| story.end_mut(100).answer = Some(Answer { amount_minor: Some(1), ..answer(4) })), invalid);
        assert_eq!(spoilt(|story| story.end_mut(100).answer = Some(Answer { amount_minor: None, ..answer(4) })), invalid);
        assert_eq!(spoilt(|story| story.end_mut(100).answer = Some(answer(5))), invalid);
        let of_nobody = || Some(Answer { message_id: "m-x".to_owned(), ..answer(4) });
        assert_eq!(spoilt(|story| story.end_mut(100).answer = of_nobody()), invalid);
        assert_eq!(
            spoilt(|story| story.end_mut(100).answer = Some(Answer { accepted_by: "b".to_owned(), ..answer(4) })),
            invalid
        );
        assert_eq!(spoilt(|story| story.end_mut(100).applied = Some(2)), invalid);
        assert_eq!(spoilt(|story| story.end_mut(100).applied = None), invalid);
        assert_eq!(spoilt(|story| story.refuse(100, 500)), invalid);
        assert_eq!(spoilt(|story| story.read_back(101, 4, 2, (1_000, 2_000), 200)), invalid, "before it was sent");
    }

    #[test]
    fn evidence_tells_what_was_shown_and_when() {
        let mut story = Story::good(20);
        story.read_back(100, 4, 1, during(4, 20, 22), 200);
        story.end_mut(100).answer = Some(Answer { amount_minor: Some(999), ..answer(4) });
        story.read_back(101, 5, 1, during(5, 30, 31), 404);
        let evidence = story.finding("read_back").evidence;
        for (line, wanted) in evidence.iter().zip([
            "read 100 at cluster-node-2 shows a content that nobody had sent: run-customer-1 for 9.99",
            "cluster-node-2 showed it at +0.058 s, and denied it to read 101 of +0.080 s",
        ]) {
            assert!(line.ends_with(wanted), "{line}");
        }
        assert_eq!(evidence.len(), 2, "{evidence:?}");
    }

    #[test]
    fn message_that_only_a_lost_answer_can_have_told_is_no_reason_for_doubt() {
        let shown = |story: &mut Story| story.end_mut(100).answer = Some(Answer { message_id: "m-x".to_owned(), ..answer(4) });
        let mut story = Story::good(20);
        story.read_back(100, 4, 1, during(4, 20, 22), 200);
        shown(&mut story);
        story.again(101, 4, OpKind::Replay, Outcome::Ok, 200, Some(answer(4)));
        assert_eq!(story.finding("read_back").verdict, Verdict::Invalid);
        story.give_up(101);
        assert_eq!(story.finding("read_back").verdict, Verdict::Valid, "the stream may have lost its message");
        let mut refused = Story::good(20);
        refused.never_published(4);
        refused.refuse(4, 503);
        refused.read_back(100, 4, 1, during(4, 20, 22), 200);
        assert_eq!(refused.finding("read_back").verdict, Verdict::Invalid, "a refusal leaves nothing to be shown");
    }

    #[test]
    fn node_that_goes_back_on_its_word_is_found_and_another_node_may_be_behind() {
        assert_eq!(spoilt(|story| story.read_back(101, 4, 1, during(4, 30, 31), 404)), (Verdict::Invalid, 1));
        let mut story = Story::good(20);
        story.forget_on(&[2], 4);
        story.read_back(100, 4, 1, during(4, 20, 22), 200);
        story.read_back(101, 4, 2, during(4, 30, 31), 404);
        story.read_back(102, 4, 1, during(4, 7, 8), 404);
        assert_eq!(story.finding("read_back").verdict, Verdict::Valid, "what was sent before proves nothing");
    }

    #[test]
    fn denial_after_a_fault_of_redis_is_told_and_excused() {
        let mut story = Story::good(20);
        story.strike(FaultKind::Kill, "redis", 1_000, &[(Step::Inject, intended_us(3)), (Step::HealVerified, intended_us(9))]);
        story.read_back(100, 4, 1, during(4, 20, 22), 200);
        story.read_back(101, 4, 1, during(4, 30, 31), 404);
        let finding = story.finding("read_back");
        assert_eq!((finding.verdict, finding.evidence.len()), (Verdict::Valid, 1), "{finding:?}");
    }

    #[test]
    fn reads_are_no_operations_that_could_take_effect() {
        let mut story = Story::good(20);
        let plain = story.report();
        story.read_back(100, 4, 1, during(4, 20, 22), 200);
        story.read_back(101, 5, 1, during(5, 3, 4), 404);
        let read = story.report();
        assert_eq!((plain.orders, plain.availability), (read.orders, read.availability));
        assert_eq!((read.load.started, read.load.completed), (22, 22));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn exactly_those_are_found_that_deny_what_they_showed(at_ms in prop::collection::vec(0..20_u64, 1..25)) {
            let mut story = Story::good(at_ms.len() as u64);
            for (order, at_ms) in (0..).zip(&at_ms) {
                // Seen on every feed after 8 ms.
                story.read_back(1_000 + order, order, 1, during(order, *at_ms, *at_ms + 1), 404);
            }
            let wrong = at_ms.iter().filter(|at_ms| **at_ms > 8).count();
            let finding = story.finding("read_back");
            prop_assert_eq!(finding.count, wrong as u64);
            let behind = at_ms.iter().filter(|at_ms| **at_ms >= 5).count() as u64;
            prop_assert_eq!(story.report().exercised.get("stale_reads").copied(), Some(behind));
        }
    }
}
