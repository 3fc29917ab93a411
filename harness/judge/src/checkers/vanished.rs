//! Vanished: seen on a node's feed, and later not in that node's projection.

use super::Desk;
use crate::life::lives;
use crate::verdict::Finding;

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "vanished";
    let case = desk.case;
    let history = case.history;
    let mut wrong: Vec<usize> = Vec::new();
    let mut evidence = Vec::new();
    for confirm in history
        .confirms
        .iter()
        .filter(|confirm| confirm.status == 404)
    {
        wrong.push(confirm.order);
        let id = &history.orders[confirm.order].id;
        evidence.push(format!(
            "{id}: on the feed of {0}, then 404 on {0}",
            history.node_name(confirm.node)
        ));
    }
    let final_reads_us = case.final_reads_us();
    for seen in history
        .seen
        .iter()
        .filter(|seen| seen.t_us < final_reads_us && case.has_projection(seen.node))
    {
        if !case
            .projected(seen.order)
            .any(|entry| entry.node == seen.node && entry.applied > 0)
        {
            wrong.push(seen.order);
            let id = &history.orders[seen.order].id;
            evidence.push(format!(
                "{id}: on the feed of {0}, not in the final projection of {0}",
                history.node_name(seen.node)
            ));
        }
    }
    if wrong.is_empty() {
        return Finding::valid(NAME, "everything that a feed showed stayed");
    }
    wrong.sort_unstable();
    wrong.dedup();
    let orders = lives(case, wrong.iter().copied());
    let summary = format!(
        "{} orders were seen on a node and were gone later",
        wrong.len()
    );
    Finding::invalid(NAME, summary)
        .counting(wrong.len())
        .with(evidence)
        .with_orders(orders)
}
