//! Why a scenario cannot be run as it stands.

use super::targets::TargetError;
use super::{STEADY_MIN_MS, STEADY_MIN_OPS};

/// The shortest fault that can be told from noise.
pub(super) const FAULT_MIN_MS: u64 = 500;

/// A scenario that cannot be run as it stands.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    #[error("the cluster has no nodes: a plan needs at least one")]
    NoNodes,
    #[error(
        "[expect] names `{figure}`, which a run on this cluster with {faults} faults does not have; the nearest are {nearest}"
    )]
    Figure { figure: String, faults: usize, nearest: String },
    #[error("a rate of {rate} operations per second is not possible: give one above 0 and at most 100000")]
    Rate { rate: f64 },
    #[error("the load of {duration_ms} ms is too short: it must last longer than its warm-up of {warm_up_ms} ms")]
    TooShort { duration_ms: u64, warm_up_ms: u64 },
    #[error(
        "processes_per_node = {stated} is too few: {at_once:.0} operations begin within a client timeout of {timeout_ms} ms, over {nodes} nodes, and need at least {needed} on each, or one paused node starves the others"
    )]
    TooFewProcesses { stated: u32, needed: u32, at_once: f64, nodes: usize, timeout_ms: u64 },
    #[error("the profile `{profile}` needs a rate, in operations per second: `rate` under [load], or --rate")]
    NoRate { profile: &'static str },
    #[error("`{part}` belongs to the profile `{owner}`, and the profile is `{profile}`: leave it out, or change the profile")]
    OtherProfile { part: &'static str, owner: &'static str, profile: &'static str },
    #[error("`{part}` belongs to the closed model: add `model = \"closed\"`, or leave it out")]
    ClosedOnly { part: &'static str },
    #[error("`{part}` belongs to the open model; in the closed one `users` and `think` set the pace: leave it out")]
    OpenOnly { part: &'static str },
    #[error("the closed model needs `users`, from 1 to 20000: how many clients there are over all nodes")]
    NoUsers,
    #[error("`shares` names {name}, which is no node of this cluster{meant} It has {nodes}")]
    NoSuchNode { name: String, meant: String, nodes: String },
    #[error("`shares` are whole numbers from 0 to 1000, and at least one of them is not 0")]
    Shares,
    #[error("`{part}` says how fast operations arrive, and so does the rate: leave out one of them")]
    RateTwice { part: &'static str },
    #[error(
        "the spike from {at_ms} ms for {for_ms} ms does not lie within the load of {duration_ms} ms; move it, or lengthen the load"
    )]
    SpikeOutside { at_ms: u64, for_ms: u64, duration_ms: u64 },
    #[error(
        "the profile `replay` needs recorded times: `arrivals` under [load], or --arrivals, with a file of times or the folder of an earlier run"
    )]
    NoArrivals,
    #[error(
        "the first recorded arrival is at {first_ms} ms, after the load of {duration_ms} ms: times count from the start of the load; move them, or lengthen the load"
    )]
    ArrivalsTooLate { first_ms: u64, duration_ms: u64 },
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
    #[error("{fault}: `{parameter}` is {given}; give {range}")]
    Parameter { fault: String, parameter: &'static str, given: String, range: String },
    #[error("{fault}: `{kind}` can be done to {scope} only, and {service} is none of them")]
    Scope { fault: String, kind: &'static str, scope: &'static str, service: String },
    #[error("{fault}: nodes are added once, after the image and settings of one node; name one as its target")]
    OneTarget { fault: String },
    #[error("{fault}: {service} shares its links with other nodes, so it cannot be done to it alone; name cluster-node-1 to -3")]
    SharedLinks { fault: String, service: String },
    #[error("{fault}: it needs {need}, which this cluster does not offer: {why}")]
    Need { fault: String, need: &'static str, why: String },
    #[error("{fault}: this cluster cannot do it: {why}")]
    Refused { fault: String, why: String },
    #[error("{fault}: the {part} of {service} is still held by {other}; faults on the same part of one service must not overlap")]
    Overlap { fault: String, other: String, service: String, part: &'static str },
    #[error("{fault}: no earlier fault has hit a node by then, so `last-hit` names none; let one begin at least 1000 ms before")]
    NothingHitBefore { fault: String },
    #[error(
        "[nemesis] from {from_ms} ms until {until_ms} ms: it must begin at {steady_by_ms} ms or later, when the steady state is measured, and end within the load of {duration_ms} ms"
    )]
    NemesisTime { from_ms: u64, until_ms: u64, steady_by_ms: u64, duration_ms: u64 },
    #[error(
        "[nemesis] finds no room for a single fault from {from_ms} ms until {until_ms} ms: give it more time, or shorter faults"
    )]
    NoRoom { from_ms: u64, until_ms: u64 },
    #[error("{fault}: it hurts {hurt} services, and `at_most` is {at_most}; raise that, or name another target")]
    HurtsTooMany { fault: String, hurt: usize, at_most: usize },
    #[error(
        "{fault}: it cannot be drawn: `last-hit` not at all, `busiest` and `most-leases` only with `at_most = 1`, since what they hit is not known before"
    )]
    NotToBeDrawn { fault: String },
    #[error(
        "durability_limit = true excuses what a fault destroys from below, and no fault of the plan does: purge_stream, delete_stream, roll_back; leave it out"
    )]
    NothingDestroyed,
    #[error("quiescent_within is {given_ms} ms: give {least_ms} ms or more, so that a row whose owner died has been claimable")]
    Quiescence { given_ms: u64, least_ms: u64 },
    #[error("[guard] {name} is {given_ms} ms: give 1000 ms or more")]
    Guard { name: &'static str, given_ms: u64 },
    #[error("{fault}: {source}")]
    Target {
        fault: String,
        #[source]
        source: TargetError,
    },
}
