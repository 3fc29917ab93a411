//! Everything that is measured, from the history and the samples alone.

pub(crate) mod availability;
pub(crate) mod backlog;
pub(crate) mod clock;
mod coarse;
mod detection;
pub(crate) mod exercised;
pub(crate) mod expectations;
pub(crate) mod histogram;
mod injection;
mod latency;
pub(crate) mod phases;
pub(crate) mod propagation;
pub(crate) mod recovery;
pub(crate) mod requests;
mod resources;
mod series;

use std::collections::BTreeMap;

use crate::case::Case;
use crate::fate::Fate;
use crate::figure::{self, Figure};
use crate::history::Sample;
use crate::report::interval_log::Timings;
use crate::report::{
    Expectation, FaultFigures, Injection, Latency, LoadFigures, Outbox, PhaseFigures, Propagation, Requests, Resources, Series,
    SteadyState,
};
use series::{Grid, OverTime};

/// All figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) load: LoadFigures,
    pub(crate) steady_state: Option<SteadyState>,
    pub(crate) propagation: Propagation,
    pub(crate) requests: Requests,
    pub(crate) latency: Latency,
    pub(crate) outbox: Outbox,
    pub(crate) resources: Resources,
    pub(crate) faults: Vec<FaultFigures>,
    pub(crate) injection: Injection,
    pub(crate) availability: Option<f64>,
    pub(crate) availability_all: Option<f64>,
    pub(crate) by_phase: BTreeMap<String, Vec<PhaseFigures>>,
    pub(crate) exercised: BTreeMap<String, u64>,
    /// All of them by name.
    pub(crate) named: Vec<Figure>,
    pub(crate) expectations: Vec<Expectation>,
    pub(crate) series: Option<Series>,
    pub(crate) timings: Timings,
}

pub(crate) fn measure(case: &Case<'_>, fates: &[Fate], samples: &[Sample]) -> Figures {
    let readings = recovery::Readings::of(case);
    let mut over_time = OverTime::new(Grid::of(case));
    let phases = phases::of(case);
    let mut timings = latency::timings(case, &readings);
    let steady = recovery::steady_interval(case);
    let propagation = propagation::measure(case, fates, steady, &phases, &mut over_time, &mut timings);
    let mut latency = latency::measure(case, &readings, &phases, &propagation.by_phase);
    latency.propagation_ms_per_pair = propagation.per_pair;
    let steady_state = recovery::steady_state(case, &readings, &propagation.steady);
    let recoveries = recovery::recoveries(case, &readings, steady_state.as_ref());
    let (injection, of_faults) = injection::measure(case);
    let faults = faults(case, &recoveries, &of_faults);
    let (availability, availability_all) = availability::measure(case);
    let mut figures = Figures {
        load: requests::load(case),
        steady_state,
        propagation: propagation.figures,
        requests: requests::measure(case),
        latency,
        outbox: case.backlog.figures(),
        resources: resources::measure(case),
        faults,
        injection,
        availability,
        availability_all,
        by_phase: availability::by_phase(case),
        exercised: exercised::measure(case),
        named: Vec::new(),
        expectations: Vec::new(),
        series: Some(series::measure(case, samples, &over_time)),
        timings: timings.sorted(),
    };
    figures.named = figure::all(&figures);
    figures.expectations = expectations::judge(&case.plan.expect, &figures);
    figures
}

fn faults(case: &Case<'_>, recoveries: &[backlog::Measured], injections: &[injection::OfFault]) -> Vec<FaultFigures> {
    let detections = detection::measure(case);
    let ms = |t_us: Option<u64>| t_us.map(|t_us| case.edges.ms(t_us));
    let measured = case.spans.iter().zip(recoveries).zip(case.backlog.drains.iter().zip(&case.backlog.windows));
    case.plan
        .faults
        .iter()
        .zip(measured)
        .zip(injections.iter().zip(detections))
        .map(|((fault, ((span, recovery), (drain, window))), (injection, detection_ms))| FaultFigures {
            kind: fault.kind,
            target: fault.target.clone(),
            services: span.services.clone(),
            planned_at_ms: fault.at_ms,
            injected_at_ms: ms(span.inject_us),
            injection_error_ms: injection.error_ms,
            effect_ms: injection.effect_ms,
            detection_ms,
            healed_at_ms: ms(span.healed_us),
            effect_verified: span.effect_verified,
            heal_verified: span.heal_verified,
            recovery_ms: recovery.took_ms(),
            recovery_censored_ms: recovery.censored_ms(),
            drain_ms: drain.took_ms(),
            drain_censored_ms: drain.censored_ms(),
            window_end_ms: ms(window.map(|window| window.until_us)),
        })
        .collect()
}

#[cfg(test)]
mod tests;
