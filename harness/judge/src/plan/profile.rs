//! How the rate of an open schedule goes over time.

use serde::{Deserialize, Serialize};

use super::{PlanError, Recorded};
use crate::numbers::{rounded, whole};
use crate::scenario::{LoadSpec, ProfileName};

/// More operations a second than that are refused.
const RATE_MAX: f64 = 100_000.0;

/// The course of the rate. Where it is even, arrivals are too; `poisson` draws its gaps, `replay` has them recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    Constant,
    /// Exponential gaps, as of many clients who know nothing of each other.
    Poisson,
    /// From this rate evenly to the load's rate at its end.
    Ramp {
        from: f64,
    },
    /// Each for an equal part of the load.
    Steps {
        rates: Vec<f64>,
    },
    /// The load's rate, and for a while another.
    Spike {
        rate: f64,
        at_ms: u64,
        for_ms: u64,
    },
    Replay(Recorded),
}

/// A stretch of the load in which the rate goes evenly from one value to another, in operations per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Leg {
    pub(super) start_s: f64,
    pub(super) length_s: f64,
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Leg {
    /// How many arrivals it holds.
    pub(super) fn count(&self) -> f64 {
        self.until(self.length_s)
    }

    /// How many arrivals the first `length_s` of it hold.
    fn until(&self, length_s: f64) -> f64 {
        let slope = (self.to - self.from) / self.length_s;
        length_s * (self.from + slope * length_s / 2.0)
    }

    /// When so many arrivals of this leg have come, from the start of the load.
    pub(super) fn when_s(&self, arrivals: f64) -> f64 {
        let slope = (self.to - self.from) / self.length_s;
        // The root that stays exact when the slope goes to 0.
        let reached = (self.from * self.from + 2.0 * slope * arrivals).max(0.0).sqrt();
        let within = if slope == 0.0 { arrivals / self.from } else { 2.0 * arrivals / (self.from + reached) };
        self.start_s + if within.is_nan() { 0.0 } else { within }
    }
}

/// What `[load]` says of it, resolved.
pub(super) fn resolve(
    spec: &LoadSpec,
    name: ProfileName,
    rate_override: Option<f64>,
    recorded: Option<&Recorded>,
    duration_ms: u64,
) -> Result<(Profile, f64), PlanError> {
    refuse_parts_of_others(spec, name, rate_override.is_some())?;
    if name == ProfileName::Replay {
        return replay(recorded.or(spec.recorded.as_ref()), duration_ms);
    }
    let stated = match (&spec.steps, spec.rate) {
        (Some(steps), None) => steps.iter().copied().reduce(f64::max),
        (_, rate) => rate,
    };
    let rate = check(rate_override.or(stated).ok_or(PlanError::NoRate { profile: name.word() })?)?;
    // What else is stated keeps its proportion to the rate.
    let scale = stated.filter(|_| rate_override.is_some()).map_or(1.0, |stated| rate / stated);
    let profile = match name {
        ProfileName::Constant => Profile::Constant,
        ProfileName::Poisson => Profile::Poisson,
        ProfileName::Ramp => Profile::Ramp { from: at_rest(spec.from.map_or(rate / 10.0, |from| from * scale))? },
        ProfileName::Steps => {
            let quarters = || [0.25, 0.5, 0.75, 1.0].map(|share| share * rate).to_vec();
            let steps = spec.steps.as_ref().map_or_else(quarters, |steps| steps.iter().map(|step| step * scale).collect());
            Profile::Steps { rates: steps.into_iter().map(at_rest).collect::<Result<_, _>>()? }
        }
        ProfileName::Spike => spike(spec, rate, scale, duration_ms)?,
        ProfileName::Replay => unreachable!("it has returned"),
    };
    Ok((profile, rate))
}

/// A part of `[load]` that the profile does not look at would be a part that its author believes in.
fn refuse_parts_of_others(spec: &LoadSpec, name: ProfileName, rate_is_given: bool) -> Result<(), PlanError> {
    // A profile of the command line stands in for the scenario's, and its parts with it.
    if name == spec.profile.unwrap_or(ProfileName::Constant) {
        let parts = [
            ("from", spec.from.is_some(), ProfileName::Ramp),
            ("steps", spec.steps.is_some(), ProfileName::Steps),
            ("spike", spec.spike.is_some(), ProfileName::Spike),
            ("arrivals", spec.arrivals.is_some(), ProfileName::Replay),
        ];
        if let Some((part, _, owner)) = parts.into_iter().find(|(_, is_given, owner)| *is_given && *owner != name) {
            return Err(PlanError::OtherProfile { part, owner: owner.word(), profile: name.word() });
        }
        if spec.steps.is_some() && spec.rate.is_some() {
            return Err(PlanError::RateTwice { part: "steps" });
        }
        if name == ProfileName::Replay && spec.rate.is_some() {
            return Err(PlanError::RateTwice { part: "arrivals" });
        }
    }
    if name == ProfileName::Replay && rate_is_given {
        return Err(PlanError::RateTwice { part: "arrivals" });
    }
    Ok(())
}

