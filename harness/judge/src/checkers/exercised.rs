//! Exercised: what the scenario says must have been put to the test, was.

use super::Desk;
use crate::verdict::Finding;

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "exercised";
    let measured = &desk.figures.exercised;
    let short: Vec<String> = desk
        .case
        .plan
        .exercise
        .iter()
        .filter_map(|(name, minimum)| match measured.get(name) {
            Some(value) if value >= minimum => None,
            Some(value) => Some(format!("{name}: {value}, the scenario needs {minimum}")),
            None => Some(format!("{name}: not measured, the scenario needs {minimum}")),
        })
        .collect();
    if short.is_empty() {
        return Finding::valid(NAME, format!("all {} stated minima were reached", desk.case.plan.exercise.len()));
    }
    let names: Vec<&str> = short.iter().filter_map(|line| line.split(':').next()).collect();
    let summary = format!("too little was put to the test: {}", names.join(", "));
    Finding::unknown(NAME, summary).counting(short.len()).with(short)
}
