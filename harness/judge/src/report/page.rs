//! `report.html`: one file that holds everything, for people. Verdict first, then the run over time, then what it rests on.

mod html;
mod latencies;
mod sections;

use serde::Serialize;

pub(super) use self::html::Table;
use self::html::embedded;
pub(super) use self::html::escaped;
use super::words::fault_name;
use super::{FaultFigures, Report, Series};

pub(super) const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/charts.js");

/// What the report itself does not know of its run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// What a person types to run it again.
    pub repeat: Option<String>,
    /// What it was run on: a name and its value each.
    pub versions: Vec<(String, String)>,
}

/// The page. `series` is missing where nothing could be measured: then there are no charts.
#[must_use]
pub fn page(report: &Report, series: Option<&Series>, about: &About) -> String {
    let mut body = sections::head(report);
    body.push_str(&sections::tiles(report));
    if let Some(series) = series {
        body.push_str(&sections::charts());
        body.push_str(&sections::faults(report));
        body.push_str(&sections::expectations(report));
        body.push_str(&sections::bars());
        body.push_str(&sections::distributions(report));
        body.push_str(&sections::resources(report));
        body.push_str(&sections::checkers(report));
        body.push_str(&sections::about(report, about));
        let data = embedded(&Data::of(report, series));
        body.extend(["<script type=\"application/json\" id=\"data\">", &data, "</script>\n<script>", SCRIPT, "</script>\n"]);
    } else {
        body.push_str(&sections::checkers(report));
        body.push_str(&sections::about(report, about));
    }
    let title = format!("{}: {}", report.verdict, report.scenario);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        escaped(&title)
    )
}

/// What the charts are drawn from.
#[derive(Serialize)]
struct Data<'a> {
    series: &'a Series,
    faults: Vec<Band>,
    load_end_ms: f64,
}

/// A fault as a band over the charts, in milliseconds from the start of the load.
#[derive(Serialize)]
struct Band {
    name: String,
    from: f64,
    to: f64,
    /// Until its backlog was drained.
    tail: f64,
}

impl<'a> Data<'a> {
    fn of(report: &Report, series: &'a Series) -> Self {
        let end = series.step_ms * series.stretches as f64;
        let band = |fault: &FaultFigures| {
            let from = fault.injected_at_ms?;
            let to = fault.healed_at_ms.unwrap_or(end);
            Some(Band { name: fault_name(fault), from, to, tail: fault.window_end_ms.unwrap_or(to).max(to) })
        };
        let last = series.offered.iter().rposition(|count| *count > 0).map_or(0, |at| at + 1);
        Self { series, faults: report.faults.iter().filter_map(band).collect(), load_end_ms: series.step_ms * last as f64 }
    }
}

#[cfg(test)]
mod tests;
