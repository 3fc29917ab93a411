//! Two builds held against each other: which figures differ, by how much, and how sure that is.
//!
//! # How it is judged
//! A figure of a run is the logarithm of a percentile over the seconds that no fault's window touches, so that a difference is a
//! ratio. Its error within the run comes from a bootstrap of blocks of seconds; the error between runs of one build from the runs
//! themselves, as far as there are several, drawn towards what runs of one build were seen to differ by, which is all that is known
//! of a single one. Runs that are as many on both sides are taken as pairs, in order: what changed for both of a pair drops out. An interval that does not
//! contain 0, corrected for how many figures are judged, is a difference. The median of propagation is told beside that of
//! requests where that is surer ([`beside`]).

mod beside;
mod blocks;
mod student;
mod text;

use std::collections::BTreeMap;

use serde::Serialize;

pub use blocks::Second;
pub use text::table;

use crate::figure::Unit;
use crate::history::Priority;
use crate::seed::Stream;
use blocks::{Estimate, Seconds};

/// Runs of one build on one machine differ by so much, as a share, though nothing differs: measured of runs of 20 s on two cores
/// (`examples/same_build.rs`). Tails hang on how often something else wants the machine, which the seconds of one run do not tell.
const MEDIANS_DIFFER: f64 = 0.035;
const TAILS_DIFFER: f64 = 0.2;
/// So many runs that prior counts for.
const PRIOR_RUNS: f64 = 8.0;
/// The chance that any figure is called different though none is.
pub const FALSE_ALARMS: f64 = 0.08;
/// A smaller difference is none, however sure.
pub const LEAST: f64 = 0.02;
/// What is told beside another figure has to be so much of it by itself.
const SEEN: f64 = 1.0 / 3.0;
/// Fewer seconds tell nothing of how a run goes.
pub(crate) const SECONDS_MIN: usize = 10;

/// A figure that is judged.
#[derive(Debug, Clone, Copy)]
struct Judged {
    name: &'static str,
    log: Log,
    percentile: f64,
    between_runs: f64,
}

const JUDGED: [Judged; 4] = [
    Judged { name: "latency.p50", log: Log::Latency, percentile: 0.5, between_runs: MEDIANS_DIFFER },
    Judged { name: "latency.p99", log: Log::Latency, percentile: 0.99, between_runs: TAILS_DIFFER },
    Judged { name: "propagation.p50", log: Log::Propagation, percentile: 0.5, between_runs: MEDIANS_DIFFER },
    Judged { name: "propagation.p99", log: Log::Propagation, percentile: 0.99, between_runs: TAILS_DIFFER },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Log {
    Latency,
    Propagation,
}

/// One run, as far as it is compared.
#[derive(Debug, Clone, Default)]
pub struct Side {
    /// As it was named.
    pub name: String,
    /// By second of the load: request latencies from the intended start, and propagation, in nanoseconds.
    pub latency: BTreeMap<u64, Second>,
    pub propagation: BTreeMap<u64, Second>,
    /// Fault windows in milliseconds from the start of the load.
    pub windows: Vec<(f64, f64)>,
    /// `figures` of its `report.json`.
    pub figures: BTreeMap<String, Option<f64>>,
    /// The first seconds, which are left out.
    pub warm_up_s: u64,
    /// What it was asked for: scenario and rate.
    pub setup: String,
    /// Of the load, where that is known.
    pub load_priority: Option<Priority>,
}

/// Which seconds count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those that no fault's window touches, where enough are left.
    OutsideFaults,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Better,
    NoDifference,
    Worse,
    /// Shown, not judged: too little is known of how it varies.
    NotJudged,
}

/// One figure on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    pub figure: String,
    pub unit: Unit,
    /// The geometric mean of the runs on each side, in the figure's unit.
    pub base: Option<f64>,
    pub against: Option<f64>,
    /// As a share of the base: 0.1 is 10 % more. With `beside`, what is left of it.
    pub change: Option<f64>,
    /// Of the change.
    pub interval: Option<(f64, f64)>,
    /// Change and interval are what is left beyond what this figure's difference explains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<&'static str>,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    pub base: Vec<String>,
    pub against: Vec<String>,
    /// Were only seconds outside fault windows taken?
    pub outside_faults: bool,
    pub changes: Vec<Change>,
}

impl Comparison {
    /// Some judged figure got worse.
    #[must_use]
    pub fn has_regression(&self) -> bool {
        self.changes.iter().any(|change| change.outcome == Outcome::Worse)
    }

