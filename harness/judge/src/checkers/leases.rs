//! Leases: a row belongs to one node for a limited time, and to the next one afterwards.
//!
//! - *None is left over*: without any fault, with few rows waiting and a node that says that both services are up, no lease has
//!   been over for longer than [`OVERDUE_MS`] without a node that took the row: nodes look for due rows several times a second. What was
//!   over before the load began may be damage that somebody has to look after.
//! - *None goes on and on*: no lease reaches further than [`REACH_MS`]. A row is leased for 5 s; the longest that one is put off
//!   is the window in which the stream recognises a message id (2 min), when that cannot tell whether it has the message.
//! - *Only who holds a row writes to it*: a row without its order is what is left where somebody wrote to one that was
//!   published and removed meanwhile. It counts where its message is one of this run.
//!
//! Rows that are old though they were taken again and again are the backlog's matter.

use std::collections::BTreeSet;

use super::Desk;
use crate::case::Case;
use crate::history::{Op, Row, Sample};
use crate::verdict::Finding;

/// Nodes look four times a second, and hold back for a while where the stream takes nothing.
const OVERDUE_MS: u64 = 10_000;
/// So many rows are no overload.
const FEW: u64 = 100;
/// Since the last fault as long must have passed as a lease and its taking over may need.
const CALM_US: u64 = 10_000_000;
/// In a row, ten of them a second.
const READINGS: usize = 20;
/// Health is asked about three times a second.
const HEALTH_US: u64 = 2_000_000;
const REACH_MS: u64 = 600_000;

/// One look at the index.
#[derive(Debug, Clone, Copy)]
struct Look {
    t_us: u64,
    depth: u64,
    overdue_ms: u64,
    furthest_ms: u64,
}

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "leases";
    let case = desk.case;
    let mut looks: Vec<Look> = case
        .samples
        .iter()
        .filter_map(|sample| match *sample {
            Sample::Leases { t_us, depth, overdue_ms, furthest_ms } => Some(Look { t_us, depth, overdue_ms, furthest_ms }),
            _ => None,
        })
        .collect();
    looks.sort_unstable_by_key(|look| look.t_us);
    let left = left_over(case, &looks).into_iter();
    let wrong: Vec<String> = left.chain(endless(case, &looks)).chain(overwritten(case)).collect();
    if !wrong.is_empty() {
        return Finding::invalid(NAME, "rows were held too long, or written to by who no longer held them")
            .counting(wrong.len())
            .with(wrong);
    }
    let Some(longest) = looks.iter().map(|look| look.overdue_ms).max() else {
        return Finding::valid(NAME, "leases were not watched");
    };
    Finding::valid(NAME, format!("a lease was over for at most {longest} ms before its row was taken"))
}

fn left_over(case: &Case<'_>, looks: &[Look]) -> Option<String> {
    let able = able_us(case);
    let is_left = |look: &Look| {
        let from_us = look.t_us.saturating_sub(CALM_US);
        let is_calm = from_us >= case.edges.load_start_us && !case.spans.iter().any(|span| span.holds_within(from_us, look.t_us));
        let last = able.partition_point(|t_us| *t_us <= look.t_us);
        let somebody_could = last > 0 && able[last - 1] + HEALTH_US >= look.t_us;
        let is_of_run = look.overdue_ms * 1_000 <= look.t_us.saturating_sub(case.edges.load_start_us);
        is_of_run && look.overdue_ms > OVERDUE_MS && look.depth <= FEW && is_calm && somebody_could
    };
    let mut streak = 0;
    for look in looks {
        streak = if is_left(look) { streak + 1 } else { 0 };
        if streak == READINGS {
            let at_s = case.edges.ms(look.t_us) / 1_000.0;
            return Some(format!(
                "at {at_s:+.1} s a lease had been over for {} ms, among {} rows, and no node had taken the row",
                look.overdue_ms, look.depth
            ));
        }
    }
    None
}

/// When some node said that both services are up.
fn able_us(case: &Case<'_>) -> Vec<u64> {
    let is_up = |word: &Option<String>| word.as_deref() == Some("up");
    let said = case.samples.iter().filter_map(|sample| match sample {
        Sample::Health { t_us, nats, redis, .. } if is_up(nats) && is_up(redis) => Some(*t_us),
        _ => None,
    });
    let mut able: Vec<u64> = said.collect();
    able.sort_unstable();
    able
}

