//! What a search for the highest rate has found: every rate that was tried, and what that says.

use serde::{Deserialize, Serialize};

use super::{Break, Limits, PRECISION, Trial};

/// Version of the format of `curve.json`, in its `format`.
pub const FORMAT: u32 = 1;

/// `curve.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    pub format: u32,
    pub scenario: String,
    pub cluster: String,
    pub seed: u64,
    pub limits: Limits,
    /// The highest rate that held, in operations per second, and the lowest that did not.
    pub held_per_s: Option<f64>,
    pub broke_per_s: Option<f64>,
    /// In the order of their rates.
    pub trials: Vec<Trial>,
}

impl Curve {
    /// What broke at the lowest rate that did not hold.
    #[must_use]
    pub fn first_break(&self) -> &[Break] {
        let first = self.trials.iter().find(|trial| Some(trial.rate) == self.broke_per_s);
        first.map(|trial| trial.broke.as_slice()).unwrap_or_default()
    }

    /// Was it the cluster that gave way, and not whoever loads it?
    #[must_use]
    pub fn is_limit_of_the_cluster(&self) -> bool {
        let broke = self.first_break();
        !broke.is_empty() && !broke.iter().any(|what| matches!(what, Break::Generator | Break::Unknown))
    }

    /// At some rate orders were lost, or worse: no limit of speed, and what has to be told first.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        self.trials.iter().any(|trial| trial.broke.contains(&Break::Wrong))
    }

    /// In one sentence.
    #[must_use]
    pub fn verdict(&self) -> String {
        let above = format!("above it: {}", Break::told(self.first_break()));
        let whose = if self.is_limit_of_the_cluster() {
            "the cluster was the limit"
        } else {
            "the generator, or this machine, was the limit, not the cluster alone: what the cluster sustains is this or more"
        };
        match (self.held_per_s, self.broke_per_s) {
            (Some(held), Some(broke)) if broke <= held * (1.0 + PRECISION) => {
                format!("sustains {held:.0} operations per second, to {:.1} %; {above}; {whose}", (broke / held - 1.0) * 100.0)
            }
            (Some(held), Some(broke)) => {
                format!("sustains {held:.0} operations per second, and not {broke:.0}; {above}; {whose}; the search ended early")
            }
            (Some(held), None) => format!("sustains {held:.0} operations per second; nothing broke before the search ended"),
            (None, Some(broke)) => format!("does not even sustain {broke:.0} operations per second; {above}; {whose}"),
            (None, None) => "no rate was tried to its end".to_owned(),
        }
    }
}

/// Above the lines of [`line`].
#[must_use]
pub fn heading() -> String {
    format!(
        "{:>8} {:>8} {:>8} {:>8} {:>8} {:>7} {:>7}  broke",
        "rate/s", "served/s", "p50 ms", "p99 ms", "prop p99", "errors", "late"
    )
}

/// A trial as a line of a table.
#[must_use]
pub fn line(trial: &Trial) -> String {
    let ms = |value: Option<f64>| value.map_or("-".to_owned(), |ms| format!("{ms:.1}"));
    format!(
        "{:>8.1} {:>8.1} {:>8} {:>8} {:>8} {:>6.2}% {:>6.2}%  {}",
        trial.rate,
        trial.served_per_s,
        ms(trial.p50_ms),
        ms(trial.p99_ms),
        ms(trial.propagation_p99_ms),
        trial.errors * 100.0,
        trial.late * 100.0,
        Break::told(&trial.broke)
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn trial(rate: f64, broke: &[Break]) -> Trial {
        Trial {
            rate,
            served_per_s: rate,
            p50_ms: Some(1.2),
            p99_ms: None,
            p999_ms: None,
            propagation_p99_ms: Some(8.0),
            errors: 0.001,
            late: 0.0,
            backlog_per_s: None,
            broke: broke.to_vec(),
        }
    }

    fn curve(held_per_s: Option<f64>, broke_per_s: Option<f64>, trials: Vec<Trial>) -> Curve {
        let limits = Limits { request_p99_ms: 100.0, errors: 0.001 };
        let (scenario, cluster) = ("s".to_owned(), "embedded".to_owned());
        Curve { format: FORMAT, scenario, cluster, seed: 1, limits, held_per_s, broke_per_s, trials }
    }

    /// Of rates with what broke at each.
    pub(crate) fn curve_of(held_per_s: Option<f64>, broke_per_s: Option<f64>, trials: &[(f64, &[Break])]) -> Curve {
        curve(held_per_s, broke_per_s, trials.iter().map(|(rate, broke)| trial(*rate, broke)).collect())
    }

    #[test]
    fn orders_that_were_lost_at_any_rate_are_wrong_whatever_broke_below() {
        let trials: [(f64, &[Break]); 3] = [(100.0, &[]), (200.0, &[Break::Latency]), (400.0, &[Break::Wrong])];
        assert!(curve_of(Some(100.0), Some(200.0), &trials).is_wrong());
        assert!(!curve_of(Some(100.0), Some(200.0), &trials[..2]).is_wrong());
    }

    #[test]
    fn limit_of_the_generator_is_never_told_as_the_clusters() {
        let told = curve(Some(1_000.0), Some(1_040.0), vec![trial(1_000.0, &[]), trial(1_040.0, &[Break::Latency])]);
        assert!(told.is_limit_of_the_cluster());
        assert_eq!(told.verdict(), "sustains 1000 operations per second, to 4.0 %; above it: latency; the cluster was the limit");
        let late = vec![trial(1_000.0, &[]), trial(1_040.0, &[Break::Generator, Break::Latency])];
        let told = curve(Some(1_000.0), Some(1_040.0), late);
        assert!(!told.is_limit_of_the_cluster() && told.verdict().contains("generator, or this machine, was the limit"));
        let open = curve(Some(1_000.0), None, vec![trial(1_000.0, &[])]);
        assert!(!open.is_limit_of_the_cluster() && open.verdict().ends_with("nothing broke before the search ended"));
        assert!(curve(None, Some(9.0), vec![trial(9.0, &[Break::Errors])]).verdict().starts_with("does not even sustain 9 "));
    }

    #[test]
    fn line_of_the_table_fits_a_terminal() {
        let line = line(&trial(12_345.6, &[Break::Latency]));
        assert!(line.len() <= 80 && heading().len() <= 80, "{line}");
        assert!(line.contains(" 1.2 ") && line.contains(" - ") && line.ends_with("latency"), "{line}");
    }
}
