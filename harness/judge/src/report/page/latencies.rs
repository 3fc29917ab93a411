//! Tables of latencies: what a percentile was, or how many samples it lacks.

use super::html::{Table, escaped};
use crate::report::words::{count, ms, seconds};
use crate::report::{Distribution, FaultPhase, Report};

pub(super) const COLUMNS: [&str; 9] = ["ms", "p50#", "p90#", "p99#", "p99.9#", "p99.99#", "max#", "count#", "open#"];

pub(super) const LEGEND: &str = "From the intended start, a stall counts for everybody who would have come meanwhile; from sending, it does not. A percentile of too few samples is not told, but how many it needs. Open: no end is known, longer than all others.";

pub(super) fn row(name: &str, of: &Distribution) -> Vec<String> {
    let [p50, p90, p99, p999, p9999] = of.percentiles().map(|each| told(of, each));
    vec![escaped(name), p50, p90, p99, p999, p9999, ms(of.max), count(of.count), count(of.censored)]
}

fn told(of: &Distribution, percentile: (f64, Option<f64>)) -> String {
    let all = of.count + of.censored;
    of.lacks(percentile)
        .map_or_else(|| ms(percentile.1), |needed| format!("<small>too few: {} of {} needed</small>", count(all), count(needed)))
}

/// From each node to each.
pub(super) fn pairs(report: &Report) -> String {
    let pairs = &report.latency.propagation_ms_per_pair;
    if pairs.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&COLUMNS);
    for (from, sights) in pairs {
        for (to, of) in sights {
            table.row(&row(&format!("{from} → {to}"), of));
        }
    }
    format!("<h3>Propagation, from the node that took an order in to the one that saw it</h3>\n{}", table.finish())
}

/// Before, during and after each fault.
pub(super) fn phases(report: &Report) -> String {
    let phases = &report.latency.fault_phases;
    if phases.is_empty() {
        return String::new();
    }
    let mut table =
        Table::new(&["fault", "phase", "from#", "until#", "what", "p50#", "p90#", "p99#", "p99.9#", "max#", "count#", "open#"]);
    for phase in phases {
        add(&mut table, phase, "request", &phase.waits.corrected_ms);
        add(&mut table, phase, "request, from sending", &phase.waits.uncorrected_ms);
        add(&mut table, phase, "propagation", &phase.propagation_ms);
        for (node, waits) in &phase.per_node {
            add(&mut table, phase, &format!("request to {node}"), &waits.corrected_ms);
        }
    }
    format!(
        "<h3>By phase of each fault</h3>\n<details><summary>{} phases</summary>\n{}</details>\n",
        phases.len(),
        table.finish()
    )
}

fn add(table: &mut Table, phase: &FaultPhase, what: &str, of: &Distribution) {
    let [p50, p90, p99, p999, _] = of.percentiles().map(|each| told(of, each));
    table.row(&[
        format!("{} {}", phase.fault, escaped(&phase.name)),
        escaped(&phase.phase),
        seconds(Some(phase.from_ms)),
        seconds(Some(phase.until_ms)),
        escaped(what),
        p50,
        p90,
        p99,
        p999,
        ms(of.max),
        count(of.count),
        count(of.censored),
    ]);
}
