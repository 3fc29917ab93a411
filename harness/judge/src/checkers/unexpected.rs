//! Unexpected: published or applied, and none of its operations ended `ok` or `info`, or there was none at all. A
//! changed amount or customer makes another claim, and so an unexpected one.

use std::collections::BTreeMap;

use super::Desk;
use crate::case::{Case, Class};
use crate::life::lives;
use crate::verdict::Finding;

/// An order's content as some store holds it, or `None` where the store tells only its id.
type Content<'a> = Option<(&'a str, Option<u64>)>;

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "unexpected";
    let case = desk.case;
    let history = case.history;
    let mut wrong: Vec<usize> = Vec::new();
    let mut evidence = Vec::new();
    let mut count = 0;
    for (number, order) in history.orders.iter().enumerate() {
        let mut effects: BTreeMap<Content<'_>, String> = BTreeMap::new();
        for message in order.published.iter().map(|at| &history.published[*at]) {
            let content = Some((
                message.answer.customer_id.as_str(),
                message.answer.amount_minor,
            ));
            effects
                .entry(content)
                .or_insert_with(|| format!("published as sequence {}", message.sequence));
        }
        for entry in case.projected(number).filter(|entry| entry.applied > 0) {
            let content = Some((entry.customer_id.as_str(), entry.amount_minor));
            effects
                .entry(content)
                .or_insert_with(|| format!("applied on {}", history.node_name(entry.node)));
        }
        if let Some(seen) = order.seen.first().map(|at| &history.seen[*at]) {
            effects
                .entry(None)
                .or_insert_with(|| format!("seen on {}", history.node_name(seen.node)));
        }
        let unexpected: Vec<String> = effects
            .iter()
            .filter_map(|(content, effect)| {
                why(case, number, *content).map(|why| format!("{effect}, {why}"))
            })
            .collect();
        if !unexpected.is_empty() {
            count += unexpected.len();
            wrong.push(number);
            evidence.push(format!("{}: {}", order.id, unexpected.join("; ")));
        }
    }
    if wrong.is_empty() {
        return Finding::valid(
            NAME,
            "nothing took effect that was not asked for, or that was refused",
        );
    }
    let orders = lives(case, wrong.iter().copied());
    let summary = format!(
        "{} orders took effect although they were refused, changed, or never attempted",
        wrong.len()
    );
    Finding::invalid(NAME, summary)
        .counting(count)
        .with(evidence)
        .with_orders(orders)
}

/// Why an effect is unexpected, if it is.
fn why(case: &Case<'_>, order: usize, content: Content<'_>) -> Option<&'static str> {
    let claims = case.claims_of(order);
    if claims.is_empty() {
        return Some("never attempted");
    }
    let Some((customer_id, amount_minor)) = content else {
        let all_failed = claims.iter().all(|claim| claim.class == Class::Failed);
        return all_failed.then_some("though every operation certainly failed");
    };
    match claims
        .iter()
        .find(|claim| claim.has_content(customer_id, amount_minor))
    {
        None => Some("with a content that nobody sent"),
        Some(claim) if claim.class == Class::Failed => {
            Some("though every operation with this content certainly failed")
        }
        Some(_) => None,
    }
}
