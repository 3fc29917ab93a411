//! The random nemesis: what the seed draws becomes fixed faults of the plan, so that a plan alone tells what will happen.

use std::collections::BTreeSet;

use super::resolve::millis;
use super::targets::{self, Target};
use super::{Abilities, Fault, Load, Part, PlanError, checks};
use crate::scenario::{DrawnSpec, NemesisSpec};
use crate::seed::Stream;

/// How finely times are searched for a free place.
const STEP_MS: u64 = 50;
/// So many draws in a row without a place, and the time is full.
const MISSES_MAX: usize = 12;
/// No plan is worth more faults than that.
const FAULTS_MAX: usize = 1_000;
/// Beyond the calm, the pause before a fault is up to so much longer.
const PAUSE_MS: u64 = 2_000;

/// A fault that can be drawn.
struct Card {
    /// Without services and times.
    fault: Fault,
    target: Target,
    weight: u64,
    /// Least and greatest length; (0, 0) for a fault that heals itself.
    hold_ms: (u64, u64),
}

/// What the draws have to keep to.
struct Rules<'a> {
    roster: &'a [String],
    from_ms: u64,
    until_ms: u64,
    at_most: usize,
    calm_ms: u64,
}

/// Draws the faults of a `[nemesis]` around those that stand already.
pub(super) fn draw(
    spec: &NemesisSpec,
    seed: u64,
    load: &Load,
    roster: &[String],
    abilities: &Abilities,
    fixed: &[Fault],
) -> Result<Vec<Fault>, PlanError> {
    let rules = rules(spec, load, roster)?;
    let cards = cards(spec, seed, &rules, abilities)?;
    let mut stream = Stream::new(seed, "nemesis");
    let mut all = fixed.to_vec();
    let (mut now_ms, mut misses) = (rules.from_ms, 0);
    while misses < MISSES_MAX && all.len() < fixed.len() + FAULTS_MAX {
        let card = pick(&cards, &mut stream);
        let for_ms = card.hold_ms.0 + stream.below(card.hold_ms.1 - card.hold_ms.0 + 1);
        let earliest_ms = now_ms + stream.below(PAUSE_MS + 1);
        let mut nodes = roster.to_vec();
        stream.shuffle(&mut nodes);
        match rules.place(card, for_ms, earliest_ms, &nodes, &all) {
            Some(fault) => {
                now_ms = if rules.at_most == 1 { fault.held_until_ms() + rules.calm_ms } else { fault.at_ms };
                misses = 0;
                all.push(fault);
            }
            None => misses += 1,
        }
    }
    let drawn = all.split_off(fixed.len());
    if drawn.is_empty() {
        return Err(PlanError::NoRoom { from_ms: rules.from_ms, until_ms: rules.until_ms });
    }
    Ok(drawn)
}

fn rules<'a>(spec: &NemesisSpec, load: &Load, roster: &'a [String]) -> Result<Rules<'a>, PlanError> {
    let steady_by_ms = load.steady_by_ms();
    let from_ms = spec.from.map_or(steady_by_ms, millis);
    let until_ms = spec.until.map_or(load.duration_ms, millis);
    if from_ms < steady_by_ms || until_ms > load.duration_ms || from_ms >= until_ms {
        return Err(PlanError::NemesisTime { from_ms, until_ms, steady_by_ms, duration_ms: load.duration_ms });
    }
    Ok(Rules { roster, from_ms, until_ms, at_most: spec.at_most, calm_ms: millis(spec.calm) })
}

