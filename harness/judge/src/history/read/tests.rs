use super::*;
use crate::history::{Phase, reads};
use crate::testing::{NODES, Story};

fn text(lines: &[String]) -> String {
    lines.join("\n") + "\n"
}

#[test]
fn whole_history_is_indexed_by_order() {
    let history = Story::good(6).history();
    assert_eq!((history.ops.len(), history.orders().len(), history.projected.len(), history.published.len()), (6, 6, 18, 6));
    assert_eq!((history.torn.clone(), history.oddities.len()), (None, 0));
    assert_eq!(history.nodes, NODES);
    assert!(history.phase_us(Phase::Load).is_some() && history.end_us.is_some());
    assert!(history.has_read(reads::STREAM) && history.has_read(&reads::ledger(NODES[2])));
    let order = history.order(3);
    assert_eq!((order.ops().len(), order.seen().len(), order.projected().len(), order.records().len()), (1, 3, 3, 1));
}

#[test]
fn line_says_the_same_in_whatever_form_it_is_written() {
    let lines = Story::good(6).lines();
    let told = |lines: &[String]| format!("{:?}", read(text(lines).as_bytes()).expect("it can be read"));
    let sorted = lines.iter().map(|line| {
        let value: serde_json::Value = serde_json::from_str(line).expect("it is an object");
        value.to_string()
    });
    // The type is not the first field any more.
    let sorted: Vec<String> = sorted.collect();
    assert!(sorted.iter().any(|line| line.contains(r#""type":"seen""#) && !line.starts_with(r#"{"type""#)));
    let escaped: Vec<String> = lines.iter().map(|line| line.replace(r#""run-"#, r#""\u0072un-"#)).collect();
    assert_eq!(told(&sorted), told(&lines));
    assert_eq!(told(&escaped), told(&lines));
}

#[test]
fn torn_last_line_is_tolerated_and_reported() {
    let whole = text(&Story::good(6).lines());
    let history = read(&whole.as_bytes()[..whole.len() - 5]).expect("it can be read");
    let torn = history.torn.expect("it is torn");
    assert_eq!(torn.line, whole.lines().count() as u64);
    assert_eq!(history.end_us, None);
}

#[test]
fn last_line_without_a_line_break_is_still_a_line() {
    let whole = text(&Story::good(6).lines());
    let history = read(whole.trim_end().as_bytes()).expect("it can be read");
    assert!(history.torn.is_none() && history.end_us.is_some());
}

#[test]
fn unreadable_line_in_the_middle_is_an_error_that_names_it() {
    let mut lines = Story::good(6).lines();
    lines[4] = r#"{"type":"invoke","t_us":"#.to_owned();
    let error = read(text(&lines).as_bytes()).expect_err("it is broken");
    assert!(matches!(error, HistoryError::Line { line: 5, .. }), "{error}");
    // A complete last line that cannot be read is no crash's doing either.
    let mut lines = Story::good(6).lines();
    lines.push(r#"{"type":"no such thing"}"#.to_owned());
    let error = read(text(&lines).as_bytes()).expect_err("it is broken");
    assert!(error.to_string().contains("no such thing"), "{error}");
}

#[test]
fn newer_format_says_so() {
    let mut lines = Story::good(1).lines();
    let (known, newer) = (FORMAT, FORMAT + 1);
    lines[0] = lines[0].replace(&format!("\"format\":{known}"), &format!("\"format\":{newer},\"unheard_of\":true"));
    let error = read(text(&lines).as_bytes()).expect_err("it is newer");
    assert!(matches!(error, HistoryError::NewerFormat { found } if found == newer), "{error}");
}

#[test]
fn older_format_is_read() {
    let mut lines = Story::good(1).lines();
    lines[0] = lines[0].replace(&format!("\"format\":{FORMAT}"), "\"format\":1");
    assert_eq!(read(text(&lines).as_bytes()).expect("it is known").header.format, 1);
}

#[test]
fn what_is_no_history_is_refused() {
    assert!(matches!(read(&b""[..]), Err(HistoryError::Empty)));
    assert!(matches!(read(&b"\n\n"[..]), Err(HistoryError::Empty)));
    assert!(matches!(read(&b"hello\n"[..]), Err(HistoryError::NoHeader { .. })));
    let lines = Story::good(1).lines();
    let twice = [lines.clone(), lines].concat();
    assert!(matches!(read(text(&twice).as_bytes()), Err(HistoryError::SecondHeader { .. })));
}

#[test]
fn contradictory_lines_are_kept_as_oddities() {
    let mut lines = Story::good(2).lines();
    let end = lines.iter().find(|line| line.contains(r#""type":"complete""#)).expect("an end").clone();
    lines.push(end);
    lines.push(r#"{"type":"complete","t_us":1,"op":99,"outcome":"ok","status":201}"#.to_owned());
    let history = read(text(&lines).as_bytes()).expect("it can be read");
    assert_eq!(history.oddities.len(), 2);
}

#[test]
fn samples_are_read_and_a_torn_last_one_left_out() {
    let lines = "{\"type\":\"outbox\",\"t_us\":1,\"depth\":2,\"oldest_age_ms\":3}\n{\"type\":\"outbox\",\"t_us\":9";
    assert_eq!(read_samples(lines.as_bytes()).expect("they can be read").len(), 1);
    assert!(read_samples(&b"nonsense\n{}\n"[..]).is_err());
    assert!(read_samples(&b""[..]).expect("no samples are none").is_empty());
}
