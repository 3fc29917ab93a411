//! The text format of Prometheus, as far as totals of counters and gauges need it.

use std::collections::BTreeMap;

use super::WireError;

/// Reads `name value` and `name{labels} value` lines; values of one name are summed over its
/// labels, and a series with labels stands beside that sum, under its name and labels as they are written.
///
/// Comments are passed over, timestamps ignored.
///
/// # Errors
/// A line is neither.
pub fn totals(text: &str) -> Result<BTreeMap<String, f64>, WireError> {
    let mut totals = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, labels, value) =
            sample(line).ok_or_else(|| WireError::shape("metrics", "a line is no `name{labels} value`", line.as_bytes()))?;
        *totals.entry(name.to_owned()).or_insert(0.0) += value;
        if labels.len() > 2 {
            *totals.entry(format!("{name}{labels}")).or_insert(0.0) += value;
        }
    }
    Ok(totals)
}

/// Name, labels with their braces, value.
fn sample(line: &str) -> Option<(&str, &str, f64)> {
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))?;
    let (name, rest) = line.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let end = match rest.strip_prefix('{') {
        Some(labels) => 1 + end_of_labels(labels)?,
        None => 0,
    };
    let (labels, rest) = rest.split_at(end);
    if !rest.starts_with([' ', '\t']) {
        return None;
    }
    let mut words = rest.split_ascii_whitespace();
    let value = words.next()?.parse().ok()?;
    let timestamp = words.next().is_none_or(|word| word.parse::<f64>().is_ok());
    (timestamp && words.next().is_none()).then_some((name, labels, value))
}

/// The index behind the closing brace; a brace inside a quoted label value closes nothing.
fn end_of_labels(labels: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (index, byte) in labels.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'}' if !quoted => return Some(index + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_summed_over_labels_and_series_stand_beside_them() {
        let text = "# HELP catga_apply_total Orders applied.\n# TYPE catga_apply_total counter\ncatga_apply_total 41\n\
            catga_apply_total{kind=\"late\"} 1\nup{a=\"}\",b=\"\\\"}\"} 1 1700000000000\nsmall\t1e-3\n\nbig 1.5e+06\r\n";
        let read = totals(text).expect("metrics");
        let expected = [
            ("catga_apply_total", 42.0),
            ("catga_apply_total{kind=\"late\"}", 1.0),
            ("up", 1.0),
            ("up{a=\"}\",b=\"\\\"}\"}", 1.0),
            ("small", 0.001),
            ("big", 1_500_000.0),
        ];
        assert_eq!(read, expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    }

    #[test]
    fn special_values_are_values() {
        let read = totals("a +Inf\nb -Inf\nc NaN\n").expect("metrics");
        assert_eq!((read["a"], read["b"]), (f64::INFINITY, f64::NEG_INFINITY));
        assert!(read["c"].is_nan());
    }

    #[test]
    fn what_is_no_metric_is_an_error() {
        for text in ["<html>", "name", "name{a=\"b\" 1", "1name 2", "name x", "name 1 2 3", "name{}1", "{} 1", "name 1 x"] {
            assert!(totals(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_is_an_empty_answer() {
        assert!(totals("").expect("metrics").is_empty());
    }
}
