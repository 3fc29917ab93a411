//! Diverged: at quiescence two required nodes differ in (order id, content, applied) or in their ledgers. Sequence,
//! position and times do not count.
//!
//! Each node's digest over what counts is told, so that runs and nodes can be compared at a glance; where nodes differ, the
//! first differences are told in full.

use std::collections::{BTreeMap, HashSet};

use super::Desk;
use crate::case::Case;
use crate::history::{NodeIx, OrderIx, Text, reads};
use crate::life::{content, lives, money};
use crate::numbers::many;
use crate::seed::{FNV1A, fnv1a};
use crate::verdict::{Evidence, Finding};

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "diverged";
    let case = desk.case;
    let read: Vec<NodeIx> = case.required.iter().copied().filter(|node| case.has_projection(*node)).collect();
    // A node that took a message before it was destroyed has what the others cannot get any more.
    let (excused, orders): (Vec<_>, Vec<_>) =
        differing_orders(case, &read).into_iter().partition(|(order, _)| desk.is_excused(*order));
    let customers: HashSet<Text> = excused.iter().flat_map(|(order, _)| customers(case, *order)).collect();
    let ledgers = differing_ledgers(case, &customers);
    let count = orders.len() + ledgers.len();
    if count > 0 && !case.is_quiescent() {
        let summary = format!("{} between nodes, which were not quiescent when they were read", many(count, "difference"));
        return Finding::unknown(NAME, summary).counting(count);
    }
    if count > 0 {
        let lives = lives(case, orders.iter().map(|(order, _)| *order));
        let summary = format!("nodes differ in {} and {}", many(orders.len(), "order"), many(ledgers.len(), "ledger line"));
        let evidence: Evidence = orders.into_iter().map(|(_, line)| line).chain(ledgers).collect();
        return Finding::invalid(NAME, summary).counting(count).with(evidence).with_orders(lives);
    }
    if read.len() < case.plan.roster.len() || !case.is_quiescent() {
        let why = if case.is_quiescent() { "not every projection was read" } else { "the cluster was not quiescent" };
        return Finding::unknown(NAME, format!("no difference was found, but {why}"));
    }
    let but = match excused.len() {
        0 => String::new(),
        some => format!(", but for {} within the durability limit", many(some, "order")),
    };
    let digests: Evidence = read.iter().map(|node| digest(case, *node)).collect();
    Finding::valid(NAME, format!("all {} nodes hold the same orders and ledgers{but}", read.len())).with(digests)
}

/// How much a node holds, and a digest of it that does not depend on the order in which it was applied.
fn digest(case: &Case<'_>, node: NodeIx) -> String {
    let history = case.history;
    let (mut count, mut digest) = (0_u64, 0_u64);
    for held in history.projected.iter().filter(|held| held.node == node) {
        // With an end behind each text, so that neighbours cannot run into each other.
        let texts = [history.order_id(held.order), history.text(held.customer_id)];
        let hash = texts.iter().fold(FNV1A, |hash, text| fnv1a(fnv1a(hash, text.as_bytes()), &[0xFF]));
        let numbers = [held.amount_minor.unwrap_or(u64::MAX), held.applied];
        digest = digest.wrapping_add(numbers.iter().fold(hash, |hash, number| fnv1a(hash, &number.to_le_bytes())));
        count += 1;
    }
    format!("{}: {}, digest {digest:016x}", history.node_name(node), many(usize::try_from(count).unwrap_or(usize::MAX), "order"))
}

fn differing_orders(case: &Case<'_>, nodes: &[NodeIx]) -> Vec<(OrderIx, String)> {
    let mut differing = Vec::new();
    for order in case.history.orders() {
        let holds = |node: NodeIx| {
            let entries = order.projected().iter().filter(move |entry| entry.node == node);
            let mut held: Vec<Held<'_>> =
                entries.map(|entry| (case.history.text(entry.customer_id), entry.amount_minor, entry.applied)).collect();
            held.sort_unstable();
            held
        };
        let Some((first, others)) = nodes.split_first() else {
            break;
        };
        let reference = holds(*first);
        if let Some(other) = others.iter().find(|node| holds(**node) != reference) {
            let line = format!(
                "{}: {} holds {}, {} {}",
                order.id(),
                case.history.node_name(*first),
                held(&reference),
                case.history.node_name(*other),
                held(&holds(*other))
            );
            differing.push((order.number, line));
        }
    }
    differing
}

/// Customer, amount, and how often it was applied.
type Held<'a> = (&'a str, Option<u64>, u64);

