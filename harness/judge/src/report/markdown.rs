//! `summary.md`: the run on one screen of a page that shows Markdown, such as that of a CI job.

use super::words::{count, fault_name, ms, open, proven, seconds};
use super::{Expectation, FaultFigures, Report};
use crate::verdict::Verdict;

/// What the word stands for, where it stands alone.
const EMBEDDED: &str = ": it holds for the nodes' code alone; no Redis, NATS, disk or network took part";

/// The summary.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let orders = &report.orders;
    let (propagation, request) = (&report.propagation_ms.from_start.overall, &report.request_ms.from_start.overall);
    let mut lines = vec![
        format!("## {}: {}, seed {}", report.verdict.to_string().to_uppercase(), cell(&report.scenario), report.seed),
        String::new(),
        cell(&report.reason),
        String::new(),
        if report.run.complete { String::new() } else { "**Partial**: the run did not come to its own end.\n".to_owned() },
        format!("> {}", cell(&report.hypothesis)),
        String::new(),
        format!("On the {} cluster{}.", cell(&report.run.cluster), if report.is_embedded() { EMBEDDED } else { "" }),
        String::new(),
        "| orders | lost | duplicated | unexpected | propagation p50 / p99 | request p50 / p99 | outbox, deepest |".to_owned(),
        "| --- | --- | --- | --- | --- | --- | --- |".to_owned(),
        format!(
            "| {} | {} | {} | {} | {} / {} ms | {} / {} ms | {} |",
            count(orders.attempted),
            count(orders.lost),
            count(orders.duplicated),
            count(orders.unexpected),
            ms(propagation.p50),
            ms(propagation.p99),
            ms(request.p50),
            ms(request.p99),
            report.outbox.depth_max.map_or_else(|| "?".to_owned(), count)
        ),
    ];
    if !report.faults.is_empty() {
        lines.extend(
            ["", "| fault | at | effect | heal | recovery | drained |", "| --- | --- | --- | --- | --- | --- |"]
                .map(str::to_owned),
        );
        lines.extend(report.faults.iter().map(fault));
    }
    if !report.expectations.is_empty() {
        lines.extend(["", "| expectation | expected | measured | |", "| --- | --- | --- | --- |"].map(str::to_owned));
        lines.extend(report.expectations.iter().map(expectation));
    }
    let wrong: Vec<String> = report
        .checkers
        .iter()
        .filter(|finding| finding.verdict != Verdict::Valid)
        .map(|finding| format!("- **{} {}**: {}", finding.verdict, cell(&finding.name), cell(&finding.summary)))
        .collect();
    if !wrong.is_empty() {
        lines.push(String::new());
        lines.extend(wrong);
    }
    lines.push(String::new());
    lines.join("\n")
}

fn fault(fault: &FaultFigures) -> String {
    format!(
        "| {} | {} | {} | {} | {} | {} |",
        cell(&fault_name(fault)),
        seconds(fault.injected_at_ms),
        proven(fault.effect_verified),
        proven(fault.heal_verified),
        open(fault.recovery_ms, fault.recovery_censored_ms),
        open(fault.drain_ms, fault.drain_censored_ms)
    )
}

fn expectation(expectation: &Expectation) -> String {
    let Expectation { name, met, .. } = expectation;
    let word = match met {
        Some(true) => "met",
        Some(false) => "**missed**",
        None => "open",
    };
    let measured = expectation.measured_words().unwrap_or_else(|| "-".to_owned());
    format!("| {} | {} | {measured} | {word} |", cell(name), expectation.expected_words())
}

/// On one line, and no markup or column of its own.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '|' | '*' | '_' | '`' | '<' | '>' | '[' | ']' | '#' | '\\' => out.extend(['\\', sign]),
            sign if sign.is_control() => out.push(' '),
            sign => out.push(sign),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Story;

    #[test]
    fn summary_says_what_is_wrong_and_every_row_has_the_columns_of_its_table() {
        let mut story = Story::good(1_200);
        story.forget_on(&[0, 1, 2], 7);
        story.plan.hypothesis = "a | b\n# c".to_owned();
        let mut report = story.report();
        report.expectations = vec![Expectation {
            name: "availability".into(),
            expected: 0.9,
            measured: Some(0.5),
            met: Some(false),
            ..Expectation::default()
        }];
        let text = markdown(&report);
        assert!(text.starts_with("## INVALID: ") && text.contains("- **invalid lost**: "), "{text}");
        assert!(text.contains("> a \\| b \\# c\n") && text.contains("| availability | 0.9 | 0.5 | **missed** |"), "{text}");
        assert!(text.contains("\nOn the compose cluster.\n"), "{text}");
        report.run.cluster = "embedded".to_owned();
        assert!(markdown(&report).contains("\nOn the embedded cluster: it holds for the nodes' code alone;"));
        let columns = |line: &str| line.replace("\\|", "").matches('|').count();
        for table in text.split("\n\n").filter(|part| part.starts_with('|')) {
            let counts: Vec<usize> = table.trim_end().lines().map(columns).collect();
            assert!(counts.windows(2).all(|pair| pair[0] == pair[1]), "{table}");
        }
    }
}
