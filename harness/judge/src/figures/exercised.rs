//! What the run really put to the test.

use std::collections::BTreeMap;

use crate::case::Case;
use crate::exercise::{NAMES, Source};
use crate::history::{NodeIx, Reading};
use crate::numbers::whole;

/// Every counter of [`NAMES`] that was measured; a metric that no node exposed is left out.
pub(crate) fn measure(case: &Case<'_>) -> BTreeMap<String, u64> {
    NAMES
        .iter()
        .filter_map(|counter| {
            let value = match counter.source {
                Source::Client => Some(client(case, counter.name)),
                Source::Metric(metric) => increases(case, metric),
            };
            Some((counter.name.to_owned(), value?))
        })
        .collect()
}

fn client(case: &Case<'_>, name: &str) -> u64 {
    let ops = case.history.ops.iter();
    let count = match name {
        "new" => ops.filter(|op| op.status() == Some(201)).count(),
        "replays" => ops.filter(|op| op.end.as_ref().is_some_and(|end| end.replayed)).count(),
        "conflicts" => ops.filter(|op| op.is_conflict()).count(),
        "indeterminate" => ops.filter(|op| op.outcome() == crate::history::Outcome::Info).count(),
        "reads" => case.history.read_back.iter().filter(|read| read.is_answered()).count(),
        "reads_found" => case.history.read_back.iter().filter(|read| read.found().is_some()).count(),
        "stale_reads" => crate::checkers::stale_reads(case).count(),
        "hottest" => case.history.orders().map(|order| order.ops().len()).max().unwrap_or(0),
        _ => 0,
    };
    count as u64
}

/// The sum of a metric's increases over all nodes since the load began.
fn increases(case: &Case<'_>, metric: &str) -> Option<u64> {
    let mut last: BTreeMap<NodeIx, f64> = BTreeMap::new();
    let mut total: Option<f64> = None;
    for Reading { t_us, node, values } in &case.history.counters {
        let Some(value) = values.get(metric) else {
            continue;
        };
        let before = last.insert(*node, *value);
        let increase = match before {
            // The first reading is where the counter stood, and so is every one before the load.
            None => 0.0,
            Some(_) if *t_us <= case.edges.load_start_us => 0.0,
            Some(before) if *value >= before => value - before,
            // The node was restarted, and its counters with it.
            Some(_) => *value,
        };
        *total.get_or_insert(0.0) += increase;
    }
    total.map(whole)
}
