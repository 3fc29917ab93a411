//! Durability: every order that is excused because a fault destroyed it from below, as the scenario declares. They are
//! counted and named here, and judged nowhere else.

use std::collections::BTreeSet;

use super::{Desk, forgotten};
use crate::fate::Fate;
use crate::life::lives;
use crate::numbers::many;
use crate::verdict::{Evidence, Finding};

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "durability";
    let case = desk.case;
    if !case.plan.durability_limit {
        return Finding::valid(NAME, "nothing is excused: the scenario declares no limit");
    }
    let mut orders = BTreeSet::new();
    let mut evidence = Evidence::default();
    for (claim, fate) in case.claims.iter().zip(desk.fates) {
        let Fate::Excused(nodes, fault) = fate else { continue };
        let label = case.plan.faults[*fault].label_on(&case.spans[*fault].services);
        let id = case.history.order_id(claim.order);
        orders.insert(claim.order);
        evidence.push(format!("{id}: missing on {}, destroyed by {label}", case.names(nodes)));
    }
    for order in case.history.orders() {
        if forgotten::is_excused(case, order) && orders.insert(order.number) {
            evidence.push(format!("{}: taken in again, as Redis no longer knew it", order.id()));
        }
    }
    if orders.is_empty() {
        return Finding::valid(NAME, "the scenario declares a limit, and nothing had to be excused");
    }
    let summary = format!("{} excused: destroyed from below by a fault, and not by a node", many(orders.len(), "order"));
    let lives = lives(case, orders.iter().copied());
    Finding::valid(NAME, summary).counting(orders.len()).with(evidence).with_orders(lives)
}
