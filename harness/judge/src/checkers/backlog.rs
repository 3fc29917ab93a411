//! Backlog: it is bounded by the orders there are, and nothing starves in it.
//!
//! - *Bounded*: the outbox never holds more rows than orders had been sent by then, beside those that were there before.
//! - *No row is passed over*: without any fault, and with few rows waiting, the oldest is not older than [`STARVED_MS`]. A row is
//!   due when its lease (5 s) ends, and is tried again at least every 5 s, so this is several chances missed. A long
//!   backlog may be overload, which is no fault of the cluster's.
//! - *Empty at the end*: where the cluster counts as quiescent, the gauge says so too.
//!
//! How deep it got, how old its oldest row, and how long each fault's backlog took to drain are figures beside the
//! faults; a cluster that does not drain at all is *stranded*.

use super::Desk;
use crate::case::Case;
use crate::history::Sample;
use crate::verdict::Finding;

/// A row of this age has been passed over.
const STARVED_MS: u64 = 30_000;
/// So many rows are no overload.
const FEW: u64 = 100;
/// As long must have passed since the last fault, and it must have gone on for so many readings.
const CALM_US: u64 = 30_000_000;
const READINGS: usize = 20;
/// The gauge looks ten times a second, and a look takes a while.
const LATE_US: u64 = 2_000_000;

/// One look at the outbox.
#[derive(Debug, Clone, Copy)]
struct Look {
    t_us: u64,
    depth: u64,
    oldest_age_ms: u64,
}

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "backlog";
    let case = desk.case;
    let mut looks: Vec<Look> = case
        .samples
        .iter()
        .filter_map(|sample| match sample {
            Sample::Outbox { t_us, depth, oldest_age_ms } => {
                Some(Look { t_us: *t_us, depth: *depth, oldest_age_ms: *oldest_age_ms })
            }
            _ => None,
        })
        .collect();
    looks.sort_unstable_by_key(|look| look.t_us);
    let wrong: Vec<String> = overfull(case, &looks).into_iter().chain(starved(case, &looks)).collect();
    if !wrong.is_empty() {
        return Finding::invalid(NAME, "the outbox held rows that nobody sent, or passed some over")
            .counting(wrong.len())
            .with(wrong);
    }
    if let Some(left) = left_at_rest(case, &looks) {
        return Finding::unknown(NAME, left);
    }
    let Some(deepest) = looks.iter().max_by_key(|look| look.depth) else {
        return Finding::valid(NAME, "the outbox was not watched");
    };
    let oldest = looks.iter().map(|look| look.oldest_age_ms).max().unwrap_or(0);
    Finding::valid(NAME, format!("at most {} rows, the oldest {oldest} ms, and empty at the end", deepest.depth))
}

/// More rows than orders that had been sent.
fn overfull(case: &Case<'_>, looks: &[Look]) -> Option<String> {
    let before = looks.iter().take_while(|look| look.t_us < case.edges.load_start_us).map(|look| look.depth).max()?;
    let mut sent: Vec<u64> = first_sends(case);
    sent.sort_unstable();
    let bound = |look: &Look| before + sent.partition_point(|sent_us| *sent_us <= look.t_us) as u64;
    let over = looks.iter().find(|look| look.depth > bound(look))?;
    Some(format!(
        "{} rows at {:+.1} s, and only {} orders had been sent",
        over.depth,
        case.edges.ms(over.t_us) / 1_000.0,
        bound(over)
    ))
}

/// When each order was sent for the first time.
fn first_sends(case: &Case<'_>) -> Vec<u64> {
    case.history.orders().filter_map(|order| order.ops().iter().map(|op| op.sent_us).min()).collect()
}

fn starved(case: &Case<'_>, looks: &[Look]) -> Option<String> {
    let is_starved = |look: &Look| {
        let from_us = look.t_us.saturating_sub(CALM_US);
        let is_calm = from_us >= case.edges.load_start_us && !case.spans.iter().any(|span| span.holds_within(from_us, look.t_us));
        look.depth > 0 && look.depth <= FEW && look.oldest_age_ms > STARVED_MS && is_calm
    };
    let mut streak = 0;
    for look in looks {
        streak = if is_starved(look) { streak + 1 } else { 0 };
        if streak == READINGS {
            let at_s = case.edges.ms(look.t_us) / 1_000.0;
            return Some(format!(
                "a row of {} ms among {} at {at_s:+.1} s, and no fault in force",
                look.oldest_age_ms, look.depth
            ));
        }
    }
    None
}

