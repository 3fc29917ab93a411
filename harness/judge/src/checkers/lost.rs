//! Lost: acknowledged, or with any trace of having taken effect, and at quiescence not applied on a required node.

use super::Desk;
use crate::fate::Fate;
use crate::history::OrderIx;
use crate::life::lives;
use crate::numbers::many;
use crate::verdict::{Evidence, Finding};

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "lost";
    let claims = || desk.case.claims.iter().zip(desk.fates);
    let lost: Vec<OrderIx> = claims().filter(|(_, fate)| matches!(fate, Fate::Lost(_))).map(|(claim, _)| claim.order).collect();
    let unjudged: Vec<&str> =
        claims().filter_map(|(_, fate)| if let Fate::Unjudged(why) = fate { Some(why.as_str()) } else { None }).collect();
    if !lost.is_empty() {
        let orders = lives(desk.case, lost.iter().copied());
        let summary = format!("{} promised or taken in, and missing on a node", many(lost.len(), "order"));
        let evidence: Evidence = claims()
            .filter_map(|(claim, fate)| {
                let Fate::Lost(nodes) = fate else { return None };
                let id = desk.case.history.order_id(claim.order);
                Some(format!("{id}: missing on {}", desk.case.names(nodes)))
            })
            .collect();
        return Finding::invalid(NAME, summary).counting(lost.len()).with(evidence).with_orders(orders);
    }
    if let Some(why) = unjudged.first() {
        let summary =
            format!("{} not on every node, but not to be called lost: {why}", many(unjudged.len(), "acknowledged order"));
        return Finding::unknown(NAME, summary);
    }
    let excused: Vec<OrderIx> =
        claims().filter(|(_, fate)| matches!(fate, Fate::Excused(..))).map(|(claim, _)| claim.order).collect();
    if !excused.is_empty() {
        let summary = format!("{} lost, all within the durability limit", many(excused.len(), "order"));
        return Finding::valid(NAME, summary).counting(excused.len());
    }
    let kept = claims().filter(|(_, fate)| matches!(fate, Fate::Applied)).count();
    Finding::valid(NAME, format!("all {kept} orders that took effect are on every node"))
}

#[cfg(test)]
mod tests {
    use crate::history::{Entry, Row, RowState, reads};
    use crate::plan::{Fault, FaultKind};
    use crate::testing::{NODES, Story, id, intended_us, message};
    use crate::verdict::{Stage, Verdict};

    #[test]
    fn nothing_is_lost_where_every_node_has_every_order() {
        let finding = Story::good(30).finding("lost");
        assert_eq!((finding.verdict, finding.count), (Verdict::Valid, 0), "{}", finding.summary);
    }

    #[test]
    fn acknowledged_order_missing_on_one_node_is_lost_there() {
        let mut story = Story::good(30);
        story.forget_on(&[1], 12);
        let finding = story.finding("lost");
        assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 1));
        assert_eq!(finding.evidence, [format!("{}: missing on {}", id(12), NODES[1])]);
        assert_eq!(finding.orders[0].stage, Stage::Applied);
        assert_eq!(story.report().orders.lost, 1);
    }

    #[test]
    fn order_whose_row_went_before_it_was_published_is_named_with_the_stage_it_reached() {
        let mut story = Story::good(30);
        story.never_published(5);
        let finding = story.finding("lost");
        assert_eq!(finding.verdict, Verdict::Invalid);
        assert_eq!(finding.orders[0].stage, Stage::Stored);
        assert_eq!(finding.orders[0].reached, "recorded as accepted, no outbox row is left, not in the stream");
        story.no_record(5);
        let finding = story.finding("lost");
        assert_eq!(finding.orders[0].stage, Stage::Answered);
        assert_eq!(finding.orders[0].reached, "answered 201 by cluster-node-3, no record, not in the stream");
    }

    #[test]
    fn lost_order_names_the_fault_over_it() {
        let mut story = Story::good(30);
        story.never_published(5);
        story.plan.faults.push(Fault {
            kind: FaultKind::Kill,
            target: "one".to_owned(),
            services: vec![NODES[2].to_owned()],
            at_ms: 40,
            for_ms: 100,
        });
        story.entries.push(Entry::Fault(crate::history::FaultStep {
            t_us: intended_us(4),
            fault: 0,
            target: NODES[2].to_owned(),
            step: crate::history::Step::Inject,
            detail: String::new(),
        }));
        assert_eq!(story.finding("lost").orders[0].faults, ["kill cluster-node-3"]);
    }

    #[test]
    fn failed_projection_read_makes_no_order_lost() {
        let mut story = Story::good(30);
        for order in 0..30 {
            story.forget_on(&[1], order);
        }
        story.failed_reads.insert(reads::projection(NODES[1]), "connection refused".to_owned());
        story.failed_reads.insert(reads::ledger(NODES[1]), "connection refused".to_owned());
        let report = story.report();
        assert_eq!((report.verdict, report.orders.lost, report.orders.unjudged), (Verdict::Unknown, 0, 30));
    }

    #[test]
    fn projection_shorter_than_its_read_tells_makes_no_order_lost() {
        let story = Story::good(30);
        let mut lines = story.lines();
        let at = lines.iter().position(|line| line.contains(r#""type":"projection""#)).expect("a projection");
        lines.remove(at);
        let text = lines.join("\n") + "\n";
        let history = crate::history::read(text.as_bytes()).expect("a history");
        let report = crate::judge(&story.plan, &history, &[]);
        assert_eq!((report.verdict, report.orders.lost, report.orders.unjudged), (Verdict::Unknown, 0, 1));
    }

    #[test]
    fn order_that_one_read_node_lacks_is_lost_though_another_was_not_read() {
        let mut story = Story::good(30);
        story.forget_on(&[0, 1], 3);
        story.failed_reads.insert(reads::projection(NODES[1]), "timeout".to_owned());
        let finding = story.finding("lost");
        assert_eq!(finding.verdict, Verdict::Invalid);
        assert_eq!(finding.evidence, [format!("{}: missing on {}", id(3), NODES[0])]);
    }

    #[test]
    fn nothing_is_called_lost_before_quiescence() {
        let mut story = Story::good(30);
        story.forget_on(&[1], 12);
        let quiescence = story.quiescence.as_mut().expect("it has one");
        (quiescence.reached, quiescence.healthy) = (false, false);
        let report = story.report();
        assert_eq!((report.verdict, report.orders.lost, report.orders.unjudged), (Verdict::Unknown, 0, 1));
    }

    #[test]
    fn indeterminate_order_of_which_a_record_stayed_is_lost() {
        let mut story = Story::good(30);
        story.give_up(8);
        story.never_published(8);
        let report = story.report();
        assert_eq!((report.verdict, report.orders.lost, report.orders.indeterminate), (Verdict::Invalid, 1, 1));
    }

    #[test]
    fn indeterminate_order_of_which_a_dead_row_stayed_is_lost() {
        let mut story = Story::good(30);
        story.give_up(8);
        story.never_published(8);
        story.no_record(8);
        let row =
            Row { message_id: message(8), state: RowState::Dead, order_id: Some(id(8)), attempts: Some(3), last_error: None };
        story.entries.push(Entry::Row(row));
        assert_eq!(story.report().orders.lost, 1);
    }

    #[test]
    fn changed_content_is_a_loss_of_what_was_promised() {
        let mut story = Story::good(30);
        for node in 0..3 {
            story.projection_mut(node, 4).amount_minor = Some(1);
        }
        let report = story.report();
        assert_eq!((report.orders.lost, report.orders.unexpected), (1, 1));
    }
}