/// Every card is checked, drawn or not: whether a scenario can be planned must not depend on the seed.
fn cards(spec: &NemesisSpec, seed: u64, rules: &Rules<'_>, abilities: &Abilities) -> Result<Vec<Card>, PlanError> {
    let lettered = targets::lettered(seed, rules.roster);
    let card = |(number, drawn): (usize, &DrawnSpec)| {
        let name = || format!("fault {} of [nemesis] ({} {})", number + 1, drawn.kind.word(), drawn.target);
        let target = targets::read(&drawn.target, rules.roster, &lettered)
            .map_err(|source| PlanError::Target { fault: name(), source })?;
        let (services, hurt) = match &target {
            Target::Fixed(services) => (services.clone(), services.len()),
            Target::Picked(count) => (rules.roster.to_vec(), *count),
            Target::Dynamic => (Vec::new(), 1),
        };
        let mut fault = Fault { kind: drawn.kind, target: drawn.target.clone(), services, at_ms: 0, for_ms: 0 };
        checks::check_by_itself(&fault, rules.roster, abilities, name)?;
        let hold_ms = drawn.hold.map(|(least, most)| (millis(least), millis(most)));
        checks::check_count(&fault, hurt, name)?;
        checks::check_length(drawn.kind, hold_ms.map_or(0, |(least_ms, _)| least_ms), name)?;
        if hurt > rules.at_most {
            return Err(PlanError::HurtsTooMany { fault: name(), hurt, at_most: rules.at_most });
        }
        if fault.dynamic() == Some(targets::Dynamic::LastHit) || (target == Target::Dynamic && rules.at_most > 1) {
            return Err(PlanError::NotToBeDrawn { fault: name() });
        }
        fault.services.clear();
        Ok(Card { fault, target, weight: u64::from(drawn.weight), hold_ms: hold_ms.unwrap_or_default() })
    };
    spec.faults.iter().enumerate().map(card).collect()
}

fn pick<'a>(cards: &'a [Card], stream: &mut Stream) -> &'a Card {
    let mut draw = stream.below(cards.iter().map(|card| card.weight).sum());
    let drawn = cards.iter().find(|card| {
        let is_it = draw < card.weight;
        draw = draw.saturating_sub(card.weight);
        is_it
    });
    drawn.unwrap_or(&cards[0])
}

impl Rules<'_> {
    /// The first moment from `earliest_ms` on at which the card keeps to the rules. `nodes` is the order of preference.
    fn place(&self, card: &Card, for_ms: u64, earliest_ms: u64, nodes: &[String], others: &[Fault]) -> Option<Fault> {
        let mut fault = Fault { at_ms: earliest_ms, for_ms, ..card.fault.clone() };
        while fault.held_until_ms() <= self.until_ms {
            if let Some(services) = self.services(card, &fault, nodes, others) {
                return Some(Fault { services, ..fault });
            }
            fault.at_ms += STEP_MS;
        }
        None
    }

    /// What the fault would hit at its time; `None` if the rules forbid it.
    fn services(&self, card: &Card, fault: &Fault, nodes: &[String], others: &[Fault]) -> Option<Vec<String>> {
        let is_near = |other: &&Fault, calm_ms: u64| {
            fault.at_ms < other.held_until_ms() + calm_ms && other.at_ms < fault.held_until_ms() + calm_ms
        };
        if self.at_most == 1 && others.iter().any(|other| is_near(&other, self.calm_ms)) {
            return None;
        }
        let scales = |other: &Fault| other.kind.part() == Part::Scale;
        if scales(fault) && others.iter().any(|other| scales(other) && is_near(&other, 0)) {
            return None;
        }
        let resting: BTreeSet<&String> =
            others.iter().filter(|other| is_near(other, self.calm_ms)).flat_map(|other| other.may_hold(self.roster)).collect();
        let services = match &card.target {
            Target::Fixed(services) if services.iter().any(|service| resting.contains(service)) => return None,
            Target::Fixed(services) => services.clone(),
            Target::Picked(count) => {
                let mut free: Vec<String> = nodes.iter().filter(|node| !resting.contains(node)).take(*count).cloned().collect();
                free.sort();
                if free.len() < *count {
                    return None;
                }
                free
            }
            Target::Dynamic => Vec::new(),
        };
        // All that overlaps anywhere counts, which is at least as many as at any one moment.
        let mut hurt: BTreeSet<&String> =
            others.iter().filter(|other| is_near(other, 0)).flat_map(|other| other.may_hold(self.roster)).collect();
        hurt.extend(&services);
        (hurt.len() <= self.at_most).then_some(services)
    }
}

#[cfg(test)]
mod tests;
