//! Expectations: each could be measured. Whether it was met decides the exit code, not the verdict, which is about safety.

use super::Desk;
use crate::verdict::Finding;

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "expectations";
    let expectations = &desk.figures.expectations;
    let open: Vec<String> = expectations
        .iter()
        .filter(|expectation| expectation.met.is_none())
        .map(|expectation| format!("{}: could not be measured ({})", expectation.name, expectation.note))
        .collect();
    if !open.is_empty() {
        return Finding::unknown(NAME, format!("{} expectations could not be measured", open.len()))
            .counting(open.len())
            .with(open);
    }
    let missed = expectations.iter().filter(|expectation| expectation.met == Some(false)).count();
    Finding::valid(NAME, format!("{} of {} expectations met", expectations.len() - missed, expectations.len()))
}
