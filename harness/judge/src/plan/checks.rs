//! What is refused before a run: faults that could not be injected, not be healed in time, or not be told apart.

use super::error::FAULT_MIN_MS;
use super::{Abilities, Dynamic, Fault, FaultKind, Load, Need, Part, Plan, PlanError, limits};

/// How long before a fault on `last-hit` an earlier one must begin, so that it is known when the target is looked at.
const KNOWN_BEFORE_MS: u64 = 1_000;

impl Plan {
    /// Looks again when the cluster is known.
    ///
    /// # Errors
    /// The first fault that a cluster with these abilities cannot inject, and why.
    pub fn can_be_injected(&self, abilities: &Abilities) -> Result<(), PlanError> {
        let mut faults = self.faults.iter().enumerate();
        faults.try_for_each(|(number, fault)| check_need(fault.kind, abilities, || describe(number, fault)))
    }
}

/// Checks each fault for itself, then all against each other. They stand in the order of their times.
pub(super) fn check(faults: &[Fault], load: &Load, roster: &[String], abilities: &Abilities) -> Result<(), PlanError> {
    for (number, fault) in faults.iter().enumerate() {
        let name = || describe(number, fault);
        check_by_itself(fault, roster, abilities, name)?;
        check_count(fault, fault.services.len(), name)?;
        check_time(fault, load, name)?;
        if fault.dynamic() == Some(Dynamic::LastHit) {
            check_last_hit(number, fault, &faults[..number], roster)?;
        }
    }
    refuse_overlaps(faults, roster)
}

/// Whether it can be injected at all, whenever that is.
pub(super) fn check_by_itself(
    fault: &Fault,
    roster: &[String],
    abilities: &Abilities,
    name: impl Fn() -> String,
) -> Result<(), PlanError> {
    let (kind, scope) = (fault.kind, fault.kind.scope());
    if let Some(service) = fault.may_hold(roster).iter().find(|service| !scope.takes(service, roster)) {
        let service = service.clone();
        return Err(PlanError::Scope { fault: name(), kind: kind.word(), scope: scope.words(), service });
    }
    if kind.need() == Some(Need::Proxy)
        && let Some(service) = fault.may_hold(roster).iter().find(|service| shares_links(service, roster))
    {
        return Err(PlanError::SharedLinks { fault: name(), service: service.clone() });
    }
    limits::check(kind, roster.len(), &name)?;
    check_need(kind, abilities, name)
}

fn check_need(kind: FaultKind, abilities: &Abilities, name: impl FnOnce() -> String) -> Result<(), PlanError> {
    if let Some(why) = abilities.refuses(kind) {
        return Err(PlanError::Refused { fault: name(), why });
    }
    match kind.need().and_then(|need| Some((need, abilities.lacks(need)?))) {
        None => Ok(()),
        Some((need, why)) => Err(PlanError::Need { fault: name(), need: need.words(), why: why.to_owned() }),
    }
}

/// Further nodes are made once, after one that there is. `hit` says how many services are hit, where that is known.
pub(super) fn check_count(fault: &Fault, hit: usize, name: impl FnOnce() -> String) -> Result<(), PlanError> {
    let several = hit > 1 || fault.dynamic() == Some(Dynamic::LastHit);
    if fault.kind.part() == Part::Scale && several { Err(PlanError::OneTarget { fault: name() }) } else { Ok(()) }
}

/// Containers of one service (`cluster-node`, `cluster-node.2`) go through the same listeners of the fault proxy.
fn shares_links(service: &str, roster: &[String]) -> bool {
    let of = |name: &str| name.split('.').next().map(str::to_owned);
    roster.iter().filter(|other| of(other) == of(service)).count() > 1
}

pub(super) fn check_length(kind: FaultKind, for_ms: u64, name: impl Fn() -> String) -> Result<(), PlanError> {
    match (kind.heals_itself(), for_ms) {
        (true, 0) | (false, FAULT_MIN_MS..) => Ok(()),
        (true, _) => Err(PlanError::NeedsNoFor { fault: name() }),
        (false, _) => Err(PlanError::NeedsFor { fault: name() }),
    }
}

fn check_time(fault: &Fault, load: &Load, name: impl Fn() -> String) -> Result<(), PlanError> {
    check_length(fault.kind, fault.for_ms, &name)?;
    let steady_by_ms = load.steady_by_ms();
    if fault.at_ms < steady_by_ms {
        return Err(PlanError::TooEarly { fault: name(), steady_by_ms });
    }
    let needed_ms = fault.at_ms + fault.for_ms;
    if needed_ms > load.duration_ms || fault.at_ms >= load.duration_ms {
        let needed_ms = needed_ms.max(fault.at_ms + 1);
        return Err(PlanError::TooLate { fault: name(), duration_ms: load.duration_ms, needed_ms });
    }
    Ok(())
}

fn check_last_hit(number: usize, fault: &Fault, earlier: &[Fault], roster: &[String]) -> Result<(), PlanError> {
    let hits_nodes = |other: &Fault| other.may_hold(roster).iter().any(|service| roster.contains(service));
    let is_known = earlier.iter().any(|other| other.at_ms + KNOWN_BEFORE_MS <= fault.at_ms && hits_nodes(other));
    if is_known { Ok(()) } else { Err(PlanError::NothingHitBefore { fault: describe(number, fault) }) }
}

fn refuse_overlaps(faults: &[Fault], roster: &[String]) -> Result<(), PlanError> {
    for (later, fault) in faults.iter().enumerate() {
        for (earlier, other) in faults.iter().enumerate().take(later) {
            if fault.at_ms >= other.held_until_ms() || !fault.kind.clashes_with(other.kind) {
                continue;
            }
            let overlap = |service: &str| PlanError::Overlap {
                fault: describe(later, fault),
                other: describe(earlier, other),
                service: service.to_owned(),
                part: fault.kind.part().word(),
            };
            // It is the cluster's, whichever node stands for it.
            if fault.kind.part() == Part::Scale {
                return Err(overlap("the cluster"));
            }
            let others = other.may_hold(roster);
            if let Some(service) = fault.may_hold(roster).iter().find(|service| others.contains(service)) {
                return Err(overlap(service));
            }
        }
    }
    Ok(())
}

/// e.g. `fault 2 (kill node-b at 20000 ms for 8000 ms)`.
pub(super) fn describe(number: usize, fault: &Fault) -> String {
    let held = if fault.for_ms > 0 { format!(" for {} ms", fault.for_ms) } else { String::new() };
    format!("fault {} ({} {} at {} ms{held})", number + 1, fault.kind.word(), fault.target, fault.at_ms)
}

#[cfg(test)]
mod tests;
