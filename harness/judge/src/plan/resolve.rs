//! From what a scenario says to what a run will do: overrides applied, targets resolved, everything checked.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    Abilities, Expect, FORMAT, Fault, Guard, Load, Model, Plan, PlanError, Profile, Recorded, checks, profile, random, targets,
};
use crate::figure::{self, Names, Threshold};
use crate::nearest::nearest;
use crate::numbers::whole;
use crate::scenario::{FaultSpec, GuardSpec, LoadSpec, ModelName, ProfileName, QUIESCENT_WITHIN, Scenario};
use crate::seed::Stream;

/// The least length of the steady state, and the least number of operations in it.
pub const STEADY_MIN_MS: u64 = 5_000;
pub const STEADY_MIN_OPS: u64 = 1_000;

/// Clients per node beyond the bare need, so that one paused node cannot starve the others.
const PROCESS_HEADROOM: f64 = 1.2;

/// Beyond that one machine's descriptors run out.
const USERS_MAX: u32 = 20_000;

/// Of one node's share against another's.
const WEIGHT_MAX: u32 = 1_000;

/// A guard that looks more often than that is a load of its own.
const GUARD_MIN: Duration = Duration::from_secs(1);

/// In less than that it cannot be seen that a cluster will not come to rest: its services must be healthy for 7 s, of which
/// 5 s are the time that a dead node's lease lasts.
const QUIESCENT_WITHIN_MIN: Duration = Duration::from_secs(10);

/// What the command line may change in a scenario.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Overrides {
    pub rate: Option<f64>,
    pub duration: Option<Duration>,
    pub profile: Option<ProfileName>,
    /// Arrivals to replay; the profile is `replay` then, unless it says otherwise.
    pub recorded: Option<Recorded>,
}

/// Resolves and validates a scenario. `roster` holds the service names of the nodes.
pub fn resolve(
    scenario: &Scenario,
    seed: u64,
    overrides: &Overrides,
    roster: &[String],
    abilities: &Abilities,
) -> Result<Plan, PlanError> {
    if roster.is_empty() {
        return Err(PlanError::NoNodes);
    }
    let load = resolve_load(scenario, overrides, roster)?;
    let mut faults: Vec<Fault> = scenario.faults.iter().flat_map(unsettled).collect();
    faults.sort_by_key(|fault| fault.at_ms);
    targets::resolve(&mut faults, seed, roster)
        .map_err(|(number, source)| PlanError::Target { fault: checks::describe(number, &faults[number]), source })?;
    if let Some(nemesis) = &scenario.nemesis {
        faults.extend(random::draw(nemesis, seed, &load, roster, abilities, &faults)?);
        faults.sort_by_key(|fault| fault.at_ms);
    }
    let mut chance = Stream::new(seed, "links");
    for fault in &mut faults {
        fault.kind.draw(&mut chance);
    }
    checks::check(&faults, &load, roster, abilities)?;
    if scenario.durability_limit && !faults.iter().any(|fault| fault.kind.destroys()) {
        return Err(PlanError::NothingDestroyed);
    }
    let thresholds = resolve_thresholds(&scenario.expect.thresholds, seed, roster, faults.len())?;
    Ok(Plan {
        format: FORMAT,
        scenario: scenario.name.clone(),
        hypothesis: scenario.hypothesis.clone(),
        seed,
        roster: roster.to_vec(),
        load,
        faults,
        guard: check_guard(&scenario.guard)?,
        durability_limit: scenario.durability_limit,
        quiescent_within_ms: check_quiescent_within(scenario.quiescent_within)?,
        expect: Expect {
            propagation_p99_ms: scenario.expect.propagation_p99.map(millis_f64),
            recovery_ms: scenario.expect.recovery.map(millis_f64),
            backlog_drained_ms: scenario.expect.backlog_drained.map(millis_f64),
            availability: scenario.expect.availability,
            thresholds,
        },
        exercise: scenario.exercise.clone(),
    })
}

