//! From plan and history to a report. A checker that panics is caught: its aspect is unknown, the others stand.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::case::{Case, Class};
use crate::checkers::{self, Desk};
use crate::fate::{self, Fate};
use crate::figures::{self, Figures};
use crate::history::{Foreign, History, Sample, reads};
use crate::plan::Plan;
use crate::report::interval_log::Timings;
use crate::report::{self, Orders, Report, RunInfo, Series};
use crate::verdict::{Finding, Verdict};

/// What comes of a run: the report, and the run over time for its charts.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    pub report: Report,
    /// `None` where the figures could not be measured.
    pub series: Option<Series>,
    /// Every duration, for the interval logs; empty where the figures could not be measured.
    pub timings: Timings,
}

/// Judges a run. Pure: the same plan, history and samples give the same report.
#[must_use]
pub fn judge(plan: &Plan, history: &History, samples: &[Sample]) -> Report {
    review(plan, history, samples).report
}

/// The same, with the run over time.
#[must_use]
pub fn review(plan: &Plan, history: &History, samples: &[Sample]) -> Judgement {
    match caught(|| Case::new(plan, history, samples)) {
        Ok(case) => judge_case(&case, samples),
        Err(panic) => {
            let finding = Finding::unknown("judge", format!("the history could not be taken apart: {panic}"));
            let report = report(plan, history, Figures::default(), Orders::default(), vec![finding]);
            Judgement { report, series: None, timings: Timings::default() }
        }
    }
}

fn judge_case(case: &Case<'_>, samples: &[Sample]) -> Judgement {
    let mut findings = Vec::new();
    let fates = caught(|| fate::fates(case)).unwrap_or_else(|panic| {
        findings.push(Finding::unknown("fates", format!("what became of the orders could not be told: {panic}")));
        case.claims.iter().map(|_| Fate::Unjudged("it could not be told".to_owned())).collect()
    });
    let mut figures = caught(|| figures::measure(case, &fates, samples)).unwrap_or_else(|panic| {
        findings.push(Finding::unknown("figures", format!("the figures could not be measured: {panic}")));
        Figures::default()
    });
    let series = figures.series.take();
    let timings = std::mem::take(&mut figures.timings);
    let desk = Desk { case, fates: &fates, figures: &figures };
    for (name, check) in checkers::ALL {
        findings.push(run_checker(name, || check(&desk)));
    }
    let orders = count(case, &fates, &findings);
    Judgement { report: report(case.plan, case.history, figures, orders, findings), series, timings }
}

fn run_checker(name: &str, check: impl FnOnce() -> Finding) -> Finding {
    caught(check).unwrap_or_else(|panic| Finding::unknown(name, format!("the checker itself failed: {panic}")))
}

fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // Whatever the panic left half-done is dropped with it: the inputs are only read.
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no reason given".to_owned())
    })
}

fn count(case: &Case<'_>, fates: &[Fate], findings: &[Finding]) -> Orders {
    let concerned = |name: &str| findings.iter().find(|finding| finding.name == name).map_or(0, |finding| finding.count);
    let mut orders = Orders {
        attempted: case.claims.len() as u64,
        duplicated: concerned("duplicated"),
        unexpected: concerned("unexpected"),
        excused: concerned("durability"),
        ..Orders::default()
    };
    for (claim, fate) in case.claims.iter().zip(fates) {
        match claim.class {
            Class::Acknowledged => orders.acknowledged += 1,
            Class::Failed => {
                orders.failed += 1;
                orders.conflicts += u64::from(case.ops(claim).any(crate::history::Op::is_conflict));
            }
            Class::Indeterminate => orders.indeterminate += 1,
        }
        match fate {
            Fate::Lost(_) | Fate::Excused(..) => orders.lost += 1,
            Fate::Absent => orders.absent += 1,
            Fate::Unresolved(_) => orders.unresolved += 1,
            Fate::Unjudged(_) => orders.unjudged += 1,
            Fate::Applied if claim.class == Class::Indeterminate => orders.recovered += 1,
            Fate::Applied | Fate::Refused => {}
        }
    }
    orders
}

fn report(plan: &Plan, history: &History, figures: Figures, orders: Orders, checkers: Vec<Finding>) -> Report {
    let verdict = checkers.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Unknown);
    let diverged = checkers.iter().find(|finding| finding.name == "diverged").and_then(|finding| match finding.verdict {
        Verdict::Valid => Some(false),
        Verdict::Invalid => Some(true),
        Verdict::Unknown => None,
    });
    Report {
        format: report::FORMAT,
        verdict,
        reason: reason(verdict, &checkers),
        scenario: plan.scenario.clone(),
        hypothesis: plan.hypothesis.clone(),
        seed: plan.seed,
        run: run_info(history),
        orders,
        diverged,
        load: figures.load,
        steady_state: figures.steady_state,
        propagation_ms: figures.propagation,
        request_ms: figures.requests,
        latency: figures.latency,
        outbox: figures.outbox,
        resources: figures.resources,
        faults: figures.faults,
        injection: figures.injection,
        availability: figures.availability,
        availability_all: figures.availability_all,
        availability_by_phase: figures.by_phase,
        exercised: figures.exercised,
        figures: figures.named.iter().map(|figure| (figure.key(), figure.value)).collect(),
        expectations: figures.expectations,
        checkers,
    }
}

