//! The highest rate that a cluster sustains: how it is looked for, and what breaks above it.

mod curve;

#[cfg(test)]
pub(crate) use curve::tests::curve_of;
pub use curve::{Curve, FORMAT, heading, line};
use serde::{Deserialize, Serialize};

use crate::checkers::LATE_SHARE_MAX;
use crate::history::{History, Phase, Sample};
use crate::numbers::rounded;
use crate::report::Report;
use crate::verdict::Verdict;

/// The search ends when the rate that broke is above the one that held by this share at most.
pub const PRECISION: f64 = 0.05;

/// How the rate goes up until something breaks.
const STEP: f64 = 2.0;

/// A backlog that grows by less is a flicker, in rows a second.
const GROWTH_MIN: f64 = 5.0;

/// A search: doubles the rate until something breaks, or halves it until it holds, and then halves the distance between.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    held: Option<f64>,
    broke: Option<f64>,
    start: f64,
    left: u32,
    most: f64,
}

impl Search {
    /// Begins at `start` operations a second; at most `trials` rates are tried, none above `most`.
    #[must_use]
    pub fn new(start: f64, trials: u32, most: f64) -> Self {
        Self { held: None, broke: None, start, left: trials, most }
    }

    /// The rate to try next; `None` when the limit is known well enough, or no trial is left.
    #[must_use]
    pub fn next_rate(&self) -> Option<f64> {
        if self.left == 0 {
            return None;
        }
        let rate = match (self.held, self.broke) {
            (None, None) => self.start,
            (Some(held), None) if held >= self.most => return None,
            (Some(held), None) => (held * STEP).min(self.most),
            (None, Some(broke)) if broke <= 1.0 => return None,
            (None, Some(broke)) => (broke / STEP).max(1.0),
            (Some(held), Some(broke)) if broke <= held * (1.0 + PRECISION) => return None,
            (Some(held), Some(broke)) => (held * broke).sqrt(),
        };
        // Whole numbers read better, and are exact enough above a hundred.
        Some(if rate >= 100.0 { rate.round() } else { rounded(rate) })
    }

    /// What came of a trial.
    pub fn tell(&mut self, rate: f64, holds: bool) {
        self.left = self.left.saturating_sub(1);
        if holds {
            self.held = Some(self.held.map_or(rate, |held| held.max(rate)));
        } else {
            self.broke = Some(self.broke.map_or(rate, |broke| broke.min(rate)));
        }
    }

    /// The highest rate that held, and the lowest that did not.
    #[must_use]
    pub fn bracket(&self) -> (Option<f64>, Option<f64>) {
        (self.held, self.broke)
    }
}

/// What a rate must not do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Of requests, from their intended start.
    pub request_p99_ms: f64,
    /// Share of operations that were not served.
    pub errors: f64,
}

/// Why a rate is too high.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Break {
    Latency,
    Errors,
    /// The outbox grew as long as the load lasted.
    Backlog,
    /// The cluster was not loaded as it should have been: the limit of the generator, or of the machine that it shares.
    Generator,
    /// Orders were lost, or worse.
    Wrong,
    /// Nothing can be said of the run.
    Unknown,
}

impl Break {
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Errors => "errors",
            Self::Backlog => "backlog grows",
            Self::Generator => "generator late",
            Self::Wrong => "INVALID",
            Self::Unknown => "unknown",
        }
    }

    /// All of them, or `-`.
    #[must_use]
    pub fn told(all: &[Self]) -> String {
        let words: Vec<&str> = all.iter().map(|what| what.words()).collect();
        if words.is_empty() { "-".to_owned() } else { words.join(", ") }
    }
}

/// One point of the curve: a rate that was tried, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    pub rate: f64,
    pub served_per_s: f64,
    /// Of requests, from their intended start.
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub p999_ms: Option<f64>,
    pub propagation_p99_ms: Option<f64>,
    /// Share of operations that were not served.
    pub errors: f64,
    /// Share of the schedule that was begun late, or not at all.
    pub late: f64,
    /// How fast the outbox grew over the second half of the load, in rows a second; `None` where it was not read.
    pub backlog_per_s: Option<f64>,
    pub broke: Vec<Break>,
}

impl Trial {
    /// Holds a run without faults against the limits.
    #[must_use]
    pub fn of(rate: f64, report: &Report, history: &History, samples: &[Sample], limits: &Limits) -> Self {
        let load = &report.load;
        let offered = load.offered.max(1) as f64;
        let served = history.ops.iter().filter(|op| op.is_served()).count()
            + history.read_back.iter().filter(|read| read.is_answered()).count();
        let missing = load.offered.saturating_sub(load.started + load.unstarted);
        let late = (load.late + load.unstarted + missing) as f64 / offered;
        let errors = 1.0 - served as f64 / load.started.max(1) as f64;
        let backlog_per_s = growth_per_s(history, samples);
        let request = &report.request_ms.from_start.overall;
        // A percentile that cannot be told is one of too few operations, and no longer than the longest of them, or it lies
        // among those that never ended.
        let is_long = |ms: f64| ms > limits.request_p99_ms;
        let is_slow = request.p99.map_or(request.censored > 0 || request.max.is_some_and(is_long), is_long);
        let untold = report.verdict == Verdict::Unknown && late <= LATE_SHARE_MAX;
        let broke = [
            (Break::Wrong, report.verdict == Verdict::Invalid),
            (Break::Unknown, untold),
            (Break::Generator, late > LATE_SHARE_MAX),
            (Break::Errors, errors > limits.errors),
            (Break::Latency, is_slow),
            // A hundredth of what arrives, at least: what is under way at one moment or the other is no growth.
            (Break::Backlog, backlog_per_s.is_some_and(|growth| growth > GROWTH_MIN.max(rate / 100.0))),
        ];
        Self {
            rate,
            served_per_s: load.served_per_s,
            p50_ms: request.p50,
            p99_ms: request.p99,
            p999_ms: request.p999,
            propagation_p99_ms: report.propagation_ms.from_start.overall.p99,
            errors: rounded(errors),
            late: rounded(late),
            backlog_per_s: backlog_per_s.map(rounded),
            broke: broke.into_iter().filter(|(_, is_so)| *is_so).map(|(what, _)| what).collect(),
        }
    }

