//! One order, explained to somebody who has never seen the run: what was asked, what happened when, what is wrong, and the
//! fewest operations that show it.

mod timeline;

use crate::case::{Case, Class};
use crate::checkers::{self, Desk};
use crate::fate::{self, Fate};
use crate::figures::Figures;
use crate::history::{History, OrderIx, Sample};
use crate::life::{content, life};
use crate::plan::Plan;
use crate::verdict::{Finding, OrderLife, Verdict};

/// More operations than this are not searched for a smaller set.
const SEARCHED: usize = 300;

/// For whoever meets these for the first time.
const WORDS: &str = "words
  operation: one request, numbered over the whole run; retries and replays of an order are operations of their own
  message: the id that a node gives an order when it accepts it, the same in record, outbox and stream
  idempotency record and outbox row are written in one step, before the answer; the row is removed once the stream has the message
  ~ before a time: by the clock of a node or a store";

/// What is known of one order.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    pub life: OrderLife,
    /// What became of each content that was sent under this id, a line each.
    pub claims: Vec<String>,
    /// All that happened, in order of time, the faults over it included.
    pub timeline: Vec<String>,
    /// What the checkers find of this order alone, where it is not valid.
    pub findings: Vec<Finding>,
    /// By checker: the fewest operations that still show it.
    pub smallest: Vec<(String, Vec<u64>)>,
}

/// Explains one order; `None` if the history has none with this id.
#[must_use]
pub fn explain(plan: &Plan, history: &History, samples: &[Sample], order_id: &str) -> Option<Explanation> {
    let number = history.orders().find(|order| order.id() == order_id)?.number;
    let case = Case::new(plan, history, samples);
    let alone = history.order(number).alone(|_| true);
    let findings: Vec<Finding> = findings(plan, &alone).into_iter().filter(|finding| finding.verdict != Verdict::Valid).collect();
    let wrong = findings.iter().filter(|finding| finding.verdict == Verdict::Invalid);
    let smallest =
        wrong.filter_map(|finding| Some((finding.name.clone(), smallest(plan, history, number, &finding.name)?))).collect();
    Some(Explanation {
        life: life(&case, number),
        claims: claims(&case, number),
        timeline: timeline::of(&case, number),
        findings,
        smallest,
    })
}

/// What the checkers that look at single orders say of a history.
fn findings(plan: &Plan, history: &History) -> Vec<Finding> {
    let case = Case::new(plan, history, &[]);
    let fates = fate::fates(&case);
    let figures = Figures::default();
    let desk = Desk { case: &case, fates: &fates, figures: &figures };
    checkers::of_single_orders().map(|check| check(&desk)).collect()
}

/// Leaves operations out, one after the other, as long as the checker still finds the order wrong.
fn smallest(plan: &Plan, history: &History, order: OrderIx, checker: &str) -> Option<Vec<u64>> {
    let mut kept: Vec<u64> = history.order(order).ops().iter().map(|op| op.number).collect();
    if kept.len() > SEARCHED {
        return None;
    }
    let shows = |kept: &[u64]| {
        let part = history.order(order).alone(|op| kept.contains(&op));
        findings(plan, &part).iter().any(|finding| finding.name == checker && finding.verdict == Verdict::Invalid)
    };
    let mut at = 0;
    while at < kept.len() {
        let left = kept.remove(at);
        // Without any operation everything is unexpected: that shows nothing.
        if kept.is_empty() || !shows(&kept) {
            kept.insert(at, left);
            at += 1;
        }
    }
    Some(kept)
}

fn claims(case: &Case<'_>, order: OrderIx) -> Vec<String> {
    let claims = case.claims_of(order).iter();
    claims
        .map(|claim| {
            let said = match claim.class {
                Class::Acknowledged => "acknowledged",
                Class::Indeterminate => "never answered for certain",
                Class::Failed => "certainly refused",
            };
            let became = match fate::fate(case, claim) {
                Fate::Applied => "it is on every node".to_owned(),
                Fate::Lost(nodes) => format!("LOST: it is missing on {}", case.names(&nodes)),
                Fate::Excused(nodes, _) => {
                    format!("a fault destroyed it, as the scenario allows: it is missing on {}", case.names(&nodes))
                }
                Fate::Absent => "it left no trace, so it never took effect".to_owned(),
                Fate::Refused => "it must have no effect".to_owned(),
                Fate::Unresolved(why) | Fate::Unjudged(why) => format!("it cannot be told what became of it: {why}"),
            };
            format!("{}: {said}; {became}", content(case.history.text(claim.customer_id), Some(claim.amount_minor)))
        })
        .collect()
}

impl Explanation {
    /// In lines, for a person.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = vec![format!("order {}: {}", self.life.order_id, self.life.reached)];
        let mut block = |title: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                text.push(format!("\n{title}"));
                text.extend(lines.iter().map(|line| format!("  {line}")));
            }
        };
        block("what was sent, and what became of it", self.claims.clone());
        let told = |finding: &Finding| {
            format!("checker {}, {}: {}", finding.name, finding.verdict, finding.evidence.first().unwrap_or(&finding.summary))
        };
        block("what is wrong or open", self.findings.iter().map(told).collect());
        block("what happened, from the start of the load", self.timeline.clone());
        block("faults while it was on its way, or up to 5 s later", self.life.faults.clone());
        let smallest = self.smallest.iter().map(|(checker, ops)| {
            let ops: Vec<String> = ops.iter().map(u64::to_string).collect();
            format!("{checker}: operation {}", ops.join(", "))
        });
        block("the fewest operations with which the checker still finds it", smallest.collect());
        text.push(format!("\n{WORDS}"));
        text.join("\n") + "\n"
    }
}

#[cfg(test)]
mod tests;
