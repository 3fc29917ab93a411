//! `index.html`: one page over many runs, with how their figures went.

use std::collections::BTreeMap;

use super::page::{STYLE, Table, escaped};
use super::words::{count, ms, seconds, share};
use super::{Distribution, Report};
use crate::verdict::Verdict;

/// One run on the page.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Of its own page, from the index.
    pub link: String,
    pub scenario: String,
    pub started_at: String,
    pub seed: u64,
    pub cluster: String,
    pub verdict: Verdict,
    /// Expectations that were missed.
    pub missed: usize,
    pub complete: bool,
    pub orders: u64,
    pub lost: u64,
    pub latency_ms: Distribution,
    pub propagation_ms: Distribution,
    pub recovery_ms: Option<f64>,
    pub availability: Option<f64>,
    pub acknowledged_per_s: f64,
}

impl Listed {
    #[must_use]
    pub fn new(report: &Report, link: String) -> Self {
        Self {
            link,
            scenario: report.scenario.clone(),
            started_at: report.run.started_at.clone(),
            seed: report.seed,
            cluster: report.run.cluster.clone(),
            verdict: report.verdict,
            missed: report.expectations.iter().filter(|expectation| expectation.met == Some(false)).count(),
            complete: report.run.complete,
            orders: report.orders.attempted,
            lost: report.orders.lost,
            latency_ms: report.request_ms.from_start.overall,
            propagation_ms: report.propagation_ms.from_start.overall,
            recovery_ms: report.faults.iter().filter_map(|fault| fault.recovery_ms).reduce(f64::max),
            availability: report.availability,
            acknowledged_per_s: report.load.acknowledged_per_s,
        }
    }
}

/// The page. `untold`: runs without a report that could be read.
#[must_use]
pub fn index(runs: &[Listed], untold: usize) -> String {
    let mut scenarios: BTreeMap<&str, Vec<&Listed>> = BTreeMap::new();
    for run in runs {
        scenarios.entry(&run.scenario).or_default().push(run);
    }
    let of = |verdict| runs.iter().filter(|run| run.verdict == verdict).count();
    let mut body = format!(
        "<header>\n<h1>{} runs</h1>\n<p>{} valid, {} invalid, {} unknown; {untold} without a readable report.</p>\n</header>\n",
        runs.len(),
        of(Verdict::Valid),
        of(Verdict::Invalid),
        of(Verdict::Unknown)
    );
    for (scenario, mut runs) in scenarios {
        runs.sort_by(|one, other| one.started_at.cmp(&other.started_at));
        body.push_str(&section(scenario, &runs));
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{} runs</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        runs.len()
    )
}

fn section(scenario: &str, runs: &[&Listed]) -> String {
    let mut table = Table::new(&[
        "run",
        "verdict",
        "seed#",
        "cluster",
        "orders#",
        "lost#",
        "request p50, ms#",
        "p99#",
        "propagation p50, ms#",
        "p99#",
        "acknowledged/s#",
        "recovery#",
        "available#",
    ]);
    // The newest first: that is what a reader looks for.
    for run in runs.iter().rev() {
        table.row(&row(run));
    }
    let trend = |name: &str, of: &dyn Fn(&Listed) -> Option<f64>| {
        let values: Vec<Option<f64>> = runs.iter().map(|run| of(run)).collect();
        format!("<figure><figcaption>{name}</figcaption>{}</figure>\n", line(name, &values))
    };
    let trends = [
        trend("request p99, ms", &|run| run.latency_ms.p99),
        trend("propagation p99, ms", &|run| run.propagation_ms.p99),
        trend("acknowledged per second", &|run| Some(run.acknowledged_per_s)),
    ];
    let trends = if runs.len() > 1 { format!("<div class=\"pair\">{}</div>\n", trends.concat()) } else { String::new() };
    format!("<h2>{}</h2>\n{trends}{}", escaped(scenario), table.finish())
}

fn row(run: &Listed) -> Vec<String> {
    let missed = if run.missed > 0 { format!(" <small class=\"missed\">{} missed</small>", run.missed) } else { String::new() };
    let partial = if run.complete { "" } else { " <small class=\"unknown\">partial</small>" };
    vec![
        format!("<a href=\"{}\">{}</a>", escaped(&run.link), escaped(&to_the_second(&run.started_at))),
        format!("<span class=\"{0}\">{0}</span>{missed}{partial}", run.verdict),
        run.seed.to_string(),
        escaped(&run.cluster),
        count(run.orders),
        count(run.lost),
        ms(run.latency_ms.p50),
        ms(run.latency_ms.p99),
        ms(run.propagation_ms.p50),
        ms(run.propagation_ms.p99),
        format!("{:.1}", run.acknowledged_per_s),
        seconds(run.recovery_ms),
        share(run.availability),
    ]
}

/// From the oldest run to the newest, from 0 up; a run without the figure leaves a gap.
fn line(name: &str, values: &[Option<f64>]) -> String {
    const WIDTH: f64 = 300.0;
    const HEIGHT: f64 = 60.0;
    let most = values.iter().flatten().copied().fold(0.0, f64::max);
    if most <= 0.0 {
        return "<p class=\"quiet\">not measured</p>".to_owned();
    }
    let step = WIDTH / (values.len().max(2) - 1) as f64;
    let at = |(number, value): (usize, &Option<f64>)| value.map(|value| (number as f64 * step, HEIGHT * (1.0 - value / most)));
    let points: Vec<(f64, f64)> = values.iter().enumerate().filter_map(at).collect();
    let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let dots: Vec<String> =
        points.iter().map(|(x, y)| format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"currentColor\"/>")).collect();
    let last = values.iter().rev().flatten().next().copied();
    let label = format!("{name}: {} runs, last {}, most {}", values.len(), ms(last), ms(Some(most)));
    format!(
        "<svg viewBox=\"-4 -4 {} {}\" role=\"img\" aria-label=\"{}\" width=\"100%\"><polyline points=\"{}\" fill=\"none\" stroke=\"currentColor\"/>{}</svg><small>{}</small>",
        WIDTH + 8.0,
        HEIGHT + 8.0,
        escaped(&label),
        path.join(" "),
        dots.concat(),
        escaped(&label)
    )
}

/// `2026-11-29 15:52:32`: a name in a table needs no fractions.
fn to_the_second(rfc3339: &str) -> String {
    rfc3339.replacen('T', " ", 1).chars().take(19).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Story;

    #[test]
    fn page_lists_every_run_under_its_scenario_with_its_trend_and_needs_nothing_from_outside() {
        let mut bad = Story::good(1_200);
        bad.forget_on(&[0, 1, 2], 7);
        bad.plan.scenario = "b<ad".to_owned();
        let good = Story::good(1_200).report();
        let runs = [
            Listed::new(&good, "test/1/report.html".to_owned()),
            Listed::new(&good, "test/2/report.html".to_owned()),
            Listed::new(&bad.report(), "bad/3/report.html".to_owned()),
        ];
        let page = index(&runs, 2);
        assert!(page.contains("<p>2 valid, 1 invalid, 0 unknown; 2 without a readable report.</p>"), "{page}");
        for run in &runs {
            assert!(page.contains(&format!("<a href=\"{}\">", run.link)), "{}", run.link);
        }
        assert!(page.contains("<h2>b&lt;ad</h2>") && page.contains("<h2>test</h2>") && !page.contains("b<ad"));
        assert_eq!(page.matches("<svg ").count(), 3, "one run has no trend");
        for outside in ["http://", "https://", "src=", "<link", "@import", "url("] {
            assert!(!page.contains(outside), "the page refers to {outside}");
        }
    }
}
