//! Completeness: the run came to its end, everything that the judgement needs was read, and something was put to the test.

use super::Desk;
use crate::case::{Case, Class};
use crate::history::{History, reads};
use crate::verdict::Finding;

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "completeness";
    let case = desk.case;
    let mut gaps = run_gaps(case.history);
    gaps.extend(case.missing_nodes.iter().map(|node| format!("the history does not know {node}")));
    gaps.extend(read_gaps(case));
    gaps.extend(empty_gaps(case));
    if gaps.is_empty() {
        return Finding::valid(NAME, "the run came to its end, and everything was read");
    }
    let first = gaps.first().cloned().unwrap_or_default();
    let more = if gaps.len() > 1 { format!(" (and {} more)", gaps.len() - 1) } else { String::new() };
    Finding::unknown(NAME, format!("{first}{more}")).counting(gaps.len()).with(gaps)
}

fn run_gaps(history: &History) -> Vec<String> {
    let mut gaps = Vec::new();
    if history.interrupted_us.is_some() {
        gaps.push("the run was interrupted".to_owned());
    }
    if let Some((guard, seen)) = &history.aborted {
        gaps.push(format!("the guard {guard} gave the run up: {seen}"));
    }
    if let Some(torn) = &history.torn {
        gaps.push(format!("the history breaks off in the middle of line {}", torn.line));
    }
    if history.end_us.is_none() {
        gaps.push("the history has no end: the run did not come to its own".to_owned());
    }
    gaps.extend(history.troubles.iter().map(|trouble| format!("trouble: {trouble}")));
    gaps.extend(history.oddities.iter().cloned());
    gaps
}

fn read_gaps(case: &Case<'_>) -> Vec<String> {
    let nodes = case.required.iter().map(|node| case.history.node_name(*node));
    let of_nodes = nodes.flat_map(|node| [reads::projection(node), reads::ledger(node)]);
    let stores = [reads::STREAM, reads::OUTBOX, reads::RECORDS].map(str::to_owned);
    stores
        .into_iter()
        .chain(of_nodes)
        .filter_map(|what| match case.history.reads.get(&what) {
            None => Some(format!("the final read of {what} is missing")),
            Some(read) => match &read.error {
                Some(error) => Some(format!("the final read of {what} failed: {error}")),
                None if read.entries != read.found => {
                    Some(format!("the final read of {what} tells {} entries, the history holds {}", read.entries, read.found))
                }
                None => None,
            },
        })
        .collect()
}

/// A run in which nothing happened proves nothing.
fn empty_gaps(case: &Case<'_>) -> Vec<String> {
    if !case.claims.iter().any(|claim| claim.class == Class::Acknowledged) {
        return vec!["no order was acknowledged".to_owned()];
    }
    let silent = case.required.iter().filter(|node| !case.history.seen.iter().any(|seen| seen.node == **node));
    silent.map(|node| format!("the feed of {} showed nothing", case.history.node_name(*node))).collect()
}
