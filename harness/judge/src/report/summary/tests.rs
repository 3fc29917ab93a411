use super::text::{clip, wrap};
use super::*;
use crate::testing::{NODES, Story};

fn bad_run() -> Report {
    let mut story = Story::good(60);
    story.never_published(5);
    story.forget_on(&[1], 12);
    story.projection_mut(2, 30).applied = 2;
    story.plan.hypothesis = "a hypothesis that is so long that it has to go over more than one line of the terminal".to_owned();
    story.plan.expect.availability = Some(0.5);
    story.plan.exercise.insert("takeovers".to_owned(), 1);
    story.plan.faults.push(crate::plan::Fault {
        kind: crate::plan::FaultKind::Kill,
        target: "majority".to_owned(),
        services: NODES.map(str::to_owned).to_vec(),
        at_ms: 100,
        for_ms: 100,
    });
    story.report()
}

#[test]
fn verdict_and_its_reason_come_first() {
    let text = summary(&bad_run(), 80, false);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("INVALID  test, seed 7"));
    assert!(lines.next().is_some_and(|line| line.starts_with("lost: 2 orders promised")), "{text}");
    let good = summary(&Story::good(60).report(), 80, false);
    assert!(good.starts_with("VALID  test, seed 7\nnothing was lost, duplicated or unexpected"), "{good}");
}

#[test]
fn no_line_exceeds_the_width_with_or_without_findings() {
    for report in [bad_run(), Story::good(60).report()] {
        for width in [60, 80, 120] {
            for line in summary(&report, width, false).lines() {
                assert!(line.chars().count() <= width, "{} columns: {line}", line.chars().count());
            }
        }
    }
}

#[test]
fn colour_adds_nothing_but_colour() {
    let report = bad_run();
    let plain = summary(&report, 80, false);
    let colored = summary(&report, 80, true);
    assert!(!plain.contains('\x1b') && colored.contains('\x1b'));
    let mut stripped = colored;
    for code in ["\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"] {
        stripped = stripped.replace(code, "");
    }
    assert_eq!(stripped, plain);
}

#[test]
fn findings_name_orders_and_the_stage_that_each_reached() {
    let text = summary(&bad_run(), 80, false);
    for part in [
        "run-5: missing on",
        "reached: recorded as accepted, no outbox row is left,",
        "run-30: applied 2",
        "kill majority",
        "injection   ms from plan to call p50 -,",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn text_is_wrapped_at_spaces_and_long_words_are_broken() {
    assert_eq!(wrap("one two three", 7), ["one two", "three"]);
    assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
    assert_eq!(wrap("a abcdefgh b", 4), ["a", "abcd", "efgh", "b"]);
    assert_eq!(wrap("", 4), [""]);
    assert_eq!(clip("äöü", 2), "äö");
}

#[test]
fn figures_are_written_as_people_read_them() {
    assert_eq!([count(0), count(999), count(1_000), count(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
    assert_eq!([ms(None), ms(Some(1.234)), ms(Some(12.34)), ms(Some(1_234.5))], ["-", "1.23", "12.3", "1234"]);
    assert_eq!([seconds(Some(1_500.0)), share(Some(0.999))], ["1.5 s", "99.90 %"]);
}
