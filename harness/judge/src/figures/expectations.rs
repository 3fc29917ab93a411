//! What the scenario expected beyond safety, and what came of it.

use super::Figures;
use crate::figure::{Bound, Threshold, Unit};
use crate::plan::Expect;
use crate::report::{Expectation, FaultFigures};

pub(crate) fn judge(expect: &Expect, figures: &Figures) -> Vec<Expectation> {
    let mut expectations = Vec::new();
    if let Some(limit) = expect.propagation_p99_ms {
        let outside = figures.propagation.outside_faults;
        let note = format!("outside fault windows, {} sights", outside.count);
        expectations.push(at_most("propagation_p99_ms", limit, outside.p99, None, note));
    }
    if let Some(limit) = expect.recovery_ms {
        let of = |fault: &FaultFigures| (fault.recovery_ms, fault.recovery_censored_ms);
        expectations.push(slowest("recovery_ms", limit, &figures.faults, of));
    }
    if let Some(limit) = expect.backlog_drained_ms {
        let of = |fault: &FaultFigures| (fault.drain_ms, fault.drain_censored_ms);
        expectations.push(slowest("backlog_drained_ms", limit, &figures.faults, of));
    }
    if let Some(expected) = expect.availability {
        let note = "operations to nodes that no fault held".to_owned();
        expectations.push(at_least("availability", expected, figures.availability, Unit::Share, note));
    }
    expectations.extend(expect.thresholds.iter().map(|threshold| of_threshold(threshold, figures)));
    expectations
}

fn of_threshold(threshold: &Threshold, figures: &Figures) -> Expectation {
    let Threshold { figure: name, bound, limit, unit } = threshold;
    let Some(figure) = figures.named.iter().find(|figure| figure.name == *name) else {
        // e.g. the phase of a fault that was never injected.
        let note = "this run has no such figure".to_owned();
        let (bound, unit) = (Some(*bound), Some(*unit));
        return Expectation { name: name.clone(), expected: *limit, bound, unit, note, ..Expectation::default() };
    };
    match bound {
        Bound::AtMost => {
            let expectation = at_most(name, *limit, figure.value, figure.at_least, figure.note.clone());
            Expectation { unit: Some(*unit), ..expectation }
        }
        Bound::AtLeast => at_least(name, *limit, figure.value, *unit, figure.note.clone()),
    }
}

fn at_least(name: &str, expected: f64, measured: Option<f64>, unit: Unit, note: String) -> Expectation {
    let met = measured.map(|value| value >= expected);
    Expectation { name: name.to_owned(), expected, measured, bound: Some(Bound::AtLeast), unit: Some(unit), met, note }
}

/// In milliseconds, where nothing else is said.
fn at_most(name: &str, expected: f64, measured: Option<f64>, lower_bound: Option<f64>, note: String) -> Expectation {
    // Of what was cut short only a lower bound is known: it can miss the limit, but not meet it.
    let missed = [measured, lower_bound].into_iter().flatten().any(|value| value > expected);
    let met = if missed { Some(false) } else { measured.map(|_| true) };
    let shown = if missed { measured.into_iter().chain(lower_bound).reduce(f64::max) } else { measured };
    let (bound, unit) = (Some(Bound::AtMost), Some(Unit::Ms));
    Expectation { name: name.to_owned(), expected, measured: shown, bound, unit, met, note }
}

/// The slowest of all faults; those that were cut short count as far as they were watched.
fn slowest(
    name: &str,
    expected: f64,
    faults: &[FaultFigures],
    of: impl Fn(&FaultFigures) -> (Option<f64>, Option<f64>),
) -> Expectation {
    let measured = faults.iter().filter_map(|fault| of(fault).0).reduce(f64::max);
    let lower_bound = faults.iter().filter_map(|fault| of(fault).1).reduce(f64::max);
    let told = faults.iter().filter(|fault| of(fault).0.is_some()).count();
    let bounds = || faults.iter().filter_map(|fault| of(fault).1);
    let over = bounds().filter(|bound| *bound > expected).count();
    let open = bounds().count() - over;
    let unknown = faults.len() - told - bounds().count();
    let parts = [
        (over, "cut short by the next fault or the end, and by then over the limit"),
        (open, "cut short by the next fault or the end, not judged"),
        (unknown, "without a measure, not judged"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("; {count} {what}"));
    let note = format!("slowest of {told} measured of {} faults{}", faults.len(), parts.collect::<String>());
    at_most(name, expected, measured, lower_bound, note)
}
