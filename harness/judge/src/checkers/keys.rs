//! Keys: what the contract gives a time to live has one, so that the store stays bounded, and each node marks in its own
//! inbox what it applied.
//!
//! - *Records*: a record gets its time to live when its row is removed. At rest the outbox is empty, so one without is kept for
//!   good, unless its row is still there or was set aside.
//! - *Marks*: an order on a node has a mark in that node's inbox, written in the same step, which ends by itself. One that is
//!   missing was never written, or written elsewhere; that it ended is excluded where another still has longer to live
//!   than the run took.
//!
//! A fault that destroys what the store had synced may take the one without the other: then they are told, and not judged.

use std::collections::BTreeSet;

use super::Desk;
use crate::case::Case;
use crate::history::{Keys, reads};
use crate::numbers::many;
use crate::verdict::Finding;

#[derive(Debug, Default)]
struct Found {
    wrong: Vec<String>,
    count: u64,
    open: Vec<String>,
}

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "keys";
    let case = desk.case;
    let history = case.history;
    let failed = history.reads.iter().filter(|(what, read)| what.starts_with("keys ") && read.error.is_some());
    let failed: Vec<String> =
        failed.map(|(what, read)| format!("{what}: {}", read.error.as_deref().unwrap_or_default())).collect();
    let mut found = Found { open: failed, ..Found::default() };
    for keys in &history.keys {
        unending(case, keys, &mut found);
        if keys.family != reads::RECORDS {
            missing(case, keys, &mut found);
        }
    }
    let Found { wrong, count, open } = found;
    let is_destroyed = case.plan.faults.iter().any(|fault| fault.kind.destroys());
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    match (wrong.is_empty(), open.is_empty()) {
        (false, _) if is_destroyed => {
            let summary = format!("{} out of order, where a fault destroyed what was stored", many(count, "key"));
            Finding::valid(NAME, summary).counting(count).with(wrong).with(open)
        }
        (false, _) => Finding::invalid(NAME, format!("{} without an end, or not where it belongs", many(count, "key")))
            .counting(count)
            .with(wrong)
            .with(open),
        (true, false) => Finding::unknown(NAME, "not all keys could be looked at").counting(open.len()).with(open),
        (true, true) if history.keys.is_empty() => Finding::valid(NAME, "keys were not looked at"),
        (true, true) => {
            let orders: u64 = history.keys.iter().map(|keys| keys.orders).sum();
            Finding::valid(NAME, format!("{orders} keys end by themselves, and are where they belong"))
        }
    }
}

fn unending(case: &Case<'_>, keys: &Keys, found: &mut Found) {
    if keys.unending == 0 || !case.is_quiescent() {
        return;
    }
    let has_row: BTreeSet<&String> = case.history.rows.iter().filter_map(|row| row.order_id.as_ref()).collect();
    let has_cause = |order: &&String| keys.family == reads::RECORDS && has_row.contains(order);
    let told: Vec<&String> = keys.first_unending.iter().filter(|order| !has_cause(order)).collect();
    let untold = keys.unending - keys.first_unending.len() as u64;
    match told.first() {
        Some(first) => {
            found.count += told.len() as u64 + untold;
            found.wrong.push(format!("{}: {} without a time to live, e.g. of {first}", keys.family, told.len() as u64 + untold));
        }
        None if untold > 0 => found.open.push(format!("{}: {untold} more have no time to live", keys.family)),
        None => {}
    }
}