fn endless(case: &Case<'_>, looks: &[Look]) -> Option<String> {
    let look = looks.iter().find(|look| look.furthest_ms > REACH_MS)?;
    let at_s = case.edges.ms(look.t_us) / 1_000.0;
    Some(format!("at {at_s:+.1} s a row was leased for another {} s", look.furthest_ms / 1_000))
}

/// Rows that tell no order, though their message is one of this run.
fn overwritten(case: &Case<'_>) -> Vec<String> {
    let history = case.history;
    let empty: Vec<&Row> = history.rows.iter().filter(|row| row.order_id.is_none() && row.attempts.is_some()).collect();
    if empty.is_empty() {
        return Vec::new();
    }
    let answered = history.ops.iter().filter_map(Op::answer).map(|answer| history.answer(answer).message_id);
    let of_run = answered.chain(history.published.iter().map(|message| message.message_id));
    let of_run: BTreeSet<&str> = of_run.map(|id| history.text(id)).collect();
    let own = empty.into_iter().filter(|row| of_run.contains(row.message_id.as_str()));
    own.map(|row| format!("message {} has a row without its order: it was written to after it was removed", row.message_id))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::history::{Entry, RowState, Step};
    use crate::plan::FaultKind;
    use crate::testing::{LOAD_START_US, NODES, Story, message};
    use crate::verdict::Verdict;

    fn look(t_us: u64, depth: u64, overdue_ms: u64, furthest_ms: u64) -> Sample {
        Sample::Leases { t_us, depth, overdue_ms, furthest_ms }
    }

    fn health(t_us: u64, nats: &str) -> Sample {
        let word = |word: &str| Some(word.to_owned());
        Sample::Health {
            t_us,
            node: NODES[0].to_owned(),
            http: Some(200),
            status: word("up"),
            nats: word(nats),
            redis: word("up"),
            asked_us: None,
            live: None,
        }
    }

    fn verdict(story: &Story) -> Verdict {
        story.finding("leases").verdict
    }

    /// From 30 s on a lease is over, and over, and over.
    fn left(depth: u64, nats: &str) -> Story {
        let mut story = Story::good(8_000);
        let at_us = |at: u64| LOAD_START_US + 30_000_000 + at * 100_000;
        story.samples = (0..300).map(|at| look(at_us(at), depth, at * 100, 0)).collect();
        story.samples.extend((0..60).map(|at| health(at_us(5 * at), nats)));
        story
    }

    fn row(message_id: String, order_id: Option<&str>) -> Entry {
        let (order_id, last_error) = (order_id.map(str::to_owned), None);
        Entry::Row(Row { message_id, state: RowState::Dead, order_id, attempts: Some(1), last_error })
    }

    #[test]
    fn lease_that_nobody_takes_over_is_found() {
        assert_eq!(verdict(&left(1, "up")), Verdict::Invalid, "{:?}", left(1, "up").finding("leases"));
        assert_eq!(verdict(&left(5_000, "up")), Verdict::Valid, "that is overload");
        assert_eq!(verdict(&left(1, "down")), Verdict::Valid, "nobody could have taken it");
        let mut broken = left(1, "up");
        broken.strike(FaultKind::Kill, "nats", 1, &[(Step::Inject, LOAD_START_US + 20_000_000)]);
        assert_eq!(verdict(&broken), Verdict::Valid, "a fault explains it");
    }

    #[test]
    fn what_was_left_over_before_the_load_is_not_held_against_the_run() {
        let mut story = left(1, "up");
        for sample in &mut story.samples {
            if let Sample::Leases { overdue_ms, .. } = sample {
                *overdue_ms += 40_000;
            }
        }
        assert_eq!(verdict(&story), Verdict::Valid);
    }

    #[test]
    fn lease_that_has_just_ended_is_no_fault() {
        let mut story = left(3, "up");
        story.samples.truncate(110);
        story.samples.extend((0..60).map(|at| health(LOAD_START_US + 30_000_000 + 500_000 * at, "up")));
        assert_eq!(verdict(&story), Verdict::Valid, "at most 10.9 s, and less than two seconds of it too long");
    }

    #[test]
    fn row_without_its_order_is_found_where_its_message_is_of_this_run() {
        let mut story = Story::good(9);
        story.entries.push(row(message(3), Some("run-3")));
        story.entries.push(row("of another run".to_owned(), None));
        assert_eq!(verdict(&story), Verdict::Valid);
        story.entries.push(row(message(4), None));
        let finding = story.finding("leases");
        assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 1));
        assert!(finding.evidence[0].contains("m-4"), "{:?}", finding.evidence);
    }

    #[test]
    fn recording_from_before_leases_were_watched_is_not_held_against_the_cluster() {
        assert_eq!(verdict(&Story::good(9)), Verdict::Valid);
    }

    /// So many looks, ten a second from so many milliseconds on; health was said to be good at these.
    fn watched(looks: u64, from_ms: u64, depth: u64, overdue_ms: u64, able_ms: &[u64]) -> Story {
        let at_us = |ms: u64| LOAD_START_US + ms * 1_000;
        let mut story = Story::good(100);
        story.samples = (0..looks).map(|at| look(at_us(from_ms + at * 100), depth, overdue_ms, 0)).collect();
        story.samples.extend(able_ms.iter().map(|ms| health(at_us(*ms), "up")));
        story
    }

    #[test]
    fn lease_counts_as_left_over_from_twenty_looks_ten_seconds_and_up_to_a_hundred_rows() {
        let able = [30_000, 31_000, 32_000];
        let left = |looks, depth, overdue_ms| verdict(&watched(looks, 30_000, depth, overdue_ms, &able));
        assert_eq!((left(20, 100, 10_001), left(19, 100, 10_001)), (Verdict::Invalid, Verdict::Valid));
        assert_eq!((left(20, 101, 10_001), left(20, 100, 10_000)), (Verdict::Valid, Verdict::Valid));
        let told = "at +31.9 s a lease had been over for 10001 ms, among 100 rows, and no node had taken the row";
        assert_eq!(watched(20, 30_000, 100, 10_001, &able).finding("leases").evidence, [told]);
        let longest = watched(19, 30_000, 100, 10_001, &able).finding("leases").summary;
        assert_eq!(longest, "a lease was over for at most 10001 ms before its row was taken");
    }

    #[test]
    fn node_could_take_a_row_for_two_seconds_after_it_said_that_both_services_are_up() {
        let last_look_after_ms = |ms: u64| verdict(&watched(20, 30_000, 1, 10_001, &[30_000, 31_900 - ms]));
        assert_eq!((last_look_after_ms(1_900), last_look_after_ms(0)), (Verdict::Invalid, Verdict::Invalid));
        let only_before = |ms: u64| verdict(&watched(20, 30_000, 1, 10_001, &[30_000 - ms]));
        assert_eq!((only_before(100), only_before(101)), (Verdict::Invalid, Verdict::Valid));
        assert_eq!(verdict(&watched(20, 30_000, 1, 10_001, &[32_000])), Verdict::Valid, "what comes later says nothing");
    }

    #[test]
    fn lease_that_ended_before_the_load_began_is_not_of_the_run() {
        let over_for = |overdue_ms| verdict(&watched(20, 30_000, 1, overdue_ms, &[30_000, 31_000, 32_000]));
        assert_eq!((over_for(30_000), over_for(30_001)), (Verdict::Invalid, Verdict::Valid));
    }

    #[test]
    fn lease_of_the_longest_reach_is_right_and_a_longer_one_is_told_with_its_time() {
        let mut story = Story::good(20);
        story.samples = vec![look(LOAD_START_US + 2_500_000, 1, 0, REACH_MS)];
        assert_eq!(verdict(&story), Verdict::Valid);
        story.samples = vec![look(LOAD_START_US + 2_500_000, 1, 0, REACH_MS + 1_000)];
        assert_eq!(story.finding("leases").evidence, ["at +2.5 s a row was leased for another 601 s"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn reach_is_found_exactly_where_it_is_too_long(furthest_ms in 0..1_200_000_u64, depth in 1..9_u64) {
            let mut story = Story::good(20);
            story.samples = vec![look(LOAD_START_US + 1, 1, 0, 5_000), look(LOAD_START_US + 2, depth, 0, furthest_ms)];
            prop_assert_eq!(verdict(&story) == Verdict::Invalid, furthest_ms > REACH_MS);
        }
    }
}