fn held(entries: &[Held<'_>]) -> String {
    if entries.is_empty() {
        return "nothing".to_owned();
    }
    let shown = entries.iter().map(|(customer, amount, applied)| format!("{}, applied {applied}x", content(customer, *amount)));
    shown.collect::<Vec<_>>().join(" and ")
}

/// The customers that the order names anywhere.
fn customers(case: &Case<'_>, order: OrderIx) -> impl Iterator<Item = Text> {
    case.projected(order).map(|entry| entry.customer_id)
}

/// Without those customers whose lines have to differ; each line is held against its own projection elsewhere.
fn differing_ledgers(case: &Case<'_>, without: &HashSet<Text>) -> Vec<String> {
    let history = case.history;
    let read: Vec<NodeIx> =
        case.required.iter().copied().filter(|node| history.has_read(&reads::ledger(history.node_name(*node)))).collect();
    let mut lines: BTreeMap<&str, BTreeMap<NodeIx, (u64, Option<u64>)>> = BTreeMap::new();
    for line in history.ledger.iter().filter(|line| read.contains(&line.node) && !without.contains(&line.customer_id)) {
        lines.entry(history.text(line.customer_id)).or_default().insert(line.node, (line.orders, line.total_minor));
    }
    lines
        .into_iter()
        .filter(|(_, by_node)| {
            let mut values = read.iter().map(|node| by_node.get(node));
            let first = values.next();
            values.any(|value| Some(value) != first)
        })
        .map(|(customer_id, by_node)| {
            let shown: Vec<String> = read
                .iter()
                .map(|node| match by_node.get(node) {
                    Some((orders, total)) => format!(
                        "{} {orders} orders, {}",
                        history.node_name(*node),
                        total.map_or("an inexact total".to_owned(), money)
                    ),
                    None => format!("{} nothing", history.node_name(*node)),
                })
                .collect();
            format!("ledger of {customer_id}: {}", shown.join("; "))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::history::reads;
    use crate::testing::{NODES, Story, customer};
    use crate::verdict::Verdict;

    #[test]
    fn other_positions_and_times_are_no_divergence() {
        let mut story = Story::good(20);
        story.projection_mut(1, 4).position = 5_000;
        story.projection_mut(1, 4).applied_at = "2027-01-01T00:00:00Z".to_owned();
        assert_eq!(story.report().diverged, Some(false));
    }

    #[test]
    fn nodes_that_agree_have_one_digest_and_another_content_has_another() {
        let digest = |line: &String| line.split_once("digest ").map(|(_, digest)| digest.to_owned());
        let digests = |story: &Story| story.finding("diverged").evidence.iter().filter_map(digest).collect::<Vec<_>>();
        let mut story = Story::good(20);
        story.projection_mut(1, 4).position = 5_000;
        let same = digests(&story);
        assert_eq!((same.len(), &same[0], &same[1]), (3, &same[1], &same[2]));
        for node in 0..3 {
            story.projection_mut(node, 4).amount_minor = Some(7);
        }
        assert_ne!(digests(&story)[0], same[0]);
    }

    #[test]
    fn nodes_that_differ_in_content_count_or_presence_diverge() {
        let mut content = Story::good(20);
        content.projection_mut(1, 4).amount_minor = Some(7);
        let mut count = Story::good(20);
        count.projection_mut(2, 4).applied = 2;
        let mut presence = Story::good(20);
        presence.forget_on(&[0], 4);
        for story in [content, count, presence] {
            assert_eq!(story.report().diverged, Some(true));
        }
    }

    #[test]
    fn nodes_that_differ_in_a_ledger_diverge() {
        let mut story = Story::good(20);
        story.ledger.insert((NODES[1].to_owned(), customer(1)), (6, Some(1)));
        assert_eq!(story.report().diverged, Some(true));
    }

    #[test]
    fn whether_they_agree_cannot_be_told_of_an_unread_or_restless_cluster() {
        let mut unread = Story::good(20);
        unread.failed_reads.insert(reads::projection(NODES[1]), "timeout".to_owned());
        assert_eq!(unread.report().diverged, None);
        let mut restless = Story::good(20);
        restless.forget_on(&[0], 4);
        restless.quiescence = None;
        assert_eq!((restless.report().diverged, restless.report().verdict), (None, Verdict::Unknown));
    }

    #[test]
    fn difference_is_told_with_what_each_node_holds_and_agreement_with_how_much() {
        let evidence = Story::good(20).finding("diverged").evidence;
        assert!(evidence[0].starts_with("cluster-node-1: 20 orders, digest "), "{evidence:?}");
        let mut differs = Story::good(20);
        differs.projection_mut(1, 4).amount_minor = Some(7);
        differs.forget_on(&[1], 5);
        let finding = differs.finding("diverged");
        let lines = [
            "run-4: cluster-node-1 holds run-customer-1 for 4.29, applied 1x, cluster-node-2 run-customer-1 for 0.07, applied 1x",
            "run-5: cluster-node-1 holds run-customer-2 for 5.29, applied 1x, cluster-node-2 nothing",
        ];
        assert_eq!(finding.evidence[..2], lines);
        let mut restless = Story::good(20);
        restless.quiescence = None;
        assert_eq!(restless.finding("diverged").summary, "no difference was found, but the cluster was not quiescent");
    }
}
