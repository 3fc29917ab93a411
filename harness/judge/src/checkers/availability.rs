//! Availability: how much each node served in each phase of the faults, and its longest time without a served operation.
//!
//! What a fault takes is the scenario's to bound. One thing is never right: a node that no fault holds any more, and that
//! serves nothing at all for the rest of the load. It may be the machine's fault, so the run proves nothing then.

use super::Desk;
use crate::figures::availability::AFTER;
use crate::numbers::many;
use crate::verdict::Finding;

/// Fewer operations tell nothing.
const ENOUGH: u64 = 100;

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "availability";
    let figures = &desk.figures.by_phase;
    let mut evidence = Vec::new();
    let mut dead = Vec::new();
    for (node, phases) in figures {
        for figure in phases {
            let share = figure.served as f64 * 100.0 / figure.operations.max(1) as f64;
            let gap = figure.longest_gap_ms;
            evidence.push(format!("{node}, {}: {share:.2} % of {}, longest gap {gap:.0} ms", figure.phase, figure.operations));
            if figure.phase == AFTER && figure.served == 0 && figure.operations >= ENOUGH {
                dead.push(format!("{node}: none of {} operations was served after all faults were healed", figure.operations));
            }
        }
    }
    if !dead.is_empty() {
        let summary = format!("{} served nothing after all faults were healed", many(dead.len(), "node"));
        return Finding::unknown(NAME, summary).counting(dead.len()).with(dead).with(evidence);
    }
    let overall =
        desk.figures.availability_all.map_or("nothing was sent".to_owned(), |share| format!("{:.2} % was served", share * 100.0));
    Finding::valid(NAME, overall).with(evidence)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::history::{Outcome, Step};
    use crate::plan::FaultKind;
    use crate::testing::{NODES, Story, intended_us};
    use crate::verdict::Verdict;

    /// Node 1 is killed with order 300, which is proven with 310, healed from 400 on, and up with 450.
    fn killed(orders: u64) -> Story {
        let mut story = Story::good(orders);
        let steps = [
            (Step::Inject, 300),
            (Step::Injected, 305),
            (Step::EffectVerified, 310),
            (Step::Heal, 400),
            (Step::Healed, 410),
            (Step::HealVerified, 450),
        ];
        story.strike(FaultKind::Kill, NODES[0], 1_000, &steps.map(|(step, order)| (step, intended_us(order))));
        story
    }

    fn fail(story: &mut Story, orders: std::ops::Range<u64>) {
        for order in orders.filter(|order| order % 3 == 0) {
            let end = story.end_mut(order);
            (end.outcome, end.status, end.answer) = (Outcome::Fail, None, None);
        }
    }

    #[test]
    fn each_phase_has_its_share_and_its_gap() {
        let mut story = killed(900);
        fail(&mut story, 300..450);
        let report = story.report();
        let node = &report.availability_by_phase[NODES[0]];
        let shares: Vec<(&str, u64, u64)> =
            node.iter().map(|figure| (figure.phase.as_str(), figure.operations, figure.served)).collect();
        assert_eq!(shares, [("before", 100, 100), ("inject", 4, 0), ("active", 30, 0), ("heal", 16, 0), ("recovered", 150, 150)]);
        assert!((node[2].longest_gap_ms - 900.0).abs() < 1.0, "{:?}", node[2]);
        assert_eq!(report.availability_by_phase["all"].len(), 5);
        let finding = story.finding("availability");
        assert_eq!(finding.verdict, Verdict::Valid);
        let of_node = finding.evidence.iter().filter(|line| line.starts_with(NODES[0])).collect::<Vec<_>>();
        assert_eq!(of_node[2], "cluster-node-1, active: 0.00 % of 30, longest gap 900 ms");
        assert!(of_node[4].starts_with("cluster-node-1, recovered: 100.00 % of 150, "), "{of_node:?}");
    }

    #[test]
    fn node_that_never_comes_back_leaves_the_run_unproven() {
        let mut story = killed(900);
        fail(&mut story, 300..900);
        let finding = story.finding("availability");
        assert_eq!((finding.verdict, finding.count), (Verdict::Unknown, 1));
        let mut short = killed(600);
        fail(&mut short, 300..600);
        assert_eq!(short.finding("availability").verdict, Verdict::Valid, "50 operations tell nothing");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn every_operation_is_in_one_phase(failed in 0..600_u64) {
            let mut story = killed(600);
            fail(&mut story, 0..failed);
            let report = story.report();
            let all = &report.availability_by_phase["all"];
            prop_assert_eq!(all.iter().map(|figure| figure.operations).sum::<u64>(), 600);
            prop_assert_eq!(all.iter().map(|figure| figure.served).sum::<u64>(), 600 - failed.div_ceil(3));
        }
    }
}
