//! The `[nemesis]` table: faults that the seed draws.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::fault::{self, DrawnSpec, Wrong};
use super::values;

/// The `[nemesis]` table as written, with defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NemesisSpec {
    /// `None`: as soon as the steady state is measured.
    pub from: Option<Duration>,
    /// `None`: until the load ends.
    pub until: Option<Duration>,
    pub faults: Vec<DrawnSpec>,
    /// Services hurt at once.
    pub at_most: usize,
    /// With `at_most` 1: between two faults. Else: before the same service is hurt again.
    pub calm: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    #[serde(default, deserialize_with = "values::some_duration")]
    from: Option<Duration>,
    #[serde(default, deserialize_with = "values::some_duration")]
    until: Option<Duration>,
    faults: Spanned<Vec<fault::Table>>,
    at_most: Option<Spanned<usize>>,
    #[serde(default, deserialize_with = "values::some_duration")]
    calm: Option<Duration>,
}

/// Long enough for a backlog of a few seconds to drain.
const CALM: Duration = Duration::from_secs(3);
const AT_MOST: std::ops::RangeInclusive<usize> = 1..=16;

impl Table {
    /// # Errors
    /// There is nothing to draw from, or one of the faults is wrong.
    pub(super) fn read(self) -> Result<NemesisSpec, Wrong> {
        let at = self.faults.span();
        let faults: Result<Vec<DrawnSpec>, Wrong> = self.faults.into_inner().into_iter().map(fault::Table::read_drawn).collect();
        let faults = faults?;
        if faults.is_empty() {
            return Err(Wrong { message: "`faults` is empty: name at least one that can be drawn".to_owned(), at });
        }
        if let Some(wrong) = self.at_most.as_ref().filter(|stated| !AT_MOST.contains(stated.get_ref())) {
            let message = format!("`at_most` is {}: give {} to {}", wrong.get_ref(), AT_MOST.start(), AT_MOST.end());
            return Err(Wrong { message, at: wrong.span() });
        }
        let at_most = self.at_most.map_or(1, Spanned::into_inner);
        Ok(NemesisSpec { from: self.from, until: self.until, faults, at_most, calm: self.calm.unwrap_or(CALM) })
    }
}
