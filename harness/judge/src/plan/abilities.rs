//! What a cluster offers to faults beyond its engine.

use std::collections::BTreeMap;

use super::Need;

/// What a cluster lacks, each with the reason; everything else it offers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Abilities {
    lacking: BTreeMap<Need, String>,
}

impl Abilities {
    #[must_use]
    pub fn everything() -> Self {
        Self::default()
    }

    /// `why` says what is missing, and what can be done about it.
    #[must_use]
    pub fn without(mut self, need: Need, why: impl Into<String>) -> Self {
        self.lacking.insert(need, why.into());
        self
    }

    /// Why the cluster lacks it; `None` if it has it.
    #[must_use]
    pub fn lacks(&self, need: Need) -> Option<&str> {
        self.lacking.get(&need).map(String::as_str)
    }
}
