//! Ledger: on every node a customer's count and total are those of the orders that the same node's projection holds,
//! each once, to the minor unit.

use std::collections::HashMap;

use super::Desk;
use crate::history::{NodeIx, Text, reads};
use crate::numbers::many;
use crate::verdict::Finding;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Account {
    orders: u64,
    total_minor: u128,
}

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "ledger";
    let case = desk.case;
    let history = case.history;
    let judged: Vec<NodeIx> = case
        .required
        .iter()
        .copied()
        .filter(|node| case.has_projection(*node) && history.has_read(&reads::ledger(history.node_name(*node))))
        .collect();
    let mut wanted: HashMap<(NodeIx, Text), Account> = HashMap::new();
    for entry in history.projected.iter().filter(|entry| entry.applied > 0 && judged.contains(&entry.node)) {
        let account = wanted.entry((entry.node, entry.customer_id)).or_default();
        account.orders += 1;
        account.total_minor += u128::from(entry.amount_minor.unwrap_or(0));
    }
    let mut wrong = Vec::new();
    for line in history.ledger.iter().filter(|line| judged.contains(&line.node)) {
        let want = wanted.remove(&(line.node, line.customer_id)).unwrap_or_default();
        let agrees = line.orders == want.orders && line.total_minor.map(u128::from) == Some(want.total_minor);
        if !agrees {
            let total = line.total_minor.map_or("an inexact total".to_owned(), |minor| format!("{minor} minor units"));
            wrong.push(format!(
                "{} on {}: the ledger says {} orders and {total}, the projection {} and {}",
                history.text(line.customer_id),
                history.node_name(line.node),
                line.orders,
                want.orders,
                want.total_minor
            ));
        }
    }
    let mut left: Vec<(NodeIx, &str, Account)> =
        wanted.into_iter().map(|((node, customer_id), want)| (node, history.text(customer_id), want)).collect();
    left.sort_unstable_by_key(|(node, customer_id, _)| (*node, *customer_id));
    for (node, customer_id, want) in left {
        let node = history.node_name(node);
        wrong.push(format!("{customer_id} on {node}: not in the ledger, the projection says {} orders", want.orders));
    }
    if !wrong.is_empty() {
        let count = wrong.len();
        let summary = format!("{} at odds with the sum of the orders", many(count, "ledger line"));
        let finding = if case.is_quiescent() { Finding::invalid(NAME, summary) } else { Finding::unknown(NAME, summary) };
        return finding.counting(count).with(wrong);
    }
    if judged.len() < case.plan.roster.len() {
        return Finding::unknown(NAME, "not every ledger and projection was read");
    }
    Finding::valid(NAME, "every customer's total is the sum of the orders, on every node")
}

#[cfg(test)]
mod tests {
    use crate::testing::{NODES, Story, customer};
    use crate::verdict::Verdict;

    #[test]
    fn total_one_minor_unit_off_on_every_node_is_found() {
        let mut story = Story::good(3);
        assert_eq!(story.finding("ledger").verdict, Verdict::Valid);
        for node in NODES {
            story.ledger.insert((node.to_owned(), customer(1)), (1, Some(crate::testing::amount(1) + 1)));
        }
        let report = story.report();
        assert_eq!(report.diverged, Some(false), "the nodes agree, and are all wrong");
        let finding = story.finding("ledger");
        assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 3));
    }

    #[test]
    fn inexact_total_is_wrong() {
        let mut story = Story::good(3);
        story.ledger.insert((NODES[0].to_owned(), customer(1)), (1, None));
        assert_eq!(story.finding("ledger").verdict, Verdict::Invalid);
    }

    #[test]
    fn empty_line_of_a_customer_without_orders_is_right() {
        let mut story = Story::good(1);
        story.ledger.insert((NODES[0].to_owned(), customer(2)), (0, Some(0)));
        assert_eq!(story.finding("ledger").verdict, Verdict::Valid);
    }

    #[test]
    fn order_that_a_node_lists_and_has_not_applied_counts_for_nothing() {
        let mut story = Story::good(3);
        story.projection_mut(0, 1).applied = 0;
        story.ledger.insert((NODES[0].to_owned(), customer(1)), (0, Some(0)));
        assert_eq!(story.finding("ledger").verdict, Verdict::Valid);
    }

    #[test]
    fn ledger_that_was_not_read_leaves_it_open() {
        let mut story = Story::good(3);
        story.failed_reads.insert(crate::history::reads::ledger(NODES[0]), "timeout".to_owned());
        assert_eq!(story.finding("ledger").verdict, Verdict::Unknown);
    }
}
