//! From what a scenario says to what a run will do: overrides applied, targets resolved, everything checked.

use std::time::Duration;

use super::targets::{self, TargetError};
use super::{Expect, FORMAT, Fault, FaultKind, Load, Plan};
use crate::numbers::{rounded, whole};
use crate::scenario::{FaultSpec, Scenario};

/// The least length of the steady state, and the least number of operations in it.
pub const STEADY_MIN_MS: u64 = 5_000;
pub const STEADY_MIN_OPS: u64 = 1_000;

/// Clients per node beyond the bare need, so that one paused node cannot starve the others.
const PROCESS_HEADROOM: f64 = 1.2;

/// The shortest fault that can be told from noise.
const FAULT_MIN_MS: u64 = 500;

/// What the command line may change in a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Overrides {
    pub rate: Option<f64>,
    pub duration: Option<Duration>,
}

/// A scenario that cannot be run as it stands.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    #[error("the cluster has no nodes: a plan needs at least one")]
    NoNodes,
    #[error("a rate of {rate} operations per second is not possible: give one above 0 and at most 100000")]
    Rate { rate: f64 },
    #[error("the load of {duration_ms} ms is too short: it must last longer than its warm-up of {warm_up_ms} ms")]
    TooShort { duration_ms: u64, warm_up_ms: u64 },
    #[error(
        "processes_per_node = {stated} is too few: {rate} operations per second over {nodes} nodes with a client timeout of {timeout_ms} ms need at least {needed} on each, or one paused node starves the others"
    )]
    TooFewProcesses { stated: u32, needed: u32, rate: f64, nodes: usize, timeout_ms: u64 },
    #[error("{fault}: it heals itself, so it takes no `for`")]
    NeedsNoFor { fault: String },
    #[error("{fault}: `for` is missing; say how long it lasts, at least {FAULT_MIN_MS} ms")]
    NeedsFor { fault: String },
    #[error(
        "{fault}: it comes too early; {STEADY_MIN_MS} ms and {STEADY_MIN_OPS} operations of steady state after the warm-up end at {steady_by_ms} ms, so start it then or later, or raise the rate"
    )]
    TooEarly { fault: String, steady_by_ms: u64 },
    #[error("{fault}: it is not healed within the load of {duration_ms} ms; it needs a load of at least {needed_ms} ms")]
    TooLate { fault: String, duration_ms: u64, needed_ms: u64 },
    #[error("{fault}: {service} is still held by {other}; faults on one service must not overlap")]
    Overlap { fault: String, other: String, service: String },
    #[error("{fault}: {source}")]
    Target {
        fault: String,
        #[source]
        source: TargetError,
    },
}

/// Resolves and validates a scenario. `roster` holds the service names of the nodes.
pub fn resolve(scenario: &Scenario, seed: u64, overrides: &Overrides, roster: &[String]) -> Result<Plan, PlanError> {
    if roster.is_empty() {
        return Err(PlanError::NoNodes);
    }
    let load = resolve_load(scenario, overrides, roster.len())?;
    let mut specs: Vec<&FaultSpec> = scenario.faults.iter().collect();
    specs.sort_by_key(|spec| spec.at);
    for (number, spec) in specs.iter().enumerate() {
        check_time(number, spec, &load)?;
    }
    let services = targets::resolve(&specs, seed, roster)
        .map_err(|(number, source)| PlanError::Target { fault: describe(number, specs[number]), source })?;
    let faults: Vec<Fault> = specs
        .iter()
        .zip(services)
        .map(|(spec, services)| Fault {
            kind: spec.kind,
            target: spec.target.clone(),
            services,
            at_ms: millis(spec.at),
            for_ms: spec.hold.map_or(0, millis),
        })
        .collect();
    refuse_overlaps(&specs, &faults)?;
    Ok(Plan {
        format: FORMAT,
        scenario: scenario.name.clone(),
        hypothesis: scenario.hypothesis.clone(),
        seed,
        roster: roster.to_vec(),
        load,
        faults,
        expect: Expect {
            propagation_p99_ms: scenario.expect.propagation_p99.map(millis_f64),
            recovery_ms: scenario.expect.recovery.map(millis_f64),
            backlog_drained_ms: scenario.expect.backlog_drained.map(millis_f64),
            availability: scenario.expect.availability,
        },
        exercise: scenario.exercise.clone(),
    })
}

