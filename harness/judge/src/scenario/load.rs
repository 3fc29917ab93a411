//! The `[load]` table.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::values;
use crate::plan::{Keys, Recorded};

/// What `[load]` says, with defaults filled in.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadSpec {
    #[serde(default)]
    pub model: ModelName,
    /// `None`: constant.
    #[serde(default)]
    pub profile: Option<ProfileName>,
    /// Operations per second over all nodes; not where `steps` or `arrivals` say it.
    #[serde(default, deserialize_with = "values::some_rate")]
    pub rate: Option<f64>,
    #[serde(deserialize_with = "values::duration")]
    pub duration: Duration,
    /// Of `ramp`: the rate at its beginning.
    #[serde(default, deserialize_with = "values::some_part_rate")]
    pub from: Option<f64>,
    /// Of `steps`: the rates.
    #[serde(default, deserialize_with = "values::some_rates")]
    pub steps: Option<Vec<f64>>,
    #[serde(default)]
    pub spike: Option<SpikeSpec>,
    /// Of `replay`: a file of times, or the folder of an earlier run. Whoever reads the scenario reads it, too.
    #[serde(default)]
    pub arrivals: Option<String>,
    /// What stands there.
    #[serde(skip)]
    pub recorded: Option<Recorded>,
    #[serde(default = "values::default_warm_up", deserialize_with = "values::duration")]
    pub warm_up: Duration,
    #[serde(default = "values::default_client_timeout", deserialize_with = "values::duration")]
    pub client_timeout: Duration,
    /// `None`: as many as the rate and the timeout demand.
    #[serde(default)]
    pub processes_per_node: Option<u32>,
    #[serde(default = "values::default_keys", deserialize_with = "values::keys")]
    pub keys: Keys,
    #[serde(default = "values::default_customers", deserialize_with = "values::customers")]
    pub customers: u32,
    /// Exponent of the Zipf distribution over customers.
    #[serde(default, deserialize_with = "values::skew")]
    pub customer_skew: f64,
    /// Sizes of the requests' bodies in bytes, least and greatest.
    #[serde(default, deserialize_with = "values::some_body")]
    pub body: Option<(u32, u32)>,
    /// By node: how large its share is; 1 where nothing is said.
    #[serde(default)]
    pub shares: BTreeMap<String, u32>,
    /// Of the closed model: clients over all nodes.
    #[serde(default)]
    pub users: Option<u32>,
    /// Of the closed model: between an answer and the next operation.
    #[serde(default, deserialize_with = "values::some_duration")]
    pub think: Option<Duration>,
}

/// The models by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelName {
    #[default]
    Open,
    Closed,
}

/// The profiles by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileName {
    Constant,
    Poisson,
    Ramp,
    Steps,
    Spike,
    Replay,
}

impl ProfileName {
    pub const ALL: [Self; 6] = [Self::Constant, Self::Poisson, Self::Ramp, Self::Steps, Self::Spike, Self::Replay];

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Poisson => "poisson",
            Self::Ramp => "ramp",
            Self::Steps => "steps",
            Self::Spike => "spike",
            Self::Replay => "replay",
        }
    }
}

/// The spike of the profile `spike`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpikeSpec {
    #[serde(deserialize_with = "values::part_rate")]
    pub rate: f64,
    /// From the start of the load.
    #[serde(deserialize_with = "values::duration")]
    pub at: Duration,
    #[serde(rename = "for", deserialize_with = "values::duration")]
    pub hold: Duration,
}
