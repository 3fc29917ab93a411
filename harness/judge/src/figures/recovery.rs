//! The steady state, and how long after each heal the cluster was back in it.

use super::backlog::{self, Measured};
use super::histogram::Latencies;
use super::requests::{waited_to_read_us, waited_us};
use crate::case::Case;
use crate::history::{NodeIx, OpKind};
use crate::numbers::rounded;
use crate::plan::{STEADY_MIN_MS, STEADY_MIN_OPS};
use crate::report::SteadyState;

/// The length of a window, and how finely its start is searched.
const WINDOW_US: u64 = 1_000_000;
const STEP_US: u64 = 100_000;
/// A window tells something from so many operations on.
const WINDOW_MIN_OPS: usize = 50;
/// So many windows in a row must be good.
const HELD_WINDOWS: u64 = 5;
/// How far success may stay below the steady state.
const SUCCESS_SLACK: f64 = 0.01;
/// Where the steady state answers within a few milliseconds, twice as much is what any machine does now and then: so far
/// above it nothing is told from it.
const P99_FLICKER_MS: f64 = 50.0;

/// The interval of the steady state on the run's clock: after warm-up, before the first fault.
pub(crate) fn steady_interval(case: &Case<'_>) -> Option<(u64, u64)> {
    let from_us = case.edges.load_start_us + case.plan.load.warm_up_ms * 1_000;
    let first_fault = case.spans.iter().filter_map(|span| span.inject_us).min();
    let until_us = first_fault.unwrap_or(case.edges.load_end_us).min(case.edges.load_end_us);
    (until_us >= from_us + STEADY_MIN_MS * 1_000).then_some((from_us, until_us))
}

/// An operation as the windows see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) intended_us: u64,
    sent_us: u64,
    /// `u64::MAX`: its end is not known.
    ended_us: u64,
    reached: bool,
    served: bool,
    pub(crate) node: NodeIx,
    pub(crate) kind: OpKind,
}

impl Reading {
    /// How long it kept its client waiting; `None` where that is not known, or where it never reached a node.
    pub(crate) fn waited_us(&self) -> Option<u64> {
        self.since_us(self.intended_us)
    }

    pub(crate) fn waited_from_sending_us(&self) -> Option<u64> {
        self.since_us(self.sent_us)
    }

    // Kept as times and not as waits, of which there would be two with a mark each: of ten million a quarter of a GiB.
    fn since_us(&self, from_us: u64) -> Option<u64> {
        self.reached.then(|| self.ended_us.saturating_sub(from_us))
    }

    /// Its end is not known.
    pub(crate) fn is_open(&self) -> bool {
        self.ended_us == u64::MAX
    }
}

/// Operations by intended start. Orders that were read back stand apart: the windows are those of placing.
pub(crate) struct Readings {
    placing: Vec<Reading>,
    reading_back: Vec<Reading>,
}

impl Readings {
    pub(crate) fn of(case: &Case<'_>) -> Self {
        let mut placing: Vec<Reading> = case
            .history
            .ops
            .iter()
            .map(|op| Reading {
                intended_us: op.intended_us,
                sent_us: op.sent_us,
                reached: waited_us(op, op.sent_us).is_some(),
                ended_us: op.end.as_ref().map_or(u64::MAX, |end| end.t_us),
                served: op.is_served(),
                node: op.node,
                kind: op.kind,
            })
            .collect();
        placing.sort_unstable_by_key(|reading| reading.intended_us);
        let reading_back = case.history.read_back.iter().map(|read| Reading {
            intended_us: read.intended_us,
            sent_us: read.sent_us,
            reached: waited_to_read_us(read, read.sent_us).is_some(),
            ended_us: read.end.map_or(u64::MAX, |end| end.t_us),
            served: read.is_answered(),
            node: read.node,
            kind: OpKind::Read,
        });
        Self { placing, reading_back: reading_back.collect() }
    }

    pub(crate) fn all(&self) -> &[Reading] {
        &self.placing
    }

    pub(crate) fn reading_back(&self) -> &[Reading] {
        &self.reading_back
    }

    pub(crate) fn within(&self, from_us: u64, until_us: u64) -> &[Reading] {
        let start = self.placing.partition_point(|reading| reading.intended_us < from_us);
        let end = self.placing.partition_point(|reading| reading.intended_us < until_us);
        self.placing.get(start..end).unwrap_or_default()
    }
}

