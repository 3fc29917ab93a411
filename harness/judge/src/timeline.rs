//! When things happened in a run: the load, and each fault from its injection to its proven end.

use crate::history::{FaultStep, History, Phase, Step};
use crate::plan::{Fault, Plan};

/// The edges of a run on its clock, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the unit stands last in every name")]
pub(crate) struct Edges {
    pub(crate) load_start_us: u64,
    pub(crate) load_end_us: u64,
    /// The last moment that the history knows of.
    pub(crate) end_us: u64,
}

impl Edges {
    pub(crate) fn of(plan: &Plan, history: &History) -> Self {
        let first_intended = history.ops.iter().map(|op| op.intended_us).min();
        let load_start_us = history.phase_us(Phase::Load).or(first_intended).unwrap_or(0);
        Self {
            load_start_us,
            load_end_us: load_start_us + plan.load.duration_ms * 1_000,
            end_us: history.end_us.unwrap_or(0).max(history.last_us),
        }
    }

    /// Milliseconds from the start of the load.
    pub(crate) fn ms(&self, t_us: u64) -> f64 {
        (t_us as f64 - self.load_start_us as f64) / 1_000.0
    }
}

/// A fault of the plan as it really happened, over all its services.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FaultSpan {
    /// The services that were really hit, in the order in which that began.
    pub(crate) services: Vec<String>,
    /// The first injection call was issued.
    pub(crate) inject_us: Option<u64>,
    /// The last heal call was issued; for a fault that heals itself, its injection call returned.
    pub(crate) heal_us: Option<u64>,
    /// The last service was proven healed, or at least its heal call had returned.
    pub(crate) healed_us: Option<u64>,
    /// On every service.
    pub(crate) effect_verified: bool,
    /// On every service.
    pub(crate) heal_verified: bool,
    /// What is missing, a line each.
    pub(crate) problems: Vec<String>,
}

impl FaultSpan {
    /// Does it hold its services at any moment of the interval?
    pub(crate) fn holds_within(&self, from_us: u64, until_us: u64) -> bool {
        let Some(inject_us) = self.inject_us else {
            return false;
        };
        inject_us <= until_us && self.healed_us.is_none_or(|healed_us| healed_us >= from_us)
    }

    /// The same, for one service.
    pub(crate) fn holds(&self, service: &str, from_us: u64, until_us: u64) -> bool {
        self.services.iter().any(|hit| hit == service) && self.holds_within(from_us, until_us)
    }
}

/// One span for each fault of the plan.
pub(crate) fn spans(plan: &Plan, history: &History) -> Vec<FaultSpan> {
    plan.faults
        .iter()
        .enumerate()
        .map(|(number, fault)| {
            let steps: Vec<&FaultStep> = history.faults.iter().filter(|step| step.fault == number).collect();
            let mut span = FaultSpan {
                services: targets(&steps, |step| step == Step::Inject),
                inject_us: first(&steps, Step::Inject),
                heal_us: last(&steps, Step::Heal)
                    .or_else(|| fault.kind.heals_itself().then(|| last(&steps, Step::Injected)).flatten()),
                healed_us: last(&steps, Step::HealVerified).or_else(|| last(&steps, Step::Healed)),
                effect_verified: true,
                heal_verified: true,
                problems: Vec::new(),
            };
            for service in meant(fault, &steps) {
                let of_service: Vec<&FaultStep> = steps.iter().copied().filter(|step| step.target == service).collect();
                inspect(&mut span, &service, &of_service);
            }
            span
        })
        .collect()
}

/// Every service that the fault should have hit: those of the plan, and those that it was aimed at in the run.
fn meant(fault: &Fault, steps: &[&FaultStep]) -> Vec<String> {
    let mut meant = fault.services.clone();
    meant.extend(targets(steps, |_| true).into_iter().filter(|service| !fault.services.contains(service)));
    if meant.is_empty() {
        // The target was never found.
        meant.push(fault.target.clone());
    }
    meant
}

/// The services of some steps, each once, in order.
fn targets(steps: &[&FaultStep], wanted: impl Fn(Step) -> bool) -> Vec<String> {
    let mut targets: Vec<String> = Vec::new();
    for step in steps.iter().filter(|step| wanted(step.step)) {
        if !targets.contains(&step.target) {
            targets.push(step.target.clone());
        }
    }
    targets
}

/// Whether one service was really hit and really healed.
fn inspect(span: &mut FaultSpan, service: &str, steps: &[&FaultStep]) {
    let detail = |step: Step| steps.iter().rev().find(|found| found.step == step).map(|found| found.detail.as_str());
    if let Some(why) = detail(Step::Ineffective) {
        span.effect_verified = false;
        span.problems.push(format!("{service}: the effect could not be shown: {why}"));
    } else if detail(Step::EffectVerified).is_none() {
        span.effect_verified = false;
        let what = if detail(Step::Inject).is_some() { "its effect was never verified" } else { "it was never injected" };
        span.problems.push(format!("{service}: {what}"));
    }
    if let Some(why) = detail(Step::Unhealed) {
        span.heal_verified = false;
        span.problems.push(format!("{service}: it could not be shown that it is healed: {why}"));
    } else if detail(Step::HealVerified).is_none() {
        span.heal_verified = false;
        if detail(Step::Inject).is_some() {
            span.problems.push(format!("{service}: its heal was never verified"));
        }
    }
}

fn first(steps: &[&FaultStep], wanted: Step) -> Option<u64> {
    steps.iter().filter(|step| step.step == wanted).map(|step| step.t_us).min()
}

fn last(steps: &[&FaultStep], wanted: Step) -> Option<u64> {
    steps.iter().filter(|step| step.step == wanted).map(|step| step.t_us).max()
}
