//! `junit.xml`: each checker and each expectation as a test case, for systems that show those.

use super::{Expectation, Report};
use crate::verdict::{Finding, Verdict};

/// The document. What is invalid or missed is a failure, what cannot be told an error: neither passes.
#[must_use]
pub fn junit(report: &Report) -> String {
    let cases: Vec<Case> =
        report.checkers.iter().map(Case::of_finding).chain(report.expectations.iter().map(Case::of_expectation)).collect();
    let count = |wanted: Outcome| cases.iter().filter(|case| case.outcome == wanted).count();
    let (failures, errors) = (count(Outcome::Failure), count(Outcome::Error));
    let name = attribute(&report.scenario);
    let seconds = report.run.length_ms / 1_000.0;
    let mut lines = vec![
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>".to_owned(),
        format!("<testsuites tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\">", cases.len()),
        format!(
            "<testsuite name=\"{name}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{seconds:.3}\" timestamp=\"{}\">",
            cases.len(),
            attribute(&report.run.started_at)
        ),
        format!(
            "<properties><property name=\"seed\" value=\"{}\"/><property name=\"cluster\" value=\"{}\"/></properties>",
            report.seed,
            attribute(&report.run.cluster)
        ),
    ];
    lines.extend(cases.iter().map(|case| case.element(&name)));
    lines.push("</testsuite>\n</testsuites>\n".to_owned());
    lines.join("\n")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failure,
    Error,
}

struct Case {
    name: String,
    outcome: Outcome,
    message: String,
    more: Vec<String>,
}

impl Case {
    fn of_finding(finding: &Finding) -> Self {
        let outcome = match finding.verdict {
            Verdict::Valid => Outcome::Passed,
            Verdict::Invalid => Outcome::Failure,
            Verdict::Unknown => Outcome::Error,
        };
        Self { name: finding.name.clone(), outcome, message: finding.summary.clone(), more: finding.evidence.clone() }
    }

    fn of_expectation(expectation: &Expectation) -> Self {
        let Expectation { name, met, note, .. } = expectation;
        let outcome = match met {
            Some(true) => Outcome::Passed,
            Some(false) => Outcome::Failure,
            None => Outcome::Error,
        };
        let measured =
            expectation.measured_words().map_or_else(|| "not measured".to_owned(), |value| format!("measured {value}"));
        let message = format!("expected {}, {measured} ({note})", expectation.expected_words());
        Self { name: format!("expect {name}"), outcome, message, more: Vec::new() }
    }

    fn element(&self, suite: &str) -> String {
        let head = format!("<testcase classname=\"{suite}\" name=\"{}\"", attribute(&self.name));
        let kind = match self.outcome {
            Outcome::Passed => return format!("{head}/>"),
            Outcome::Failure => "failure",
            Outcome::Error => "error",
        };
        let (message, more) = (attribute(&self.message), attribute(&self.more.join("\n")));
        format!("{head}><{kind} message=\"{message}\">{more}</{kind}></testcase>")
    }
}

/// Markup is escaped, and what XML has no way to say is left out.
fn attribute(text: &str) -> String {
    let sayable = |sign: &char| !sign.is_control() || *sign == '\n';
    super::page::escaped(&text.chars().filter(sayable).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Story;

    #[test]
    fn valid_run_passes_in_every_case() {
        let report = Story::good(1_200).report();
        let document = junit(&report);
        assert!(document.contains(&format!("tests=\"{}\" failures=\"0\" errors=\"0\"", report.checkers.len())), "{document}");
        assert_eq!(document.matches("<testcase ").count(), report.checkers.len());
        assert_eq!(document.matches("/>").count(), report.checkers.len() + 2, "and the properties");
    }

    #[test]
    fn what_is_wrong_fails_and_what_cannot_be_told_is_an_error() {
        let mut story = Story::good(1_200);
        story.forget_on(&[0, 1, 2], 7);
        let expect = |met| Expectation { name: "a<b".into(), met, note: "\u{1b}\"".into(), ..Expectation::default() };
        let mut report = story.report();
        report.expectations = vec![expect(Some(true)), expect(Some(false)), expect(None)];
        let document = junit(&report);
        let wrong = report.checkers.iter().filter(|finding| finding.verdict == Verdict::Invalid).count();
        let untold = report.checkers.iter().filter(|finding| finding.verdict == Verdict::Unknown).count();
        assert!(wrong > 0);
        assert!(document.contains(&format!("failures=\"{}\" errors=\"{}\"", wrong + 1, untold + 1)), "{document}");
        assert!(document.contains("name=\"expect a&lt;b\"") && document.contains("(&quot;)") && !document.contains('\u{1b}'));
        assert_eq!(
            document.matches("<testcase").count(),
            document.matches("</testcase>").count() + document.matches("\"/>\n").count()
        );
    }
}
