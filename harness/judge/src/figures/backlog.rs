//! The backlog over time: how deep it got, when it was drained after each fault, and so where fault windows end.

use crate::history::{History, Op, OpKind, Outcome, Sample};
use crate::numbers::whole;
use crate::plan::Plan;
use crate::report::Outbox;
use crate::timeline::{Edges, FaultSpan};

/// A drained backlog must stay so for this long.
const HELD_US: u64 = 5_000_000;
/// For so much of it in all it may be deeper: a machine that stands still for a moment brings no backlog back.
const SPARED_US: u64 = 1_000_000;

/// A backlog of so little is the normal flicker of a serving cluster, whatever the steady state was: the orders that come in
/// so many seconds, and a few in any case.
const FLICKER_S: f64 = 0.05;
const FLICKER_MIN: u64 = 10;

/// From the injection call until the backlog that the fault left is drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from_us: u64,
    pub(crate) until_us: u64,
}

impl Window {
    pub(crate) fn meets(self, from_us: u64, until_us: u64) -> bool {
        self.from_us <= until_us && from_us <= self.until_us
    }
}

/// A time that was measured, or of which only a lower bound is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measured {
    Took(u64),
    /// Cut short by the next fault or the end; it is known to have taken at least so many microseconds.
    Censored(u64),
    /// There is nothing to measure it by.
    Unknown,
}

impl Measured {
    pub(crate) fn took_ms(self) -> Option<f64> {
        if let Self::Took(us) = self { Some(us as f64 / 1_000.0) } else { None }
    }

    pub(crate) fn censored_ms(self) -> Option<f64> {
        if let Self::Censored(us) = self { Some(us as f64 / 1_000.0) } else { None }
    }
}

/// The backlog of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Backlog {
    pub(crate) outbox: OutboxDepth,
    /// By fault; `None` for one that was never injected.
    pub(crate) windows: Vec<Option<Window>>,
    /// By fault: from issuing the heal until outbox and consumers were drained.
    pub(crate) drains: Vec<Measured>,
    /// By fault: the same for the outbox alone.
    pub(crate) outbox_drains: Vec<Measured>,
}

/// What the gauge of the outbox read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct OutboxDepth {
    pub(crate) max: Option<u64>,
    pub(crate) oldest_age_ms_max: Option<u64>,
    pub(crate) steady_max: Option<u64>,
}

impl Backlog {
    pub(crate) fn figures(&self) -> Outbox {
        Outbox {
            depth_max: self.outbox.max,
            oldest_age_ms_max: self.outbox.oldest_age_ms_max,
            drain_ms: self.outbox_drains.iter().filter_map(|drain| drain.took_ms()).reduce(f64::max),
            drain_censored: self.outbox_drains.iter().filter(|drain| drain.censored_ms().is_some()).count() as u64,
        }
    }
}

/// Readings of one level over time.
#[derive(Debug, Default)]
struct Level {
    readings: Vec<(u64, u64)>,
}

impl Level {
    fn max_within(&self, from_us: u64, until_us: u64) -> Option<u64> {
        let within = self.readings.iter().filter(|(t_us, _)| (from_us..until_us).contains(t_us));
        within.map(|(_, level)| *level).max()
    }

    /// From `heal_us` to the first reading from which on the level stays at or below `limit`, but for [`SPARED_US`].
    fn drained(&self, heal_us: u64, limit: u64, cut: Cut) -> Measured {
        let start = self.readings.partition_point(|(t_us, _)| *t_us < heal_us);
        let end = self.readings.partition_point(|(t_us, _)| *t_us <= cut.at_us);
        let after = self.readings.get(start..end).unwrap_or_default();
        let Some((last_us, _)) = after.last() else {
            let watched = !self.readings.is_empty();
            return if watched { Measured::Censored(0) } else { Measured::Unknown };
        };
        let drained_us = after.iter().enumerate().find_map(|(from, (t_us, level))| {
            let stays = || after.get(from..).is_some_and(|readings| stays(readings, limit));
            (*level <= limit && stays()).then_some(*t_us)
        });
        match drained_us {
            Some(at_us) if cut.settles || last_us - at_us >= HELD_US => Measured::Took(at_us - heal_us),
            // It may have been drained from then on, and if it is still deep, right after the last reading.
            _ => Measured::Censored(drained_us.unwrap_or(*last_us).saturating_sub(heal_us)),
        }
    }
}

/// Is the level low from the first reading on, as long as it has to be or is known?
fn stays(readings: &[(u64, u64)], limit: u64) -> bool {
    let until_us = readings.first().map_or(0, |(first_us, _)| first_us + HELD_US);
    let mut deep_us = 0;
    for ((from_us, from), (to_us, to)) in readings.iter().zip(readings.iter().skip(1)) {
        // It crossed the limit somewhere between a reading below and one above.
        deep_us += (to_us - from_us) / 2 * (u64::from(*from > limit) + u64::from(*to > limit));
        if *to_us >= until_us {
            break;
        }
    }
    deep_us <= SPARED_US
}

/// Where the watch after a heal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) at_us: u64,
    /// It ends because quiescence was proven, so that what is drained stays drained.
    pub(crate) settles: bool,
}

/// The watch after the heal of fault `number`: until the next fault, at once if another one still holds, or until
/// `end_us`.
pub(crate) fn cut(spans: &[FaultSpan], number: usize, heal_us: u64, end_us: u64, settles: bool) -> Cut {
    let others = || spans.iter().enumerate().filter(|(other, _)| *other != number).map(|(_, span)| span);
    if others().any(|span| span.inject_us.is_some_and(|inject_us| inject_us <= heal_us) && span.holds_within(heal_us, heal_us)) {
        return Cut { at_us: heal_us, settles: false };
    }
    let next = others().filter_map(|span| span.inject_us).filter(|inject_us| *inject_us > heal_us).min();
    match next {
        Some(at_us) if at_us < end_us => Cut { at_us, settles: false },
        _ => Cut { at_us: end_us, settles },
    }
}

