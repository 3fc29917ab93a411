//! When the operations of a load arrive: one after the other, as they are asked for.

use super::Plan;
use super::profile::{Leg, Profile};
use super::recorded::Replayed;
use crate::numbers::whole;
use crate::seed::Stream;

/// Times from the start of the load, in microseconds, ascending; the load's end is not looked at.
#[derive(Debug, Clone)]
pub(super) enum Arrivals {
    Shaped(Box<Shaped>),
    Recorded(Replayed),
    /// The closed model: whoever asks gets the next one.
    AtOnce,
}

/// Arrivals along legs. The k-th of them comes when the rate, added up over time, has reached k.
#[derive(Debug, Clone)]
pub(super) struct Shaped {
    legs: Vec<Leg>,
    /// The leg under way.
    leg: usize,
    /// How many arrivals the legs before it held.
    before: f64,
    /// Of the next arrival, in arrivals.
    due: f64,
    /// Draws what lies between two arrivals; `None`: always one.
    chance: Option<Stream>,
}

impl Arrivals {
    pub(super) fn new(plan: &Plan) -> Self {
        let load = &plan.load;
        if load.is_closed() {
            return Self::AtOnce;
        }
        if let Profile::Replay(recorded) = &load.profile {
            return Self::Recorded(recorded.arrivals());
        }
        let mut chance = (load.profile == Profile::Poisson).then(|| Stream::new(plan.seed, "arrivals"));
        let due = chance.as_mut().map_or(0.0, exponential);
        let legs = load.profile.legs(load.rate, load.duration_ms);
        Self::Shaped(Box::new(Shaped { legs, leg: 0, before: 0.0, due, chance }))
    }
}

impl Iterator for Arrivals {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        match self {
            Self::Shaped(shaped) => shaped.next(),
            Self::Recorded(recorded) => recorded.next(),
            Self::AtOnce => Some(0),
        }
    }
}

impl Shaped {
    fn next(&mut self) -> Option<u64> {
        let leg = loop {
            let leg = self.legs.get(self.leg)?;
            if self.due - self.before < leg.count() {
                break leg;
            }
            self.before += leg.count();
            self.leg += 1;
        };
        let at_s = leg.when_s(self.due - self.before);
        self.due += self.chance.as_mut().map_or(1.0, exponential);
        Some(whole(at_s * 1e6))
    }
}

/// An exponential draw with mean 1.
fn exponential(chance: &mut Stream) -> f64 {
    -(1.0 - chance.unit()).ln()
}

#[cfg(test)]
mod tests;