/// `None` if it was too short or had too few operations.
pub(crate) fn steady_state(case: &Case<'_>, readings: &Readings, propagation: &Latencies) -> Option<SteadyState> {
    let (from_us, until_us) = steady_interval(case)?;
    // What was under way when the first fault struck is not steady any more.
    let within: Vec<&Reading> = readings.within(from_us, until_us).iter().filter(|reading| reading.ended_us < until_us).collect();
    if (within.len() as u64) < STEADY_MIN_OPS {
        return None;
    }
    let mut latencies = Latencies::new();
    within.iter().filter_map(|reading| reading.waited_us()).for_each(|us| latencies.add(us));
    let served = within.iter().filter(|reading| reading.served).count();
    Some(SteadyState {
        from_ms: case.edges.ms(from_us),
        until_ms: case.edges.ms(until_us),
        operations: within.len() as u64,
        success: rounded(served as f64 / within.len() as f64),
        request_p50_ms: latencies.at_ms(0.5),
        request_p99_ms: latencies.at_ms(0.99),
        propagation_p50_ms: propagation.at_ms(0.5),
        propagation_p99_ms: propagation.at_ms(0.99),
        outbox_depth_max: case.backlog.outbox.steady_max,
    })
}

/// By fault: from issuing its heal to the first good window of a row that holds for five.
pub(crate) fn recoveries(case: &Case<'_>, readings: &Readings, steady: Option<&SteadyState>) -> Vec<Measured> {
    let Some((success, p99_ms)) = steady.and_then(|steady| Some((steady.success, steady.request_p99_ms?))) else {
        return vec![Measured::Unknown; case.spans.len()];
    };
    let p99_limit_ms = (2.0 * p99_ms).max(p99_ms + P99_FLICKER_MS);
    let is_good = |from_us| is_good(readings.within(from_us, from_us + WINDOW_US), success, p99_limit_ms);
    let recovery = |number: usize, heal_us: u64| {
        let cut = backlog::cut(&case.spans, number, heal_us, case.edges.load_end_us, false);
        search(heal_us, cut.at_us, is_good)
    };
    let spans = case.spans.iter().enumerate();
    spans.map(|(number, span)| span.heal_us.map_or(Measured::Unknown, |heal_us| recovery(number, heal_us))).collect()
}

/// The first start of windows that are all good. Where the cut comes first, only those starts are known to be too
/// early after which some whole window was bad: the first other one is the lower bound.
fn search(heal_us: u64, cut_us: u64, is_good: impl Fn(u64) -> Option<bool>) -> Measured {
    let mut possible_us = None;
    let mut start_us = heal_us;
    while start_us + WINDOW_US <= cut_us {
        let starts = (0..HELD_WINDOWS).map(|ahead| start_us + ahead * WINDOW_US);
        let windows: Vec<Option<bool>> =
            starts.map(|at_us| (at_us + WINDOW_US <= cut_us).then(|| is_good(at_us)).flatten()).collect();
        if windows.iter().all(|good| *good == Some(true)) {
            return Measured::Took(start_us - heal_us);
        }
        if !windows.contains(&Some(false)) {
            possible_us.get_or_insert(start_us);
        }
        start_us += STEP_US;
    }
    Measured::Censored(possible_us.unwrap_or(start_us) - heal_us)
}

/// `None`: a window of too few operations tells nothing.
fn is_good(readings: &[Reading], success: f64, p99_limit_ms: f64) -> Option<bool> {
    if readings.len() < WINDOW_MIN_OPS {
        return None;
    }
    let served = readings.iter().filter(|reading| reading.served).count();
    if (served as f64 / readings.len() as f64) < success - SUCCESS_SLACK {
        return Some(false);
    }
    // The exact nearest rank: a window has too few operations for a histogram's error to be small beside it.
    let mut waited: Vec<u64> = readings.iter().filter_map(Reading::waited_us).collect();
    waited.sort_unstable();
    let rank = (waited.len() * 99).div_ceil(100).max(1);
    Some(waited.get(rank - 1).is_some_and(|p99_us| *p99_us as f64 / 1_000.0 <= p99_limit_ms))
}