pub(crate) fn measure(plan: &Plan, history: &History, samples: &[Sample], edges: Edges, spans: &[FaultSpan]) -> Backlog {
    let mut outbox = Level::default();
    let mut consumers = Level::default();
    let mut depth = OutboxDepth::default();
    for sample in samples {
        match sample {
            Sample::Outbox { t_us, depth: rows, oldest_age_ms } => {
                outbox.readings.push((*t_us, *rows));
                depth.max = depth.max.max(Some(*rows));
                depth.oldest_age_ms_max = depth.oldest_age_ms_max.max(Some(*oldest_age_ms));
            }
            Sample::Stream { t_us, consumers: states, .. } => {
                let behind = states.values().map(|state| state.pending + state.ack_pending).sum();
                consumers.readings.push((*t_us, behind));
            }
            _ => {}
        }
    }
    outbox.readings.sort_unstable();
    consumers.readings.sort_unstable();
    let steady_from_us = edges.load_start_us + plan.load.warm_up_ms * 1_000;
    let steady_until_us = spans.iter().filter_map(|span| span.inject_us).min().unwrap_or(edges.load_end_us);
    depth.steady_max = outbox.max_within(steady_from_us, steady_until_us);
    let steady_consumers = consumers.max_within(steady_from_us, steady_until_us);
    // Each order is once in the outbox, and once before each node.
    let per_s = orders_per_s(history, steady_from_us, steady_until_us);
    let outbox_limit = limit(depth.steady_max, per_s);
    let consumers_limit = limit(steady_consumers, per_s * plan.roster.len() as f64);

    let settles = history.quiescence.as_ref().is_some_and(|quiescence| quiescence.reached);
    let mut windows = Vec::new();
    let mut drains = Vec::new();
    let mut outbox_drains = Vec::new();
    for (number, span) in spans.iter().enumerate() {
        let watch = span.heal_us.map(|heal_us| (heal_us, cut(spans, number, heal_us, edges.end_us, settles)));
        let of = |level: &Level, limit| watch.map_or(Measured::Unknown, |(heal_us, cut)| level.drained(heal_us, limit, cut));
        let outbox_drain = of(&outbox, outbox_limit);
        let drain =
            if consumers.readings.is_empty() { outbox_drain } else { longer(outbox_drain, of(&consumers, consumers_limit)) };
        windows.push(span.inject_us.map(|from_us| Window { from_us, until_us: window_end(span, drain, watch, edges) }));
        drains.push(drain);
        outbox_drains.push(outbox_drain);
    }
    Backlog { outbox: depth, windows, drains, outbox_drains }
}

/// The deepest that is none, after a steady state of that depth at most, with so many orders a second.
fn limit(steady_max: Option<u64>, per_s: f64) -> u64 {
    let twice = steady_max.map_or(0, |max| 2 * max);
    twice.max(whole(per_s * FLICKER_S)).max(FLICKER_MIN)
}

/// New orders that were to come in that time and were acknowledged.
fn orders_per_s(history: &History, from_us: u64, until_us: u64) -> f64 {
    let is_new = |op: &&Op| op.kind == OpKind::Place && op.outcome() == Outcome::Ok;
    let came = history.ops.iter().filter(|op| (from_us..until_us).contains(&op.intended_us)).filter(is_new).count();
    came as f64 * 1e6 / until_us.saturating_sub(from_us).max(1) as f64
}

/// Both must be drained.
fn longer(one: Measured, other: Measured) -> Measured {
    match (one, other) {
        (Measured::Unknown, _) | (_, Measured::Unknown) => Measured::Unknown,
        (Measured::Took(a), Measured::Took(b)) => Measured::Took(a.max(b)),
        (Measured::Censored(a) | Measured::Took(a), Measured::Censored(b) | Measured::Took(b)) => Measured::Censored(a.max(b)),
    }
}

/// Where the next fault cuts the watch, its own window goes on.
fn window_end(span: &FaultSpan, drain: Measured, watch: Option<(u64, Cut)>, edges: Edges) -> u64 {
    let Some((heal_us, cut)) = watch else {
        return edges.end_us;
    };
    let drained_us = match drain {
        Measured::Took(us) => heal_us + us,
        Measured::Censored(_) => cut.at_us,
        Measured::Unknown => heal_us,
    };
    drained_us.max(span.healed_us.unwrap_or(edges.end_us))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LOAD_START_US, Story};

    #[test]
    fn twice_the_steady_state_is_no_backlog_nor_are_the_orders_of_a_twentieth_of_a_second_nor_a_few() {
        assert_eq!((limit(Some(40), 1_000.0), limit(Some(24), 1_000.0), limit(None, 1_000.0)), (80, 50, 50));
        assert_eq!((limit(Some(2), 100.0), limit(None, 0.0)), (10, 10));
    }

    #[test]
    fn orders_count_that_came_then_and_were_acknowledged() {
        let mut story = Story::good(1_000);
        (400..450).for_each(|order| story.refuse(order, 503));
        let from_us = LOAD_START_US + 2_000_000;
        let per_s = orders_per_s(&story.history(), from_us, from_us + 4_000_000);
        assert!((per_s - 87.5).abs() < 1e-9, "{per_s}");
    }
}
