//! The checkers: pure functions of plan and history, one file each, and cost near-linear in the history.
//!
//! The definitions behind their words stand at the top of each file.

mod answers;
mod availability;
mod backlog;
mod completeness;
mod contradictions;
mod diverged;
mod duplicated;
mod durability;
mod exercised;
mod expectations;
mod faults;
mod feeds;
mod forgotten;
mod generator;
mod health;
mod idempotency;
mod indeterminate;
mod keys;
mod leases;
mod ledger;
mod linearizability;
mod logs;
mod lost;
mod read_back;
mod staleness;
mod stranded;
mod stray;
mod unexpected;
mod vanished;

pub use generator::{LATE_MS, LATE_SHARE_MAX};
pub(crate) use read_back::stale as stale_reads;

use crate::case::Case;
use crate::fate::Fate;
use crate::figures::Figures;
use crate::history::OrderIx;
use crate::verdict::Finding;

/// What a checker looks at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Desk<'a> {
    pub(crate) case: &'a Case<'a>,
    /// What became of each claim, in the order of the case's claims.
    pub(crate) fates: &'a [Fate],
    pub(crate) figures: &'a Figures,
}

impl Desk<'_> {
    /// Is some claim of the order lost to what a fault destroyed?
    fn is_excused(&self, order: OrderIx) -> bool {
        let fates = self.case.claims.iter().zip(self.fates);
        let first = self.case.claims.partition_point(|claim| claim.order < order);
        fates.skip(first).take_while(|(claim, _)| claim.order == order).any(|(_, fate)| matches!(fate, Fate::Excused(..)))
    }
}

pub(crate) type Checker = for<'a> fn(&Desk<'a>) -> Finding;

/// All checkers by name, in the order of the report: safety first, then liveness, then whether the run can be trusted.
pub(crate) const ALL: &[(&str, Checker)] = &[
    ("lost", lost::check),
    ("duplicated", duplicated::check),
    ("unexpected", unexpected::check),
    ("forgotten", forgotten::check),
    ("vanished", vanished::check),
    ("diverged", diverged::check),
    ("ledger", ledger::check),
    ("idempotency", idempotency::check),
    ("linearizability", linearizability::check),
    ("answers", answers::check),
    ("feeds", feeds::check),
    ("staleness", staleness::check),
    ("read_back", read_back::check),
    ("health", health::check),
    ("logs", logs::check),
    ("indeterminate", indeterminate::check),
    ("contradictions", contradictions::check),
    ("stranded", stranded::check),
    ("stray", stray::check),
    ("backlog", backlog::check),
    ("leases", leases::check),
    ("keys", keys::check),
    ("availability", availability::check),
    ("durability", durability::check),
    ("exercised", exercised::check),
    ("faults", faults::check),
    ("generator", generator::check),
    ("completeness", completeness::check),
    ("expectations", expectations::check),
];

/// Those that look at one order after the other, so that they can be asked about a single one.
const OF_SINGLE_ORDERS: [&str; 13] = [
    "lost",
    "duplicated",
    "unexpected",
    "forgotten",
    "vanished",
    "idempotency",
    "linearizability",
    "answers",
    "feeds",
    "staleness",
    "read_back",
    "indeterminate",
    "contradictions",
];

pub(crate) fn of_single_orders() -> impl Iterator<Item = Checker> {
    ALL.iter().filter(|(name, _)| OF_SINGLE_ORDERS.contains(name)).map(|(_, check)| *check)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
