//! Indeterminate operations are resolved from evidence: absent, recovered or lost. What contradicts itself, or cannot be
//! seen, stays unresolved.

use super::Desk;
use crate::case::Class;
use crate::fate::Fate;
use crate::life::lives;
use crate::verdict::Finding;

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "indeterminate";
    let (mut recovered, mut absent, mut lost) = (0_u64, 0_u64, 0_u64);
    let mut unresolved = Vec::new();
    let claims = desk
        .case
        .claims
        .iter()
        .zip(desk.fates)
        .filter(|(claim, _)| claim.class == Class::Indeterminate);
    for (claim, fate) in claims {
        match fate {
            Fate::Applied => recovered += 1,
            Fate::Absent => absent += 1,
            Fate::Lost(_) => lost += 1,
            Fate::Unresolved(why) | Fate::Unjudged(why) => unresolved.push((claim.order, why)),
            Fate::Refused => {}
        }
    }
    let lost_too = if lost > 0 {
        format!(", {lost} lost")
    } else {
        String::new()
    };
    let resolved = format!("{recovered} recovered, {absent} absent{lost_too}");
    if unresolved.is_empty() {
        return Finding::valid(
            NAME,
            format!("all indeterminate orders are resolved: {resolved}"),
        );
    }
    let evidence = unresolved
        .iter()
        .map(|(order, why)| format!("{}: {why}", desk.case.history.orders[*order].id))
        .collect();
    let orders = lives(desk.case, unresolved.iter().map(|(order, _)| *order));
    let summary = format!(
        "{} indeterminate orders are unresolved; {resolved}",
        unresolved.len()
    );
    Finding::unknown(NAME, summary)
        .counting(unresolved.len())
        .with(evidence)
        .with_orders(orders)
}