    /// No judged figure differs.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.changes.iter().all(|change| matches!(change.outcome, Outcome::NoDifference | Outcome::NotJudged))
    }
}

/// Compares runs of one build with those of another. Pure: the same runs give the same answer.
#[must_use]
pub fn compare(base: &[Side], against: &[Side], scope: Scope) -> Comparison {
    let enough = |side: &Side| side.seconds(&side.latency, Scope::OutsideFaults).len() >= SECONDS_MIN;
    let all = || base.iter().chain(against);
    let scope = if all().all(enough) { scope } else { Scope::All };
    let told: Vec<Told> = JUDGED.iter().map(|judged| Told::new(base, against, scope, *judged)).collect();
    let mut changes: Vec<Change> = told.iter().map(Told::change).collect();
    tell_beside(&told, &mut changes);
    let judged: Vec<String> = changes.iter().map(|change| change.figure.clone()).collect();
    changes.extend(shown(base, against).into_iter().filter(|change| !judged.contains(&change.figure)));
    let names = |sides: &[Side]| sides.iter().map(|side| side.name.clone()).collect();
    Comparison {
        base: names(base),
        against: names(against),
        outside_faults: scope == Scope::OutsideFaults && all().any(|side| !side.windows.is_empty()),
        changes,
    }
}

impl Side {
    fn seconds<'a>(&self, log: &'a BTreeMap<u64, Second>, scope: Scope) -> Vec<&'a Second> {
        let is_calm = |second: u64| {
            let (from, until) = (second as f64 * 1_000.0, (second + 1) as f64 * 1_000.0);
            !self.windows.iter().any(|(start, end)| *start < until && from < *end)
        };
        let is_warm = |second: u64| second >= self.warm_up_s;
        log.iter()
            .filter(|(second, _)| is_warm(**second) && (scope == Scope::All || is_calm(**second)))
            .map(|(_, second)| second)
            .collect()
    }

    fn estimate(&self, scope: Scope, log: Log, share: f64) -> Option<Estimate> {
        let log = match log {
            Log::Latency => &self.latency,
            Log::Propagation => &self.propagation,
        };
        Seconds::new(self.seconds(log, scope).into_iter()).estimate(share, &mut Stream::new(0, "seconds"))
    }
}

/// A judged figure of all runs.
struct Told {
    judged: Judged,
    /// By run, where it could be told.
    base: Vec<Option<Estimate>>,
    against: Vec<Option<Estimate>>,
    difference: Option<(f64, f64)>,
}

impl Told {
    fn new(base: &[Side], against: &[Side], scope: Scope, judged: Judged) -> Self {
        let estimates = |sides: &[Side]| -> Vec<Option<Estimate>> {
            sides.iter().map(|side| side.estimate(scope, judged.log, judged.percentile)).collect()
        };
        let (base, against) = (estimates(base), estimates(against));
        let difference = difference(&base, &against, judged.between_runs);
        Self { judged, base, against, difference }
    }

    fn change(&self) -> Change {
        let ms = |side: &[Option<Estimate>]| {
            let told: Vec<f64> = side.iter().flatten().map(|told| told.log).collect();
            (!told.is_empty()).then(|| mean(told.into_iter()).exp() / 1e6)
        };
        let mut change = Change {
            figure: self.judged.name.to_owned(),
            unit: Unit::Ms,
            base: ms(&self.base),
            against: ms(&self.against),
            change: None,
            interval: None,
            beside: None,
            outcome: Outcome::NotJudged,
        };
        if let Some(difference) = self.difference {
            change.judge(difference);
        }
        change
    }
}

/// Of each figure, and of the one that is told beside another.
fn alpha() -> f64 {
    FALSE_ALARMS / (JUDGED.len() + 1) as f64
}

impl Change {
    /// By a difference of logarithms, and half the width of its interval.
    fn judge(&mut self, (difference, margin): (f64, f64)) {
        let share = |log: f64| log.exp() - 1.0;
        self.change = Some(share(difference));
        self.interval = Some((share(difference - margin), share(difference + margin)));
        self.outcome = if difference.abs() <= margin.max(LEAST) {
            Outcome::NoDifference
        } else if difference > 0.0 {
            Outcome::Worse
        } else {
            Outcome::Better
        };
    }
}