/// Letters become the nodes that they stand for; then every figure must be one that this roster and these faults can have.
fn resolve_thresholds(specs: &[Threshold], seed: u64, roster: &[String], faults: usize) -> Result<Vec<Threshold>, PlanError> {
    if specs.is_empty() {
        return Ok(Vec::new());
    }
    let lettered = targets::lettered(seed, roster);
    let known = Names { nodes: roster, faults }.all();
    let resolved = specs.iter().map(|spec| {
        let parts = spec.figure.split('.').map(|part| named(part, &lettered));
        let figure = parts.collect::<Vec<_>>().join(".");
        if known.iter().any(|(name, _)| *name == figure) {
            return Ok(Threshold { figure, ..spec.clone() });
        }
        let nearest = figure::nearest(&figure, &known).join(", ");
        Err(PlanError::Figure { figure: spec.figure.clone(), faults, nearest })
    });
    resolved.collect()
}

fn named<'a>(part: &'a str, lettered: &'a [String]) -> &'a str {
    match part.strip_prefix("node-").map(str::as_bytes) {
        Some(&[letter @ b'a'..=b'z']) => lettered.get(usize::from(letter - b'a')).map_or(part, String::as_str),
        _ => part,
    }
}

pub(super) fn guard(spec: &GuardSpec) -> Guard {
    Guard {
        all_nodes_down_ms: millis(spec.all_nodes_down),
        disk_free_bytes: spec.disk_free,
        probe: spec.probe.clone(),
        probe_every_ms: millis(spec.probe_every),
    }
}

/// Of plans that were made before it could be said.
pub(super) fn default_quiescent_within_ms() -> u64 {
    millis(QUIESCENT_WITHIN)
}

fn check_quiescent_within(given: Duration) -> Result<u64, PlanError> {
    if given < QUIESCENT_WITHIN_MIN {
        return Err(PlanError::Quiescence { given_ms: millis(given), least_ms: millis(QUIESCENT_WITHIN_MIN) });
    }
    Ok(millis(given))
}

fn check_guard(spec: &GuardSpec) -> Result<Guard, PlanError> {
    for (name, length) in [("all_nodes_down", spec.all_nodes_down), ("probe_every", spec.probe_every)] {
        if length < GUARD_MIN {
            return Err(PlanError::Guard { name, given_ms: millis(length) });
        }
    }
    Ok(guard(spec))
}

fn resolve_load(scenario: &Scenario, overrides: &Overrides, roster: &[String]) -> Result<Load, PlanError> {
    let spec = &scenario.load;
    let duration_ms = millis(overrides.duration.unwrap_or(spec.duration));
    let warm_up_ms = millis(spec.warm_up);
    if duration_ms <= warm_up_ms {
        return Err(PlanError::TooShort { duration_ms, warm_up_ms });
    }
    let model = model(spec, overrides)?;
    let replays = overrides.recorded.is_some().then_some(ProfileName::Replay);
    let name = overrides.profile.or(replays).or(spec.profile).unwrap_or(ProfileName::Constant);
    let (profile, rate) = match model {
        Model::Open => profile::resolve(spec, name, overrides.rate, overrides.recorded.as_ref(), duration_ms)?,
        Model::Closed { .. } => (Profile::Constant, 0.0),
    };
    let weights = weights(&spec.shares, roster)?;
    let client_timeout_ms = millis(spec.client_timeout);
    // Of a closed load all users wait at once, and each for itself: none can starve another.
    let (at_once, headroom) = match model {
        Model::Open => (profile.most_within(rate, duration_ms, client_timeout_ms), PROCESS_HEADROOM),
        Model::Closed { users, .. } => (f64::from(users), 1.0),
    };
    let nodes = roster.len();
    let needed = processes_needed(at_once * largest_share(&weights, nodes) * headroom);
    if let Some(stated) = spec.processes_per_node.filter(|stated| *stated < needed) {
        return Err(PlanError::TooFewProcesses { stated, needed, at_once, nodes, timeout_ms: client_timeout_ms });
    }
    Ok(Load {
        profile,
        rate,
        duration_ms,
        warm_up_ms,
        client_timeout_ms,
        processes_per_node: spec.processes_per_node.unwrap_or(needed),
        keys: spec.keys,
        customers: spec.customers,
        customer_skew: spec.customer_skew,
        body_bytes: spec.body,
        weights,
        model,
    })
}

