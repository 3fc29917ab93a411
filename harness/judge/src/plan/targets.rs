//! Which services a fault hits: the seed's choice, where the scenario leaves one.

use std::collections::BTreeSet;

use super::SERVICES;
use super::resolve::millis;
use crate::scenario::FaultSpec;
use crate::seed::Stream;

/// A target that this cluster does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("unknown target `{target}`, expected one, minority, majority, all, node-a to node-{last}, or a service: {services}")]
    Unknown { target: String, last: char, services: String },
    #[error("a cluster of {nodes} nodes has no minority to hit; at least 3 are needed")]
    NoMinority { nodes: usize },
}

enum Target {
    Fixed(Vec<String>),
    /// So many nodes, picked by the seed.
    Picked(usize),
}

/// The services of each fault, in the order of `specs`; on error the index of the fault too.
///
/// Fixed targets are settled first, so that a pick can avoid what they hold, be they earlier or later.
pub(super) fn resolve(specs: &[&FaultSpec], seed: u64, roster: &[String]) -> Result<Vec<Vec<String>>, (usize, TargetError)> {
    let lettered = lettered(seed, roster);
    let mut stream = Stream::new(seed, "targets");
    let mut settled: Vec<Option<Vec<String>>> = vec![None; specs.len()];
    let mut open = Vec::new();
    for (number, spec) in specs.iter().enumerate() {
        match read(&spec.target, roster, &lettered).map_err(|error| (number, error))? {
            Target::Fixed(services) => settled[number] = Some(services),
            Target::Picked(count) => open.push((number, count)),
        }
    }
    for (number, count) in open {
        let held = held_beside(number, specs, &settled);
        let mut candidates = roster.to_vec();
        stream.shuffle(&mut candidates);
        // Stable: among the free ones, and among the held ones, the shuffled order stays.
        candidates.sort_by_key(|node| held.contains(node));
        candidates.truncate(count);
        candidates.sort();
        settled[number] = Some(candidates);
    }
    Ok(settled.into_iter().map(Option::unwrap_or_default).collect())
}

/// The roster in the order that `node-a`, `node-b`, ... stand for.
fn lettered(seed: u64, roster: &[String]) -> Vec<String> {
    let mut nodes = roster.to_vec();
    Stream::new(seed, "letters").shuffle(&mut nodes);
    nodes
}

fn read(target: &str, roster: &[String], lettered: &[String]) -> Result<Target, TargetError> {
    let nodes = roster.len();
    if roster.iter().any(|node| node == target) || SERVICES.contains(&target) {
        return Ok(Target::Fixed(vec![target.to_owned()]));
    }
    match target {
        "one" => return Ok(Target::Picked(1)),
        "minority" if nodes >= 3 => return Ok(Target::Picked((nodes - 1) / 2)),
        "minority" => return Err(TargetError::NoMinority { nodes }),
        "majority" => return Ok(Target::Picked(nodes / 2 + 1)),
        "all" => return Ok(Target::Fixed(roster.to_vec())),
        _ => {}
    }
    if let Some(&[letter @ b'a'..=b'z']) = target.strip_prefix("node-").map(str::as_bytes)
        && let Some(node) = lettered.get(usize::from(letter - b'a'))
    {
        return Ok(Target::Fixed(vec![node.clone()]));
    }
    let last = u8::try_from(nodes.clamp(1, 26) - 1).unwrap_or(25);
    let mut services: Vec<&str> = roster.iter().map(String::as_str).collect();
    services.extend(SERVICES);
    Err(TargetError::Unknown { target: target.to_owned(), last: char::from(b'a' + last), services: services.join(", ") })
}

/// What the faults that overlap in time with fault `number` hold, as far as they are settled.
fn held_beside(number: usize, specs: &[&FaultSpec], settled: &[Option<Vec<String>>]) -> BTreeSet<String> {
    let (from, until) = (millis(specs[number].at), held_until_ms(specs[number]));
    specs
        .iter()
        .zip(settled)
        .filter(|(spec, _)| millis(spec.at) < until && from < held_until_ms(spec))
        .flat_map(|(_, services)| services.iter().flatten().cloned())
        .collect()
}

/// Until when a fault holds its services, from the start of the load.
pub(super) fn held_until_ms(spec: &FaultSpec) -> u64 {
    millis(spec.at) + spec.hold.map_or(spec.kind.longest_ms(), millis)
}
