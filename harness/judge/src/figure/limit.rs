//! What a scenario expects of a figure: at most, or at least, so much.

use serde::{Deserialize, Serialize};

use super::Unit;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    AtMost,
    AtLeast,
}

impl Bound {
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::AtMost => "at most",
            Self::AtLeast => "at least",
        }
    }
}

/// A limit on one figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Its name, without unit.
    pub figure: String,
    pub bound: Bound,
    /// In the figure's unit: milliseconds, per second, a share, a count, CPU seconds, bytes.
    pub limit: f64,
    pub unit: Unit,
}

impl Threshold {
    /// A run without faults has no such figure.
    #[must_use]
    pub fn is_of_faults(&self) -> bool {
        let words = ["before", "during", "after", "recovery", "backlog_drained", "detection"];
        let is_of = |part: &str| words.contains(&part) || part.starts_with("fault-");
        self.figure == "outbox.drain" || self.figure.split('.').any(is_of)
    }
}

/// Reads `50 ms`, `<= 50 ms`, `>= 500/s`, `99.5 %`; without a sign the limit is on the side on which the figure gets worse.
///
/// # Errors
/// What was expected instead.
pub(crate) fn read_limit(text: &str, unit: Unit) -> Result<(Bound, f64), String> {
    let text = text.trim();
    let signs = [("<=", Bound::AtMost), (">=", Bound::AtLeast)];
    let signed = signs.iter().find_map(|(sign, bound)| Some((*bound, text.strip_prefix(sign)?)));
    let usual = if unit.is_gain() { Bound::AtLeast } else { Bound::AtMost };
    let (bound, quantity) = signed.unwrap_or((usual, text));
    let quantity = quantity.trim();
    let unit_at = quantity.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(quantity.len());
    let (number, word) = quantity.split_at(unit_at);
    let value = number.parse::<f64>().ok().zip(factor(unit, word.trim()));
    match value.map(|(number, factor)| number * factor) {
        Some(limit) if unit != Unit::Share || limit <= 1.0 => Ok((bound, limit)),
        _ => Err(format!("expected {}, with `<=` or `>=` before it where the usual side is not meant", form(unit))),
    }
}

fn factor(unit: Unit, word: &str) -> Option<f64> {
    Some(match (unit, word) {
        (Unit::Ms, "us" | "µs") | (Unit::CpuSeconds, "ms") => 0.001,
        (Unit::Ms, "ms")
        | (Unit::CpuSeconds, "s")
        | (Unit::PerSecond, "/s")
        | (Unit::Bytes, "B")
        | (Unit::Share | Unit::Count, "") => 1.0,
        (Unit::Ms, "s") => 1_000.0,
        (Unit::Ms, "m") => 60_000.0,
        (Unit::Share, "%") => 0.01,
        (Unit::Bytes, "KiB") => f64::from(1 << 10),
        (Unit::Bytes, "MiB") => f64::from(1 << 20),
        (Unit::Bytes, "GiB") => f64::from(1 << 30),
        _ => return None,
    })
}

fn form(unit: Unit) -> &'static str {
    match unit {
        Unit::Ms => "a duration such as \"50 ms\" or \"1.5 s\"",
        Unit::PerSecond => "a rate such as \"500/s\"",
        Unit::Share => "a share between 0 and 1, or \"99.5 %\"",
        Unit::Count => "a number",
        Unit::CpuSeconds => "CPU seconds such as \"2.5 s\"",
        Unit::Bytes => "a size such as \"256 MiB\"",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_with_their_unit_and_side() {
        for (text, unit, bound, limit) in [
            ("50 ms", Unit::Ms, Bound::AtMost, 50.0),
            ("<= 1.5s", Unit::Ms, Bound::AtMost, 1_500.0),
            (">=250us", Unit::Ms, Bound::AtLeast, 0.25),
            (">= 500/s", Unit::PerSecond, Bound::AtLeast, 500.0),
            ("500 /s", Unit::PerSecond, Bound::AtLeast, 500.0),
            ("99.5 %", Unit::Share, Bound::AtLeast, 0.995),
            ("0.98", Unit::Share, Bound::AtLeast, 0.98),
            ("100", Unit::Count, Bound::AtMost, 100.0),
            ("256 MiB", Unit::Bytes, Bound::AtMost, 268_435_456.0),
            ("2.5 s", Unit::CpuSeconds, Bound::AtMost, 2.5),
        ] {
            let (read_bound, read) = read_limit(text, unit).expect(text);
            assert_eq!((read_bound, (read - limit).abs() < 1e-9), (bound, true), "{text}: {read}");
        }
    }

    #[test]
    fn a_limit_in_another_unit_is_refused() {
        for (text, unit) in [
            ("50", Unit::Ms),
            ("50 parsecs", Unit::Ms),
            ("500", Unit::PerSecond),
            ("101 %", Unit::Share),
            ("fast", Unit::Ms),
            ("-1 ms", Unit::Ms),
            ("== 3 ms", Unit::Ms),
            ("", Unit::Count),
        ] {
            let error = read_limit(text, unit).expect_err(text);
            assert!(error.starts_with("expected a") || error.starts_with("expected CPU"), "{error}");
        }
    }
}