/// The final reads found a cluster at rest, and the gauge still saw rows then.
fn left_at_rest(case: &Case<'_>, looks: &[Look]) -> Option<String> {
    let quiescence = case.history.quiescence.as_ref().filter(|quiescence| quiescence.reached)?;
    let last = looks.iter().rev().find(|look| look.t_us >= quiescence.t_us && look.t_us <= quiescence.t_us + LATE_US)?;
    (last.depth > 0).then(|| format!("the cluster counted as quiescent, and the gauge still saw {} rows", last.depth))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::history::{Sample, Step};
    use crate::plan::FaultKind;
    use crate::testing::{GAP_US, LOAD_START_US, Story, intended_us};
    use crate::verdict::Verdict;

    fn look(t_us: u64, depth: u64, oldest_age_ms: u64) -> Sample {
        Sample::Outbox { t_us, depth, oldest_age_ms }
    }

    fn verdict(story: &Story) -> Verdict {
        story.finding("backlog").verdict
    }

    /// A row that grows older and older from 40 s on.
    fn starving(depth: u64) -> Story {
        let mut story = Story::good(8_000);
        story.samples =
            (0..300).map(|look_at| look(LOAD_START_US + 40_000_000 + look_at * 100_000, depth, 31_000 + look_at * 100)).collect();
        story
    }

    #[test]
    fn rows_of_the_orders_that_were_sent_are_no_fault() {
        let mut story = Story::good(100);
        story.samples = vec![look(LOAD_START_US - 1, 3, 5), look(intended_us(10), 13, 50), look(intended_us(99), 0, 0)];
        assert_eq!(verdict(&story), Verdict::Valid, "{:?}", story.finding("backlog").evidence);
    }

    #[test]
    fn more_rows_than_orders_are_found() {
        let mut story = Story::good(100);
        story.samples = vec![look(LOAD_START_US - 1, 0, 0), look(intended_us(10), 12, 50)];
        assert_eq!(verdict(&story), Verdict::Invalid);
        story.samples.remove(0);
        assert_eq!(verdict(&story), Verdict::Valid, "what was there before is not known");
    }

    #[test]
    fn row_that_is_passed_over_is_found() {
        assert_eq!(verdict(&starving(2)), Verdict::Invalid);
        assert_eq!(verdict(&starving(5_000)), Verdict::Valid, "that is overload");
        let mut broken = starving(2);
        broken.strike(FaultKind::Kill, "redis", 1, &[(Step::Inject, LOAD_START_US + 30_000_000)]);
        assert_eq!(verdict(&broken), Verdict::Valid, "a fault explains it");
    }

    #[test]
    fn gauge_that_contradicts_quiescence_leaves_it_open() {
        let mut story = Story::good(10);
        let at_us = story.quiescence.as_ref().expect("it has one").t_us;
        story.samples = vec![look(at_us + 1_000, 1, 5)];
        assert_eq!(verdict(&story), Verdict::Unknown);
    }

    #[test]
    fn what_was_there_before_is_what_was_read_before_the_load_began() {
        let mut story = Story::good(100);
        story.samples = vec![look(LOAD_START_US - 1, 0, 0), look(LOAD_START_US, 1, 50)];
        assert_eq!(verdict(&story), Verdict::Invalid);
    }

    #[test]
    fn old_row_needs_rows_and_no_more_than_a_few() {
        assert_eq!(verdict(&starving(0)), Verdict::Valid, "without a row no age means anything");
        assert_eq!((verdict(&starving(100)), verdict(&starving(101))), (Verdict::Invalid, Verdict::Valid));
    }

    #[test]
    fn row_is_old_beyond_thirty_seconds() {
        let of_age = |ms: u64| {
            let mut story = Story::good(8_000);
            story.samples = (0..30).map(|at| look(LOAD_START_US + 40_000_000 + at * 100_000, 2, ms)).collect();
            story.finding("backlog")
        };
        assert_eq!(of_age(30_000).verdict, Verdict::Valid);
        assert_eq!(of_age(30_001).evidence, ["a row of 30001 ms among 2 at +41.9 s, and no fault in force"]);
    }

    #[test]
    fn gauge_is_held_against_quiescence_for_two_seconds_and_where_it_saw_rows() {
        let seen = |after_us: u64, depth: u64| {
            let mut story = Story::good(10);
            let at_us = story.quiescence.as_ref().expect("it has one").t_us;
            story.samples = vec![look(at_us + after_us, depth, 5)];
            verdict(&story)
        };
        assert_eq!((seen(0, 1), seen(2_000_000, 1), seen(2_000_001, 1)), (Verdict::Unknown, Verdict::Unknown, Verdict::Valid));
        assert_eq!(seen(1_000, 0), Verdict::Valid);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn depth_is_found_exactly_where_it_exceeds_what_was_sent(before in 0..5_u64, order in 0..50_u64, depth in 0..60_u64) {
            let mut story = Story::good(50);
            story.samples = vec![look(LOAD_START_US - 1, before, 0), look(intended_us(order) + GAP_US / 2, depth, 0)];
            prop_assert_eq!(verdict(&story) == Verdict::Invalid, depth > before + order + 1);
        }
    }
}
