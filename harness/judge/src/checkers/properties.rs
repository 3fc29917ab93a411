//! Histories made up at random, with an answer that is known from how they were made.

use proptest::prelude::*;

use crate::history::{Answer, Entry, OpKind, Outcome};
use crate::report::Orders;
use crate::testing::{NODES, Story, answer};
use crate::verdict::Verdict;

/// What happens to one order.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Good,
    Replayed,
    Conflicted,
    Recovered,
    Absent,
    Refused,
    LostOn(usize),
    LostBeforePublishing,
    RecordOnly,
    AppliedTwice(usize),
    TakenInTwice,
    AppliedThoughRefused,
}

impl Turn {
    fn is_right(self) -> bool {
        use Turn::{Absent, Conflicted, Good, Recovered, Refused, Replayed};
        matches!(self, Good | Replayed | Conflicted | Recovered | Absent | Refused)
    }

    fn play(self, story: &mut Story, order: u64, wanted: &mut Orders) {
        let extra = 10_000 + order;
        wanted.attempted += 1;
        match self {
            Self::Good => wanted.acknowledged += 1,
            Self::Replayed => {
                story.again(extra, order, OpKind::Replay, Outcome::Ok, 200, Some(answer(order)));
                wanted.acknowledged += 1;
            }
            Self::Conflicted => {
                story.again(extra, order, OpKind::Conflict, Outcome::Fail, 409, None);
                wanted.attempted += 1;
                wanted.acknowledged += 1;
                wanted.failed += 1;
                wanted.conflicts += 1;
            }
            Self::Recovered => {
                story.give_up(order);
                wanted.indeterminate += 1;
                wanted.recovered += 1;
            }
            Self::Absent => {
                story.give_up(order);
                story.never_published(order);
                story.no_record(order);
                wanted.indeterminate += 1;
                wanted.absent += 1;
            }
            Self::Refused => {
                story.refuse(order, 503);
                story.never_published(order);
                story.no_record(order);
                wanted.failed += 1;
            }
            Self::LostOn(node) => {
                story.forget_on(&[node], order);
                wanted.acknowledged += 1;
                wanted.lost += 1;
            }
            Self::LostBeforePublishing => {
                story.never_published(order);
                wanted.acknowledged += 1;
                wanted.lost += 1;
            }
            Self::RecordOnly => {
                story.give_up(order);
                story.never_published(order);
                wanted.indeterminate += 1;
                wanted.lost += 1;
            }
            Self::AppliedTwice(node) => {
                story.projection_mut(node, order).applied = 2;
                wanted.acknowledged += 1;
                wanted.duplicated += 1;
            }
            Self::TakenInTwice => {
                let other = Answer { message_id: format!("again-{order}"), ..answer(order) };
                story.again(extra, order, OpKind::Replay, Outcome::Ok, 200, Some(other));
                wanted.acknowledged += 1;
                wanted.duplicated += 1;
            }
            Self::AppliedThoughRefused => {
                story.refuse(order, 422);
                wanted.failed += 1;
                wanted.unexpected += 1;
            }
        }
    }
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        6 => Just(Turn::Good),
        2 => Just(Turn::Replayed),
        2 => Just(Turn::Conflicted),
        2 => Just(Turn::Recovered),
        2 => Just(Turn::Absent),
        1 => Just(Turn::Refused),
        1 => (0..3_usize).prop_map(Turn::LostOn),
        1 => Just(Turn::LostBeforePublishing),
        1 => Just(Turn::RecordOnly),
        1 => (0..3_usize).prop_map(Turn::AppliedTwice),
        1 => Just(Turn::TakenInTwice),
        1 => Just(Turn::AppliedThoughRefused),
    ]
}

fn right_turn() -> impl Strategy<Value = Turn> {
    turn().prop_filter("only what a correct cluster does", |turn| turn.is_right())
}

fn play(turns: &[Turn]) -> (Story, Orders) {
    let mut story = Story::good(turns.len() as u64);
    let mut wanted = Orders::default();
    for (order, turn) in (0..).zip(turns) {
        turn.play(&mut story, order, &mut wanted);
    }
    (story, wanted)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_order_is_put_into_the_class_that_it_was_made_for(turns in prop::collection::vec(turn(), 1..40)) {
        let (story, wanted) = play(&turns);
        let report = story.report();
        prop_assert_eq!(report.orders, wanted);
        let all_right = turns.iter().all(|turn| turn.is_right());
        prop_assert_eq!(report.verdict == Verdict::Invalid, !all_right, "{}", report.reason);
    }

    #[test]
    fn correct_cluster_raises_no_false_alarm(mut turns in prop::collection::vec(right_turn(), 1..40)) {
        turns.push(Turn::Good);
        let (story, _) = play(&turns);
        let report = story.report();
        prop_assert_eq!(report.verdict, Verdict::Valid, "{}", report.reason);
    }

    #[test]
    fn withheld_evidence_never_turns_a_correct_cluster_invalid(
        turns in prop::collection::vec(right_turn(), 1..30),
        withheld in prop::collection::vec(any::<bool>(), 9),
    ) {
        use crate::history::reads;
        let (mut story, _) = play(&turns);
        let mut reads: Vec<String> = vec![reads::STREAM.into(), reads::OUTBOX.into(), reads::RECORDS.into()];
        reads.extend(NODES.iter().flat_map(|node| [reads::projection(node), reads::ledger(node)]));
        for (what, _) in reads.iter().zip(&withheld).filter(|(_, withheld)| **withheld) {
            story.failed_reads.insert(what.clone(), "timeout".to_owned());
            // A read that failed may have delivered nothing, or a part.
            story.remove(|entry| match entry {
                Entry::Published(found) => *what == reads::STREAM && found.sequence % 2 == 0,
                Entry::Record(record) => *what == reads::RECORDS && record.order_id.ends_with('3'),
                Entry::Projection(held) => *what == reads::projection(&held.node) && held.position % 2 == 1,
                _ => false,
            });
        }
        // The ledger was read whole, whatever became of the projection.
        let (whole, _) = play(&turns);
        let whole = whole.history();
        for line in &whole.ledger {
            let account = (whole.node_name(line.node).to_owned(), whole.text(line.customer_id).to_owned());
            story.ledger.insert(account, (line.orders, line.total_minor));
        }
        let report = story.report();
        prop_assert_ne!(report.verdict, Verdict::Invalid, "{}", report.reason);
    }

    #[test]
    fn history_cut_off_anywhere_is_never_valid_nor_a_false_alarm(
        turns in prop::collection::vec(right_turn(), 1..15),
        cut: prop::sample::Index,
    ) {
        let (story, _) = play(&turns);
        let text = story.lines().join("\n") + "\n";
        let first = text.find('\n').unwrap_or(0) + 1;
        let keep = first + cut.index(text.len() - first - 2);
        let history = crate::history::read(&text.as_bytes()[..keep]).expect("a torn history can be read");
        let report = crate::judge(&story.plan, &history, &[]);
        prop_assert_eq!(report.verdict, Verdict::Unknown, "{}", report.reason);
    }
}
