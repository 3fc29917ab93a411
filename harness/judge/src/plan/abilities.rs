//! What a cluster offers to faults beyond its engine.

use std::collections::BTreeMap;

use super::{FaultKind, Need};

/// What a cluster lacks, each with the reason; everything else it offers.
#[derive(Debug, Clone, Default)]
pub struct Abilities {
    lacking: BTreeMap<Need, String>,
    refusal: Option<fn(FaultKind) -> Option<String>>,
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

    /// `refusal` says why a kind cannot be injected, whatever the cluster has; `None` if it can.
    #[must_use]
    pub fn refusing(mut self, refusal: fn(FaultKind) -> Option<String>) -> Self {
        self.refusal = Some(refusal);
        self
    }

    /// Why the cluster cannot do it; `None` if it can.
    #[must_use]
    pub fn refuses(&self, kind: FaultKind) -> Option<String> {
        self.refusal.and_then(|refusal| refusal(kind))
    }

    /// Why the cluster lacks it; `None` if it has it.
    #[must_use]
    pub fn lacks(&self, need: Need) -> Option<&str> {
        self.lacking.get(&need).map(String::as_str)
    }
}
