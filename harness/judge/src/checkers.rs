//! The checkers: pure functions of plan and history, one file each, and cost near-linear in the history.
//!
//! The definitions behind their words stand at the top of each file.

mod answers;
mod completeness;
mod diverged;
mod duplicated;
mod durability;
mod exercised;
mod expectations;
mod faults;
mod feeds;
mod forgotten;
mod generator;
mod indeterminate;
mod ledger;
mod lost;
mod stranded;
mod stray;
mod unexpected;
mod vanished;

pub use generator::{LATE_MS, LATE_SHARE_MAX};

use crate::case::Case;
use crate::fate::Fate;
use crate::figures::Figures;
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
    fn is_excused(&self, order: usize) -> bool {
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
    ("answers", answers::check),
    ("feeds", feeds::check),
    ("indeterminate", indeterminate::check),
    ("stranded", stranded::check),
    ("stray", stray::check),
    ("durability", durability::check),
    ("exercised", exercised::check),
    ("faults", faults::check),
    ("generator", generator::check),
    ("completeness", completeness::check),
    ("expectations", expectations::check),
];

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