fn missing(case: &Case<'_>, keys: &Keys, found: &mut Found) {
    let Some(first) = keys.first_missing.first() else { return };
    let line =
        format!("{}: no mark of {} of {} orders that the node applied, e.g. {first}", keys.family, keys.missing, keys.orders);
    let longest_us = keys.longest_ms.saturating_mul(1_000);
    if longest_us > case.edges.end_us || keys.unending > 0 {
        found.count += keys.missing;
        found.wrong.push(line);
    } else {
        found.open.push(format!("{line}; they may have ended by then"));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::history::{Entry, Row, RowState, Step};
    use crate::plan::FaultKind;
    use crate::testing::{LOAD_START_US, NODES, Story, id, message};
    use crate::verdict::Verdict;

    const DAY_MS: u64 = 86_400_000;

    fn keys(family: &str, missing: &[u64], unending: &[u64]) -> Keys {
        let ids = |orders: &[u64]| orders.iter().map(|order| id(*order)).collect();
        Keys {
            t_us: 1,
            family: family.to_owned(),
            orders: 9,
            missing: missing.len() as u64,
            first_missing: ids(missing),
            unending: unending.len() as u64,
            first_unending: ids(unending),
            longest_ms: DAY_MS,
        }
    }

    fn story(keys: Keys) -> Story {
        let mut story = Story::good(9);
        story.entries.push(Entry::Keys(keys));
        story
    }

    fn verdict(story: &Story) -> Verdict {
        story.finding("keys").verdict
    }

    fn inbox() -> String {
        reads::inbox(NODES[1])
    }

    #[test]
    fn record_that_never_ends_is_found_unless_its_row_was_set_aside() {
        assert_eq!(verdict(&story(keys(reads::RECORDS, &[], &[]))), Verdict::Valid);
        let mut one = story(keys(reads::RECORDS, &[], &[3]));
        assert_eq!(verdict(&one), Verdict::Invalid);
        one.entries.push(Entry::Row(Row {
            message_id: message(3),
            state: RowState::Dead,
            order_id: Some(id(3)),
            attempts: Some(1),
            last_error: None,
        }));
        assert_eq!(verdict(&one), Verdict::Valid, "who looks after the row looks after the record");
        let more = Keys { unending: 4, ..keys(reads::RECORDS, &[], &[3]) };
        one.entries.push(Entry::Keys(more));
        assert_eq!(verdict(&one), Verdict::Unknown, "of three it is not told which they are");
    }

    #[test]
    fn record_without_an_end_is_no_fault_while_the_outbox_is_not_at_rest() {
        let mut restless = story(keys(reads::RECORDS, &[], &[3]));
        restless.quiescence.as_mut().expect("it has one").reached = false;
        assert_eq!(verdict(&restless), Verdict::Valid);
    }

    #[test]
    fn mark_that_is_missing_is_found_unless_it_may_have_ended() {
        let marks = keys(&inbox(), &[2, 5], &[]);
        let finding = story(marks.clone()).finding("keys");
        assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 2), "{finding:?}");
        assert_eq!(verdict(&story(Keys { longest_ms: 5, ..marks })), Verdict::Unknown);
    }

    #[test]
    fn marks_that_a_rolled_back_volume_took_are_told_and_not_judged() {
        let mut rolled_back = story(keys(&inbox(), &[2], &[]));
        rolled_back.strike(FaultKind::RollBack { lose_ms: 500 }, "redis", 0, &[(Step::Inject, LOAD_START_US + 10_000)]);
        let finding = rolled_back.finding("keys");
        assert_eq!((finding.verdict, finding.count), (Verdict::Valid, 1));
    }

    #[test]
    fn keys_that_could_not_be_read_leave_it_open_and_an_old_recording_does_not() {
        assert_eq!(verdict(&Story::good(9)), Verdict::Valid);
        let mut failed = Story::good(9);
        let what = reads::keys(&inbox());
        failed.entries.push(Entry::FinalRead { t_us: 1, what, entries: 0, error: Some("Redis went away".to_owned()) });
        assert_eq!(verdict(&failed), Verdict::Unknown);
    }

    #[test]
    fn mark_may_have_ended_unless_another_lives_longer_than_the_run_took() {
        let marks = |longest_ms| story(Keys { longest_ms, ..keys(&inbox(), &[2], &[]) });
        let end_us = marks(0).history().end_us.expect("it has an end");
        let verdicts = (verdict(&marks(end_us / 1_000)), verdict(&marks(end_us / 1_000 + 1)));
        assert_eq!(verdicts, (Verdict::Unknown, Verdict::Invalid));
        let one_never_ends = story(Keys { longest_ms: 0, ..keys(&inbox(), &[2], &[5]) });
        assert_eq!(one_never_ends.finding("keys").count, 2);
    }

    #[test]
    fn all_that_never_end_are_counted_though_only_the_first_are_named() {
        let finding = story(Keys { unending: 4, ..keys(reads::RECORDS, &[], &[3]) }).finding("keys");
        assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 4));
    }

    #[test]
    fn read_of_something_else_that_failed_leaves_the_keys_as_they_are() {
        let mut unread = story(keys(reads::RECORDS, &[], &[]));
        assert_eq!(unread.finding("keys").summary, "9 keys end by themselves, and are where they belong");
        unread.failed_reads.insert(reads::STREAM.to_owned(), "timeout".to_owned());
        assert_eq!(verdict(&unread), Verdict::Valid);
        assert_eq!(Story::good(9).finding("keys").summary, "keys were not looked at");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_key_out_of_order_is_counted(
            missing in proptest::collection::btree_set(0..9_u64, 0..9),
            unending in proptest::collection::btree_set(0..9_u64, 0..9),
        ) {
            let (missing, unending) = (Vec::from_iter(missing), Vec::from_iter(unending));
            let finding = story(keys(&inbox(), &missing, &unending)).finding("keys");
            let wrong = (missing.len() + unending.len()) as u64;
            prop_assert_eq!(finding.count, wrong);
            prop_assert_eq!(finding.verdict == Verdict::Invalid, wrong > 0);
        }
    }
}
