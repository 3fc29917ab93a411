//! What became of each claim, from all the evidence at the end of a run.

use crate::case::{Case, Claim, Class};
use crate::history::{NodeIx, OrderIx, reads};

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Applied on every required node.
    Applied,
    /// It took effect or was promised, and these required nodes do not have it.
    Lost(Vec<NodeIx>),
    /// The same, and the fault of this number destroyed it from below, as the scenario declares.
    Excused(Vec<NodeIx>, usize),
    /// Indeterminate, and it left no trace anywhere.
    Absent,
    /// All its operations certainly failed.
    Refused,
    /// Indeterminate, and the evidence contradicts itself or is not all there.
    Unresolved(String),
    /// Acknowledged and missing somewhere, but it cannot be told whether for good.
    Unjudged(String),
}

/// What became of every claim, in the order of the case's claims.
pub(crate) fn fates(case: &Case<'_>) -> Vec<Fate> {
    case.claims.iter().map(|claim| fate(case, claim)).collect()
}

pub(crate) fn fate(case: &Case<'_>, claim: &Claim) -> Fate {
    match claim.class {
        Class::Failed => Fate::Refused,
        Class::Acknowledged => match missing(case, claim) {
            Missing::Nowhere => Fate::Applied,
            Missing::On(nodes) => lost(case, claim, nodes),
            Missing::CannotTell(why) => Fate::Unjudged(why),
        },
        Class::Indeterminate => resolve(case, claim),
    }
}

enum Missing {
    Nowhere,
    On(Vec<NodeIx>),
    CannotTell(String),
}

/// The required nodes that certainly lack a claim. A projection that was not read proves nothing, and before
/// quiescence nothing is missing for good.
fn missing(case: &Case<'_>, claim: &Claim) -> Missing {
    let (unread, lacking): (Vec<NodeIx>, Vec<NodeIx>) =
        case.required.iter().copied().filter(|node| !case.is_applied(claim, *node)).partition(|node| !case.has_projection(*node));
    let is_everywhere = unread.is_empty() && lacking.is_empty();
    if !is_everywhere && !case.is_quiescent() {
        return Missing::CannotTell("the cluster was not quiescent when it was read".to_owned());
    }
    if !lacking.is_empty() {
        return Missing::On(lacking);
    }
    if !unread.is_empty() {
        return Missing::CannotTell(format!("the projection of {} was not read", case.names(&unread)));
    }
    if !case.missing_nodes.is_empty() {
        return Missing::CannotTell(format!("nothing is known of {}", case.missing_nodes.join(", ")));
    }
    Missing::Nowhere
}

/// An indeterminate claim is resolved from what was found in the stream, the outbox, the records and the projections.
fn resolve(case: &Case<'_>, claim: &Claim) -> Fate {
    let own = has_own_trace(case, claim);
    let rivals: Vec<&Claim> =
        case.claims_of(claim.order).iter().filter(|other| *other != claim && other.class != Class::Failed).collect();
    let rival_trace = rivals.iter().any(|rival| rival.class == Class::Acknowledged || has_own_trace(case, rival));
    if own && rival_trace {
        return Fate::Unresolved("there are traces of two contents under one order id".to_owned());
    }
    if own {
        return lost_or_applied(case, claim);
    }
    if rival_trace || !has_bare_trace(case, claim.order) {
        return match unread(case) {
            None => Fate::Absent,
            Some(what) => Fate::Unresolved(format!("no trace was found, but the read of {what} is missing")),
        };
    }
    if rivals.is_empty() {
        lost_or_applied(case, claim)
    } else {
        Fate::Unresolved("its only traces do not tell the content".to_owned())
    }
}

fn lost_or_applied(case: &Case<'_>, claim: &Claim) -> Fate {
    match missing(case, claim) {
        Missing::Nowhere => Fate::Applied,
        Missing::On(nodes) => lost(case, claim, nodes),
        Missing::CannotTell(why) => Fate::Unresolved(why),
    }
}

fn lost(case: &Case<'_>, claim: &Claim, nodes: Vec<NodeIx>) -> Fate {
    match case.limits.excuses_loss(case, claim, &nodes) {
        Some(fault) => Fate::Excused(nodes, fault),
        None => Fate::Lost(nodes),
    }
}

/// A trace that tells the claim's very content.
pub(crate) fn has_own_trace(case: &Case<'_>, claim: &Claim) -> bool {
    let history = case.history;
    let order = history.order(claim.order);
    let published = order.published().iter().any(|message| {
        let answer = history.answer(message.answer);
        claim.has_content(answer.customer_id, answer.amount_minor)
    });
    let recorded = order.records().iter().any(|record| claim.has_content(record.customer_id, record.amount_minor));
    let mut projected = case.projected(claim.order);
    published || recorded || projected.any(|entry| claim.has_content(entry.customer_id, entry.amount_minor))
}

/// A trace of the order that does not tell its content.
fn has_bare_trace(case: &Case<'_>, order: OrderIx) -> bool {
    let order = case.history.order(order);
    !order.seen().is_empty() || !order.rows().is_empty()
}

/// The first final read that is missing for the proof that something left no trace.
fn unread(case: &Case<'_>) -> Option<String> {
    let stores = [reads::STREAM, reads::OUTBOX, reads::RECORDS].into_iter().find(|what| !case.history.has_read(what));
    let node = || case.required.iter().find(|node| !case.has_projection(**node));
    stores.map(str::to_owned).or_else(|| node().map(|node| reads::projection(case.history.node_name(*node))))
}

#[cfg(test)]
mod tests {
    use crate::history::{Entry, OpKind, Outcome};
    use crate::testing::{Story, amount, id, intended_us};
    use crate::verdict::Verdict;

    /// Order 4, and another content of it of which no client learnt the outcome; only the second left traces.
    fn only_the_other_content_left_traces() -> Story {
        let mut story = Story::good(20);
        story.invoke(100, 4, 0, OpKind::Conflict, intended_us(4) + 1_000);
        story.complete(100, intended_us(4) + 2_000_000, Outcome::Info, None, false, None);
        for entry in &mut story.entries {
            match entry {
                Entry::Record(record) if record.order_id == id(4) => record.amount_minor = Some(amount(4) + 1),
                Entry::Projection(held) if held.order_id == id(4) => held.amount_minor = Some(amount(4) + 1),
                Entry::Published(found) => {
                    let of_it = found.answer.iter_mut().filter(|answer| answer.order_id == id(4));
                    of_it.for_each(|answer| answer.amount_minor = Some(amount(4) + 1));
                }
                _ => {}
            }
        }
        story
    }

    #[test]
    fn content_with_traces_beside_one_that_was_acknowledged_is_unresolved() {
        let report = only_the_other_content_left_traces().report();
        assert_eq!((report.orders.lost, report.orders.unresolved, report.orders.recovered), (1, 1, 0));
    }

    #[test]
    fn content_with_traces_beside_one_without_any_is_recovered() {
        let mut story = only_the_other_content_left_traces();
        story.give_up(4);
        let report = story.report();
        assert_eq!((report.orders.recovered, report.orders.absent, report.orders.unresolved), (1, 1, 0));
        assert_eq!(report.verdict, Verdict::Valid, "{}", report.reason);
    }
}