fn resolve_load(scenario: &Scenario, overrides: &Overrides, nodes: usize) -> Result<Load, PlanError> {
    let spec = &scenario.load;
    let rate = rounded(overrides.rate.unwrap_or(spec.rate));
    if !(rate > 0.0 && rate <= 100_000.0) {
        return Err(PlanError::Rate { rate });
    }
    let duration_ms = millis(overrides.duration.unwrap_or(spec.duration));
    let warm_up_ms = millis(spec.warm_up);
    if duration_ms <= warm_up_ms {
        return Err(PlanError::TooShort { duration_ms, warm_up_ms });
    }
    let client_timeout_ms = millis(spec.client_timeout);
    let needed = processes_needed(rate, nodes, client_timeout_ms);
    if let Some(stated) = spec.processes_per_node.filter(|stated| *stated < needed) {
        return Err(PlanError::TooFewProcesses { stated, needed, rate, nodes, timeout_ms: client_timeout_ms });
    }
    Ok(Load {
        profile: spec.profile,
        rate,
        duration_ms,
        warm_up_ms,
        client_timeout_ms,
        processes_per_node: spec.processes_per_node.unwrap_or(needed),
        keys: spec.keys,
        customers: spec.customers,
    })
}

fn processes_needed(rate: f64, nodes: usize, client_timeout_ms: u64) -> u32 {
    let needed = PROCESS_HEADROOM * rate / nodes as f64 * client_timeout_ms as f64 / 1_000.0;
    // Nine digits are kept, so that 240.00000000000003 does not ask for 241.
    let rounded = (needed * 1e9).round() / 1e9;
    u32::try_from(whole(rounded.ceil())).unwrap_or(u32::MAX).max(1)
}

pub(super) fn steady_by_ms(rate: f64, warm_up_ms: u64) -> u64 {
    let for_ops = whole((STEADY_MIN_OPS as f64 / rate * 1_000.0).ceil());
    warm_up_ms + for_ops.max(STEADY_MIN_MS)
}

fn check_time(number: usize, spec: &FaultSpec, load: &Load) -> Result<(), PlanError> {
    let fault = || describe(number, spec);
    let at_ms = millis(spec.at);
    let held_ms = match (spec.kind.heals_itself(), spec.hold.map(millis)) {
        (true, None) => 0,
        (true, Some(_)) => return Err(PlanError::NeedsNoFor { fault: fault() }),
        (false, Some(for_ms)) if for_ms >= FAULT_MIN_MS => for_ms,
        (false, _) => return Err(PlanError::NeedsFor { fault: fault() }),
    };
    let steady_by_ms = steady_by_ms(load.rate, load.warm_up_ms);
    if at_ms < steady_by_ms {
        return Err(PlanError::TooEarly { fault: fault(), steady_by_ms });
    }
    let needed_ms = at_ms + held_ms;
    if needed_ms > load.duration_ms || at_ms >= load.duration_ms {
        return Err(PlanError::TooLate { fault: fault(), duration_ms: load.duration_ms, needed_ms: needed_ms.max(at_ms + 1) });
    }
    Ok(())
}

fn refuse_overlaps(specs: &[&FaultSpec], faults: &[Fault]) -> Result<(), PlanError> {
    for (later, fault) in faults.iter().enumerate() {
        for (earlier, other) in faults.iter().enumerate().take(later) {
            let Some(service) = other.services.iter().find(|service| fault.services.contains(service)) else {
                continue;
            };
            if fault.at_ms < targets::held_until_ms(specs[earlier]) {
                return Err(PlanError::Overlap {
                    fault: describe(later, specs[later]),
                    other: describe(earlier, specs[earlier]),
                    service: service.clone(),
                });
            }
        }
    }
    Ok(())
}

/// e.g. `fault 2 (kill node-b at 20000 ms for 8000 ms)`.
fn describe(number: usize, spec: &FaultSpec) -> String {
    let held = spec.hold.map(|hold| format!(" for {} ms", millis(hold))).unwrap_or_default();
    format!("fault {} ({} {} at {} ms{held})", number + 1, FaultKind::word(spec.kind), spec.target, millis(spec.at))
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn millis_f64(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests;