    #[must_use]
    pub fn holds(&self) -> bool {
        self.broke.is_empty()
    }
}

/// The slope of a line through the readings of the outbox in the second half of the load.
fn growth_per_s(history: &History, samples: &[Sample]) -> Option<f64> {
    let (from_us, until_us) = (history.phase_us(Phase::Load)?, history.phase_us(Phase::Heal)?);
    let half_us = from_us.midpoint(until_us);
    let readings = samples.iter().filter_map(|sample| match sample {
        Sample::Outbox { t_us, depth, .. } if (half_us..until_us).contains(t_us) => {
            Some(((t_us - half_us) as f64 / 1e6, *depth as f64))
        }
        _ => None,
    });
    slope(&readings.collect::<Vec<_>>())
}

/// By least squares; `None` for fewer than three points.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let (mean_x, mean_y) = points.iter().fold((0.0, 0.0), |(sum_x, sum_y), (x, y)| (sum_x + x / count, sum_y + y / count));
    let over: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let under: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    (points.len() >= 3 && under > 0.0).then(|| over / under)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::history::Entry;
    use crate::testing::{LOAD_START_US, Story};

    const LIMITS: Limits = Limits { request_p99_ms: 100.0, errors: 0.001 };

    fn found(start: f64, limit: f64, trials: u32) -> (Search, u32) {
        let (mut search, mut tried) = (Search::new(start, trials, 100_000.0), 0);
        while let Some(rate) = search.next_rate() {
            search.tell(rate, rate <= limit);
            tried += 1;
        }
        (search, tried)
    }

    #[test]
    fn limit_that_is_out_of_reach_ends_the_search() {
        assert_eq!(found(300.0, 1e9, 20).0.bracket(), (Some(100_000.0), None));
        assert_eq!(found(300.0, 0.1, 20).0.bracket(), (None, Some(1.0)));
        assert_eq!(found(300.0, 5_000.0, 3).1, 3);
    }

    #[test]
    fn run_that_went_well_holds_and_each_way_to_break_is_told() {
        let of = |story: &Story| Trial::of(100.0, &story.report(), &story.history(), &story.samples, &LIMITS).broke;
        let story = |orders| {
            let mut story = Story::good(orders);
            story.entries.push(Entry::Phase { t_us: LOAD_START_US + 10_000_000, phase: Phase::Heal });
            story
        };
        let good = story(1_000);
        assert_eq!(of(&good), []);

        let mut slow = story(1_000);
        for order in 0..20 {
            slow.end_mut(order * 40).t_us += 150_000;
        }
        assert_eq!(of(&slow), [Break::Latency]);

        // Too few for a percentile.
        let mut few = story(500);
        assert_eq!(of(&few), []);
        few.end_mut(4).t_us += 150_000;
        assert_eq!(of(&few), [Break::Latency]);

        let mut refusing = story(1_000);
        for order in [3, 4] {
            refusing.give_up(order);
        }
        assert_eq!(of(&refusing), [Break::Errors]);

        let mut growing = story(1_000);
        let deeper = |at: u64| Sample::Outbox { t_us: LOAD_START_US + at * 1_000_000, depth: at * 40, oldest_age_ms: 1 };
        growing.samples.extend((0..10).map(deeper));
        growing.samples.push(Sample::Outbox { t_us: LOAD_START_US + 12_000_000, depth: 0, oldest_age_ms: 0 });
        assert_eq!(of(&growing), [Break::Backlog]);

        let mut late = story(1_000);
        for entry in &mut late.entries {
            if let Entry::Invoke(invoke) = entry
                && invoke.op % 50 == 0
            {
                (invoke.intended_us, invoke.t_us) = (invoke.intended_us.saturating_sub(101_000), invoke.t_us + 1_000);
            }
        }
        assert!(of(&late).contains(&Break::Generator), "{:?}", of(&late));

        let mut lossy = story(1_000);
        lossy.forget_on(&[1], 4);
        assert_eq!(of(&lossy), [Break::Wrong]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn limit_is_bracketed_within_the_precision(start in 1.0..5_000.0_f64, limit in 2.0..90_000.0_f64) {
            let (search, tried) = found(start, limit, 60);
            let (held, broke) = search.bracket();
            let (held, broke) = (held.expect("some rate holds"), broke.expect("some rate breaks"));
            prop_assert!(held <= limit && limit < broke && broke <= held * 1.051, "{} {} {}", held, limit, broke);
            prop_assert!(tried <= 24, "{}", tried);
        }

        #[test]
        fn slope_is_that_of_the_line(slope_is in -50.0..50.0_f64, at in -100.0..100.0_f64, count in 3..40_u32) {
            let points: Vec<(f64, f64)> = (0..count).map(|x| (f64::from(x), at + slope_is * f64::from(x))).collect();
            prop_assert!((slope(&points).expect("enough") - slope_is).abs() < 1e-6);
            prop_assert_eq!(slope(&points[..2]), None);
        }
    }
}
