//! Sizes, times and limits in words.

use std::fmt::Write as _;

const STEPS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
const NANOS: u64 = 1_000_000_000;

pub(crate) fn bytes(count: u64) -> String {
    if count < 1024 {
        return format!("{count} B");
    }
    let mut size = count as f64 / 1024.0;
    let mut steps = STEPS.iter();
    let mut unit = steps.next().unwrap_or(&"");
    for next in steps {
        // What would be printed as 1024.0 belongs to the next unit.
        if size < 1023.95 {
            break;
        }
        size /= 1024.0;
        unit = next;
    }
    format!("{size:.1} {unit}")
}

/// Zero and less are without limit, as the server means it.
pub(crate) fn limit(count: i64, in_words: impl Fn(u64) -> String) -> String {
    match u64::try_from(count) {
        Ok(count) if count > 0 => in_words(count),
        _ => String::from("unlimited"),
    }
}

pub(crate) fn plain(count: u64) -> String {
    count.to_string()
}

/// `2m`, `1h30m`, `250ms`; zero is never.
pub(crate) fn nanos(time: u64) -> String {
    if time == 0 {
        return String::from("none");
    }
    let (seconds, rest) = (time / NANOS, time % NANOS);
    let mut text = String::new();
    for (amount, unit) in [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
        (rest / 1_000_000, "ms"),
    ] {
        if amount > 0 {
            let _ = write!(text, "{amount}{unit}");
        }
    }
    if text.is_empty() { format!("{time}ns") } else { text }
}

/// To the second; the server's zero time is never.
pub(crate) fn time(rfc3339: &str) -> String {
    if rfc3339.is_empty() || rfc3339.starts_with("0001-") {
        return String::from("never");
    }
    let whole = rfc3339.get(..19).unwrap_or(rfc3339);
    let utc = if rfc3339.ends_with('Z') { " UTC" } else { "" };
    format!("{}{utc}", whole.replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_the_unit_that_fits() {
        for (count, text) in [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (1024 * 1024 - 1, "1.0 MiB"), (5 << 40, "5.0 TiB")]
        {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn times_are_short() {
        for (time, text) in [(0, "none"), (120 * NANOS, "2m"), (5400 * NANOS, "1h30m"), (250_000_000, "250ms"), (7, "7ns")] {
            assert_eq!(nanos(time), text);
        }
    }

    #[test]
    fn a_moment_is_told_to_the_second() {
        assert_eq!(time("2026-11-24T11:40:02.123456789Z"), "2026-11-24 11:40:02 UTC");
        assert_eq!(time("0001-01-01T00:00:00Z"), "never");
    }

    #[test]
    fn minus_one_and_zero_are_without_limit() {
        assert_eq!((limit(-1, plain), limit(0, plain), limit(5, plain)), ("unlimited".into(), "unlimited".into(), "5".into()));
    }
}
