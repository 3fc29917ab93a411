//! Lost: acknowledged, or with any trace of having taken effect, and at quiescence not applied on a required node.

use super::Desk;
use crate::fate::Fate;
use crate::life::lives;
use crate::verdict::Finding;

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "lost";
    let claims = || desk.case.claims.iter().zip(desk.fates);
    let lost: Vec<usize> = claims()
        .filter(|(_, fate)| matches!(fate, Fate::Lost(_)))
        .map(|(claim, _)| claim.order)
        .collect();
    let unjudged: Vec<&str> = claims()
        .filter_map(|(_, fate)| {
            if let Fate::Unjudged(why) = fate {
                Some(why.as_str())
            } else {
                None
            }
        })
        .collect();
    if !lost.is_empty() {
        let orders = lives(desk.case, lost.iter().copied());
        let summary = format!(
            "{} orders took effect or were promised, and a node does not have them",
            lost.len()
        );
        let evidence = claims()
            .filter_map(|(claim, fate)| {
                let Fate::Lost(nodes) = fate else { return None };
                let order = &desk.case.history.orders[claim.order];
                Some(format!(
                    "{}: missing on {}",
                    order.id,
                    desk.case.names(nodes)
                ))
            })
            .collect();
        return Finding::invalid(NAME, summary)
            .counting(lost.len())
            .with(evidence)
            .with_orders(orders);
    }
    if let Some(why) = unjudged.first() {
        let summary = format!(
            "{} acknowledged orders are not on every node, but cannot be called lost: {why}",
            unjudged.len()
        );
        return Finding::unknown(NAME, summary);
    }
    let kept = claims()
        .filter(|(_, fate)| matches!(fate, Fate::Applied))
        .count();
    Finding::valid(
        NAME,
        format!("all {kept} orders that took effect are on every node"),
    )
}
