//! Faults: each took effect and is gone, as shown from outside the nodes. A fault that did nothing proves nothing.

use super::Desk;
use crate::verdict::Finding;

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "faults";
    let faults = &desk.case.plan.faults;
    let mut evidence = Vec::new();
    for (number, (fault, span)) in faults.iter().zip(&desk.case.spans).enumerate() {
        let label = fault.label_on(&span.services);
        evidence.extend(span.problems.iter().map(|problem| format!("fault {} ({label}): {problem}", number + 1)));
    }
    if faults.is_empty() {
        return Finding::valid(NAME, "no faults were planned");
    }
    if evidence.is_empty() {
        return Finding::valid(NAME, format!("all {} faults took effect and are healed", faults.len()));
    }
    let summary = format!(
        "{} of {} faults are not proven",
        desk.case.spans.iter().filter(|span| !span.problems.is_empty()).count(),
        faults.len()
    );
    Finding::unknown(NAME, summary).counting(evidence.len()).with(evidence)
}