fn model(spec: &LoadSpec, overrides: &Overrides) -> Result<Model, PlanError> {
    if spec.model == ModelName::Open {
        let part = [("users", spec.users.is_some()), ("think", spec.think.is_some())];
        return match part.into_iter().find(|(_, is_given)| *is_given) {
            Some((part, _)) => Err(PlanError::ClosedOnly { part }),
            None => Ok(Model::Open),
        };
    }
    let of_open = [
        ("rate", spec.rate.is_some() || overrides.rate.is_some()),
        ("profile", spec.profile.is_some() || overrides.profile.is_some()),
        ("from", spec.from.is_some()),
        ("steps", spec.steps.is_some()),
        ("spike", spec.spike.is_some()),
        ("arrivals", spec.arrivals.is_some() || overrides.recorded.is_some()),
        ("processes_per_node", spec.processes_per_node.is_some()),
    ];
    if let Some((part, _)) = of_open.into_iter().find(|(_, is_given)| *is_given) {
        return Err(PlanError::OpenOnly { part });
    }
    let users = spec.users.filter(|users| (1..=USERS_MAX).contains(users)).ok_or(PlanError::NoUsers)?;
    Ok(Model::Closed { users, think_ms: spec.think.map_or(0, millis) })
}

/// In the order of the roster; none where all are alike.
fn weights(shares: &BTreeMap<String, u32>, roster: &[String]) -> Result<Vec<u32>, PlanError> {
    if let Some(unknown) = shares.keys().find(|name| !roster.contains(name)) {
        let meant = nearest(unknown, roster.iter().map(String::as_str)).map(|meant| format!(", did you mean {meant}?"));
        let (name, meant) = (unknown.clone(), meant.unwrap_or_default());
        return Err(PlanError::NoSuchNode { name, meant, nodes: roster.join(", ") });
    }
    if shares.is_empty() {
        return Ok(Vec::new());
    }
    let weights: Vec<u32> = roster.iter().map(|node| shares.get(node).copied().unwrap_or(1)).collect();
    if weights.iter().any(|weight| *weight > WEIGHT_MAX) || weights.iter().all(|weight| *weight == 0) {
        return Err(PlanError::Shares);
    }
    Ok(weights)
}

fn largest_share(weights: &[u32], nodes: usize) -> f64 {
    let all: u32 = weights.iter().sum();
    weights.iter().max().map_or(1.0 / nodes as f64, |largest| f64::from(*largest) / f64::from(all))
}

/// So many users wait at once on the node that has the most.
fn processes_needed(needed: f64) -> u32 {
    // Nine digits are kept, so that 240.00000000000003 does not ask for 241.
    let rounded = (needed * 1e9).round() / 1e9;
    u32::try_from(whole(rounded.ceil())).unwrap_or(u32::MAX).max(1)
}

/// A fault as often as it comes, its services still to be found.
fn unsettled(spec: &FaultSpec) -> impl Iterator<Item = Fault> {
    let (every_ms, times) = spec.repeat.map_or((0, 1), |repeat| (millis(repeat.every), u64::from(repeat.times)));
    (0..times).map(move |time| Fault {
        kind: spec.kind,
        target: spec.target.clone(),
        services: Vec::new(),
        at_ms: millis(spec.at) + time * every_ms,
        for_ms: spec.hold.map_or(0, millis),
    })
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn millis_f64(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests;
