//! Which services a fault hits: the seed's choice, where the scenario leaves one.

use std::collections::BTreeSet;

use super::{Fault, SERVICES};
use crate::seed::Stream;

/// A target that this cluster does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error(
        "unknown target `{target}`, expected one, minority, majority, all, busiest, most-leases, last-hit, node-a to node-{last}, or a service: {services}"
    )]
    Unknown { target: String, last: char, services: String },
    #[error("a cluster of {nodes} nodes has no minority to hit; at least 3 are needed")]
    NoMinority { nodes: usize },
}

/// A target that is known only when the fault is injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dynamic {
    /// The node that accepted the most orders in the last seconds.
    Busiest,
    /// The node that holds the most leases on rows of the outbox.
    MostLeases,
    /// The nodes that the fault before hit.
    LastHit,
}

impl Dynamic {
    /// The one that scenarios call so.
    #[must_use]
    pub fn of(target: &str) -> Option<Self> {
        match target {
            "busiest" => Some(Self::Busiest),
            "most-leases" => Some(Self::MostLeases),
            "last-hit" => Some(Self::LastHit),
            _ => None,
        }
    }
}

/// What a scenario's word for a target stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Fixed(Vec<String>),
    /// So many nodes, picked by the seed.
    Picked(usize),
    Dynamic,
}

/// Settles the services of each fault; on error the index of the fault too.
///
/// Fixed targets are settled first, so that a pick can avoid what they hold, be they earlier or later.
pub(super) fn resolve(faults: &mut [Fault], seed: u64, roster: &[String]) -> Result<(), (usize, TargetError)> {
    let lettered = lettered(seed, roster);
    let mut stream = Stream::new(seed, "targets");
    let mut open = Vec::new();
    for (number, fault) in faults.iter_mut().enumerate() {
        match read(&fault.target, roster, &lettered).map_err(|error| (number, error))? {
            Target::Fixed(services) => fault.services = services,
            Target::Picked(count) => open.push((number, count)),
            Target::Dynamic => {}
        }
    }
    for (number, count) in open {
        let held = held_beside(number, faults);
        let mut candidates = roster.to_vec();
        stream.shuffle(&mut candidates);
        // Stable: among the free ones, and among the held ones, the shuffled order stays.
        candidates.sort_by_key(|node| held.contains(node));
        candidates.truncate(count);
        candidates.sort();
        faults[number].services = candidates;
    }
    Ok(())
}

/// The roster in the order that `node-a`, `node-b`, ... stand for.
pub(super) fn lettered(seed: u64, roster: &[String]) -> Vec<String> {
    let mut nodes = roster.to_vec();
    Stream::new(seed, "letters").shuffle(&mut nodes);
    nodes
}

pub(super) fn read(target: &str, roster: &[String], lettered: &[String]) -> Result<Target, TargetError> {
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
        _ if Dynamic::of(target).is_some() => return Ok(Target::Dynamic),
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
fn held_beside(number: usize, faults: &[Fault]) -> BTreeSet<String> {
    let (from, until) = (faults[number].at_ms, faults[number].held_until_ms());
    faults
        .iter()
        .filter(|fault| fault.at_ms < until && from < fault.held_until_ms())
        .flat_map(|fault| fault.services.iter().cloned())
        .collect()
}
