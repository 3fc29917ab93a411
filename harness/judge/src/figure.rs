//! The names of all figures that a scenario can hold a run against, their units, and what each was in a run.
//!
//! One list serves the scenario's `[expect]`, `report.json` and `harness compare`: what can be measured can be expected.

mod limit;
mod names;
mod values;

pub(crate) use limit::read_limit;
pub use limit::{Bound, Threshold};
pub(crate) use names::{Names, nearest};
pub(crate) use values::all;

use serde::{Deserialize, Serialize};

/// What a figure is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Ms,
    PerSecond,
    /// 0 to 1.
    Share,
    Count,
    CpuSeconds,
    Bytes,
}

impl Unit {
    /// What a figure's name ends with in `report.json`.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Ms => "_ms",
            Self::PerSecond => "_per_s",
            Self::Share | Self::Count => "",
            Self::CpuSeconds => "_cpu_s",
            Self::Bytes => "_bytes",
        }
    }

    /// Is more of it better?
    #[must_use]
    pub fn is_gain(self) -> bool {
        matches!(self, Self::PerSecond | Self::Share)
    }

    /// A value as people read it.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        let figure = crate::report::figure(value);
        match self {
            Self::Ms if value >= 10_000.0 => format!("{} s", crate::report::figure(value / 1_000.0)),
            Self::Ms => format!("{figure} ms"),
            Self::PerSecond => format!("{figure}/s"),
            Self::Share | Self::Count => figure,
            Self::CpuSeconds => format!("{figure} s"),
            Self::Bytes => format!("{:.1} MiB", value / f64::from(1 << 20)),
        }
    }
}

/// One figure of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    pub name: String,
    pub unit: Unit,
    pub value: Option<f64>,
    /// Of what was cut short: it is at least so much.
    pub at_least: Option<f64>,
    /// What it was taken from, or why there is none, e.g. `too few: 40 of 1,000 needed`.
    pub note: String,
}

impl Figure {
    /// As in `report.json`: the unit stands last.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}{}", self.name, self.unit.suffix())
    }
}