/// Where nothing can be concluded, these explain the rest, in this order.
const CAUSES: [&str; 5] = ["completeness", "faults", "generator", "stranded", "exercised"];

/// What the checkers that decide the verdict say.
fn reason(verdict: Verdict, checkers: &[Finding]) -> String {
    if verdict == Verdict::Valid {
        let excused = checkers.iter().find(|finding| finding.name == "durability").map_or(0, |finding| finding.count);
        return if excused == 0 {
            "nothing was lost, duplicated or unexpected, and all nodes agree".to_owned()
        } else {
            format!(
                "nothing was lost, duplicated or unexpected beyond the durability limit, which excuses {}",
                many_orders(excused)
            )
        };
    }
    let deciding: Vec<&Finding> = checkers.iter().filter(|finding| finding.verdict == verdict).collect();
    let cause = CAUSES.iter().find_map(|name| deciding.iter().find(|finding| finding.name == *name));
    let leading = if verdict == Verdict::Unknown { cause.or(deciding.first()) } else { deciding.first() };
    let Some(first) = leading else {
        return "nothing was judged".to_owned();
    };
    let others: Vec<&str> = deciding.iter().map(|finding| finding.name.as_str()).filter(|name| *name != first.name).collect();
    let also = if others.is_empty() { String::new() } else { format!(" (also: {})", others.join(", ")) };
    format!("{}: {}{also}", first.name, first.summary)
}

fn many_orders(count: u64) -> String {
    if count == 1 { "1 order".to_owned() } else { format!("{count} orders") }
}

fn run_info(history: &History) -> RunInfo {
    // Whoever reads may leave out what is foreign, and only tell how much it was.
    let left_out: u64 =
        history.reads.iter().filter(|(what, _)| what.starts_with(reads::FOREIGN)).map(|(_, read)| read.entries).sum();
    let Foreign { published, unreadable, seen, projected, ledger, records, rows } = history.foreign;
    RunInfo {
        started_at: history.header.started_at.clone(),
        harness: history.header.harness.clone(),
        nonce: history.header.nonce.clone(),
        cluster: history.header.cluster.clone(),
        load_priority: history.header.load_priority,
        nodes: history.header.nodes.iter().map(|node| node.name.clone()).collect(),
        history_format: history.header.format,
        length_ms: history.end_us.unwrap_or(history.last_us) as f64 / 1_000.0,
        complete: history.end_us.is_some()
            && history.interrupted_us.is_none()
            && history.aborted.is_none()
            && history.torn.is_none(),
        foreign: published + unreadable + seen + projected + ledger + records + rows + left_out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{OpKind, Outcome};
    use crate::testing::{Story, answer, intended_us};

    #[test]
    fn checker_that_panics_is_unknown_and_says_so() {
        let finding = run_checker("broken", || panic!("planned: {}", 7));
        assert_eq!((finding.verdict, finding.name.as_str()), (Verdict::Unknown, "broken"));
        assert_eq!(finding.summary, "the checker itself failed: planned: 7");
    }

    #[test]
    fn one_checker_that_fails_leaves_the_run_unproven_and_one_that_finds_something_outweighs_it() {
        let story = Story::good(20);
        let history = story.history();
        let with = |others: Vec<Finding>| {
            let findings = std::iter::once(run_checker("broken", || panic!("planned"))).chain(others).collect();
            report(&story.plan, &history, Figures::default(), Orders::default(), findings)
        };
        assert_eq!(with(vec![Finding::valid("lost", "nothing")]).verdict, Verdict::Unknown);
        assert_eq!(with(vec![Finding::invalid("lost", "one")]).verdict, Verdict::Invalid);
    }

    #[test]
    fn report_is_the_same_to_the_byte_whoever_judges() {
        let mut story = Story::good(200);
        for order in (0..200).step_by(3) {
            match order % 5 {
                0 => story.forget_on(&[1, 2], order),
                1 => story.publish(order, 1_000 + order, "other"),
                2 => story.give_up(order),
                3 => story.again(1_000 + order, order, OpKind::Conflict, Outcome::Ok, 201, Some(answer(order))),
                _ => story.see(0, order, 3_000 - order, intended_us(order) + 20_000),
            }
        }
        // Each thread has hash maps of its own order.
        let judged = |story: &Story| std::thread::scope(|scope| scope.spawn(|| story.report()).join().expect("it is judged"));
        let reports: Vec<Report> = (0..4).map(|_| judged(&story)).collect();
        let text = |report: &Report| serde_json::to_string(report).expect("it serialises");
        let found = reports[0].checkers.iter().filter(|finding| finding.verdict == Verdict::Invalid).count();
        assert!(found >= 6, "so much is wrong that every order of things could show: {}", reports[0].reason);
        assert!(reports.iter().all(|report| text(report) == text(&reports[0])));
    }

    #[test]
    fn every_checker_has_its_own_name_and_its_finding_bears_it() {
        let report = Story::good(20).report();
        let names: Vec<&str> = report.checkers.iter().map(|finding| finding.name.as_str()).collect();
        let listed: Vec<&str> = checkers::ALL.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, listed);
        let different: std::collections::BTreeSet<&str> = listed.iter().copied().collect();
        assert_eq!(different.len(), listed.len());
    }
}