fn spike(spec: &LoadSpec, rate: f64, scale: f64, duration_ms: u64) -> Result<Profile, PlanError> {
    let (spike, at_ms, for_ms) = match &spec.spike {
        Some(spike) => (spike.rate * scale, super::resolve::millis(spike.at), super::resolve::millis(spike.hold)),
        None => (rate * 3.0, duration_ms / 5 * 2, duration_ms / 5),
    };
    if for_ms == 0 || at_ms + for_ms > duration_ms {
        return Err(PlanError::SpikeOutside { at_ms, for_ms, duration_ms });
    }
    Ok(Profile::Spike { rate: at_rest(spike)?, at_ms, for_ms })
}

fn replay(recorded: Option<&Recorded>, duration_ms: u64) -> Result<(Profile, f64), PlanError> {
    let recorded = recorded.ok_or(PlanError::NoArrivals)?;
    let within = recorded.arrivals().take_while(|at_us| *at_us < duration_ms * 1_000).count();
    if within == 0 {
        let first_ms = recorded.arrivals().next().unwrap_or(0) / 1_000;
        return Err(PlanError::ArrivalsTooLate { first_ms, duration_ms });
    }
    Ok((Profile::Replay(recorded.clone()), rounded(within as f64 * 1_000.0 / duration_ms as f64)))
}

fn check(rate: f64) -> Result<f64, PlanError> {
    let rate = rounded(rate);
    if rate > 0.0 && rate <= RATE_MAX { Ok(rate) } else { Err(PlanError::Rate { rate }) }
}

/// A part of the load may rest.
fn at_rest(rate: f64) -> Result<f64, PlanError> {
    if rate == 0.0 { Ok(rate) } else { check(rate) }
}

impl Profile {
    /// Its legs; none where the arrivals are recorded.
    pub(super) fn legs(&self, rate: f64, duration_ms: u64) -> Vec<Leg> {
        let end_s = duration_ms as f64 / 1_000.0;
        let level = |start_s: f64, until_s: f64, rate: f64| Leg { start_s, length_s: until_s - start_s, from: rate, to: rate };
        let legs = match self {
            Self::Constant | Self::Poisson => vec![level(0.0, end_s, rate)],
            Self::Ramp { from } => vec![Leg { start_s: 0.0, length_s: end_s, from: *from, to: rate }],
            Self::Steps { rates } => {
                let length_s = end_s / rates.len() as f64;
                let step = |(number, rate): (usize, &f64)| level(number as f64 * length_s, (number + 1) as f64 * length_s, *rate);
                rates.iter().enumerate().map(step).collect()
            }
            Self::Spike { rate: spike, at_ms, for_ms } => {
                let (from_s, until_s) = (*at_ms as f64 / 1_000.0, (at_ms + for_ms) as f64 / 1_000.0);
                vec![level(0.0, from_s, rate), level(from_s, until_s, *spike), level(until_s, end_s, rate)]
            }
            Self::Replay(_) => Vec::new(),
        };
        legs.into_iter().filter(|leg| leg.length_s > 0.0).collect()
    }

    /// The most operations that begin within a stretch of this length, on average.
    pub(super) fn most_within(&self, rate: f64, duration_ms: u64, stretch_ms: u64) -> f64 {
        if let Self::Replay(recorded) = self {
            return recorded.most_within(stretch_ms * 1_000) as f64;
        }
        let highest = self.legs(rate, duration_ms).iter().map(|leg| leg.from.max(leg.to)).fold(0.0, f64::max);
        highest * stretch_ms as f64 / 1_000.0
    }

    /// When so many operations after `from_ms` have begun, on average, in milliseconds; beyond the end of the load as if its
    /// last rate went on.
    pub(super) fn so_many_by_ms(&self, rate: f64, duration_ms: u64, from_ms: u64, operations: u64) -> u64 {
        if let Self::Replay(recorded) = self {
            let mut after = recorded.arrivals().skip_while(|at_us| *at_us < from_ms * 1_000);
            let nth = usize::try_from(operations).unwrap_or(usize::MAX);
            return after.nth(nth).map_or(u64::MAX, |at_us| at_us.div_ceil(1_000));
        }
        let legs = self.legs(rate, duration_ms);
        let begin_s = from_ms as f64 / 1_000.0;
        let before = |leg: &Leg| leg.until((begin_s - leg.start_s).clamp(0.0, leg.length_s));
        let mut left = operations as f64 + legs.iter().map(before).sum::<f64>();
        for (number, leg) in legs.iter().enumerate() {
            if number + 1 == legs.len() && left > leg.count() {
                let end_s = leg.start_s + leg.length_s;
                return ms_up((left - leg.count()) / leg.to + end_s);
            }
            if left <= leg.count() {
                return ms_up(leg.when_s(left));
            }
            left -= leg.count();
        }
        u64::MAX
    }
}

/// Whole milliseconds, rounded up; six digits are kept, so that 13.000000000001 s are 13,000 ms.
fn ms_up(seconds: f64) -> u64 {
    whole(rounded(seconds * 1_000.0).ceil())
}
