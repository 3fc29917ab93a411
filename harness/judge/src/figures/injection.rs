//! How punctual the nemesis was: from a fault's planned time to the call that injected it, and on to the proof of its effect.

use std::collections::BTreeMap;

use crate::case::Case;
use crate::history::{FaultStep, Step};
use crate::plan::FaultKind;
use crate::report::{Delays, Injection};

/// Over all targets of one fault, in milliseconds: the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct OfFault {
    pub(super) error_ms: Option<f64>,
    pub(super) effect_ms: Option<f64>,
}

/// For the whole run, and by fault.
pub(super) fn measure(case: &Case<'_>) -> (Injection, Vec<OfFault>) {
    let (mut errors, mut effects) = (Vec::new(), Vec::new());
    let of_faults = case.plan.faults.iter().enumerate().map(|(number, fault)| {
        let planned_us = case.edges.load_start_us + fault.at_ms * 1_000;
        let struck = struck(case.history.faults.iter().filter(|step| step.fault == number));
        let mut injected: Vec<u64> = struck.values().map(|(inject_us, _)| *inject_us).collect();
        injected.sort_unstable();
        if fault.kind == FaultKind::RollingRestart {
            // The plan has a time for the first one only.
            injected.truncate(1);
        }
        let error = injected.iter().map(|inject_us| inject_us.abs_diff(planned_us));
        let effect = struck.values().filter_map(|(inject_us, shown_us)| Some(shown_us.as_ref()?.saturating_sub(*inject_us)));
        let of_fault = OfFault { error_ms: error.clone().max().map(ms), effect_ms: effect.clone().max().map(ms) };
        errors.extend(error);
        effects.extend(effect);
        of_fault
    });
    let of_faults = of_faults.collect();
    (Injection { error_ms: spread(errors), effect_ms: spread(effects) }, of_faults)
}

/// By target: when the call was issued, and when its effect was shown.
fn struck<'a>(steps: impl Iterator<Item = &'a FaultStep>) -> BTreeMap<&'a str, (u64, Option<u64>)> {
    let mut struck: BTreeMap<&str, (u64, Option<u64>)> = BTreeMap::new();
    for step in steps {
        match step.step {
            Step::Inject => {
                struck.entry(&step.target).or_insert((step.t_us, None));
            }
            Step::EffectVerified => {
                if let Some((_, shown_us)) = struck.get_mut(step.target.as_str()) {
                    shown_us.get_or_insert(step.t_us);
                }
            }
            _ => {}
        }
    }
    struck
}

/// Of few values, so by the nearest rank.
fn spread(mut values_us: Vec<u64>) -> Delays {
    values_us.sort_unstable();
    let rank = |percent: usize| (values_us.len() * percent).div_ceil(100).checked_sub(1);
    let at = |percent| rank(percent).and_then(|rank| values_us.get(rank)).copied().map(ms);
    Delays { count: values_us.len() as u64, p50: at(50), p99: at(99), max: at(100) }
}

fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Entry;
    use crate::plan::Fault;
    use crate::testing::{LOAD_START_US, NODES, Story};

    fn step(fault: usize, target: &str, step: Step, at_us: u64) -> Entry {
        let target = target.to_owned();
        Entry::Fault(FaultStep { t_us: LOAD_START_US + at_us, fault, target, step, detail: String::new() })
    }

    fn fault(kind: FaultKind, services: &[&str], at_ms: u64) -> Fault {
        let services = services.iter().map(|service| (*service).to_owned()).collect();
        Fault { kind, target: "test".to_owned(), services, at_ms, for_ms: 100 }
    }

    #[test]
    fn error_is_from_the_plan_to_the_call_and_the_effect_from_the_call_to_its_proof() {
        let mut story = Story::good(60);
        story.plan.faults.push(fault(FaultKind::Pause, &NODES[..2], 100));
        story.plan.faults.push(fault(FaultKind::RollingRestart, &NODES[..2], 200));
        story.plan.faults.push(fault(FaultKind::Kill, &NODES[..1], 300));
        story.entries.extend([
            step(0, NODES[0], Step::Inject, 101_500),
            step(0, NODES[1], Step::Inject, 104_000),
            step(0, NODES[1], Step::EffectVerified, 124_000),
            step(0, NODES[0], Step::EffectVerified, 181_500),
            step(1, NODES[0], Step::Inject, 202_000),
            step(1, NODES[0], Step::EffectVerified, 252_000),
            step(1, NODES[1], Step::Inject, 290_000),
            step(1, NODES[1], Step::Ineffective, 295_000),
        ]);
        let report = story.report();
        let figures: Vec<_> = report.faults.iter().map(|fault| (fault.injection_error_ms, fault.effect_ms)).collect();
        assert_eq!(figures, [(Some(4.0), Some(80.0)), (Some(2.0), Some(50.0)), (None, None)]);
        let Injection { error_ms, effect_ms } = report.injection;
        assert_eq!(error_ms, Delays { count: 3, p50: Some(2.0), p99: Some(4.0), max: Some(4.0) });
        assert_eq!(effect_ms, Delays { count: 3, p50: Some(50.0), p99: Some(80.0), max: Some(80.0) });
    }

    #[test]
    fn a_run_without_faults_has_no_such_figures() {
        assert_eq!(Story::good(60).report().injection, Injection::default());
    }
}