/// Tells the median of propagation beside that of requests, where neither differs by itself and that is surer.
fn tell_beside(told: &[Told], changes: &mut [Change]) {
    let place = |name: &str| JUDGED.iter().position(|judged| judged.name == name);
    let (Some(companion), Some(figure)) = (place("latency.p50"), place("propagation.p50")) else { return };
    if changes[companion].outcome != Outcome::NoDifference {
        return;
    }
    let (x, y) = (&told[companion], &told[figure]);
    let base = beside::runs(&x.base, &y.base);
    let against = beside::runs(&x.against, &y.against);
    let beside = beside::difference(&base, &against, PRIOR_RUNS, alpha());
    let (Some(beside), Some(own)) = (beside, y.difference) else { return };
    let change = &mut changes[figure];
    // A build whose requests got a little faster has not got slower propagation by that: it must be seen by itself, too.
    let is_seen = beside.0.abs() <= beside.1 || own.0 / beside.0 >= SEEN;
    if change.outcome == Outcome::NoDifference && is_seen && beside.1 < own.1 {
        change.judge(beside);
        change.beside = Some(x.judged.name);
    }
}

/// The mean difference of logarithms, and half the width of its interval; `None` where a side has no run.
fn difference(base: &[Option<Estimate>], against: &[Option<Estimate>], between_runs: f64) -> Option<(f64, f64)> {
    let within = |side: &[Option<Estimate>]| mean(side.iter().flatten().map(|told| told.error.powi(2)));
    let logs = |side: &[Option<Estimate>]| side.iter().flatten().map(|told| told.log).collect::<Vec<_>>();
    let (one, other) = (logs(base), logs(against));
    if one.is_empty() || other.is_empty() {
        return None;
    }
    let difference = mean(other.iter().copied()) - mean(one.iter().copied());
    // What one run is expected to vary by: as its seconds say, and as runs do.
    let prior = |side: &[Option<Estimate>]| within(side) + between_runs.powi(2);
    let (sum_of_squares, degrees, prior, runs) = if one.len() == other.len() {
        let differences: Vec<f64> = other.iter().zip(&one).map(|(other, one)| other - one).collect();
        (squares(&differences), differences.len() as f64 - 1.0, prior(base) + prior(against), 1.0 / one.len() as f64)
    } else {
        let degrees = (one.len() + other.len()) as f64 - 2.0;
        let runs = 1.0 / one.len() as f64 + 1.0 / other.len() as f64;
        (squares(&one) + squares(&other), degrees, f64::midpoint(prior(base), prior(against)), runs)
    };
    let variance = (sum_of_squares + PRIOR_RUNS * prior) / (degrees + PRIOR_RUNS);
    // A single run each: all that is known is the prior, and that is taken as known.
    let degrees = if degrees < 1.0 { f64::from(u16::MAX) } else { degrees + PRIOR_RUNS };
    let variance = if degrees > 1e4 { prior } else { variance };
    Some((difference, student::two_sided(alpha(), degrees) * (variance * runs).sqrt()))
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    sum / count
}

fn squares(values: &[f64]) -> f64 {
    let mean = mean(values.iter().copied());
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

/// Figures that are told beside the judged ones: those of a whole run.
const SHOWN: [(&str, Unit); 8] = [
    ("throughput.offered", Unit::PerSecond),
    ("throughput.acknowledged", Unit::PerSecond),
    ("availability.all", Unit::Share),
    ("latency.max", Unit::Ms),
    ("outbox.depth_max", Unit::Count),
    ("recovery", Unit::Ms),
    ("backlog_drained", Unit::Ms),
    ("cpu.per_1000_orders", Unit::CpuSeconds),
];

fn shown(base: &[Side], against: &[Side]) -> Vec<Change> {
    let told = |sides: &[Side], name: &str, unit: Unit| {
        let key = format!("{name}{}", unit.suffix());
        let values: Vec<f64> = sides.iter().filter_map(|side| side.figures.get(&key).copied().flatten()).collect();
        (!values.is_empty()).then(|| mean(values.into_iter()))
    };
    let change = |(name, unit): &(&str, Unit)| {
        let (base, against) = (told(base, name, *unit), told(against, name, *unit));
        let change = base.zip(against).filter(|(base, _)| *base != 0.0).map(|(base, against)| against / base - 1.0);
        Change {
            figure: (*name).to_owned(),
            unit: *unit,
            base,
            against,
            change,
            interval: None,
            beside: None,
            outcome: Outcome::NotJudged,
        }
    };
    SHOWN.iter().map(change).filter(|change| change.base.is_some() || change.against.is_some()).collect()
}

#[cfg(test)]
mod tests;
