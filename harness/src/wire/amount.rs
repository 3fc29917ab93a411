//! Amounts of money: from the text of a JSON number to minor units, exactly.

use serde_json::value::RawValue;

/// Minor units of a JSON number, from its text: `100`, `100.0`, `100.00` and `1e2` are all 10,000.
///
/// `None` where the text is no JSON number at or above 0 that has, written out, at most two fraction digits, or where
/// it does not fit. Never goes through a binary float.
#[must_use]
pub fn minor_units(text: &str) -> Option<u64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (text, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    if whole.is_empty() || leading_zero || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    // Written out, the number has (digits of the fraction - exponent) fraction digits; two of them are minor units.
    let shift = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(2)?;
    let mut minor: u64 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        minor = minor.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    if shift < 0 {
        return None;
    }
    if minor == 0 {
        return Some(0);
    }
    minor.checked_mul(10_u64.checked_pow(u32::try_from(shift).ok()?)?)
}

/// Minor units of a field that should hold a JSON number; `None` for a field that is absent or holds anything else.
pub(super) fn of_field(value: Option<&RawValue>) -> Option<u64> {
    minor_units(value?.get())
}

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_number_becomes_exact_minor_units_or_nothing() {
        let table: &[(&str, Option<u64>)] = &[
            ("100", Some(10_000)),
            ("100.0", Some(10_000)),
            ("100.00", Some(10_000)),
            ("1e2", Some(10_000)),
            ("1E+2", Some(10_000)),
            ("1.0e2", Some(10_000)),
            ("10000e-2", Some(10_000)),
            ("99.99", Some(9_999)),
            ("0.01", Some(1)),
            ("1e-2", Some(1)),
            ("0.1", Some(10)),
            ("0.29", Some(29)),
            ("1.005e1", Some(1_005)),
            ("1.0005e1", None),
            ("1.005e2", Some(10_050)),
            ("4.35", Some(435)),
            ("1000000000", Some(100_000_000_000)),
            ("1e9", Some(100_000_000_000)),
            ("184467440737095516.15", Some(u64::MAX)),
            ("184467440737095516.16", None),
            ("1e30", None),
            ("1e99999999999999999999", None),
            ("0", Some(0)),
            ("0.00", Some(0)),
            ("0e30", Some(0)),
            ("0.001", None),
            ("99.999", None),
            ("100.000", None),
            ("1e-3", None),
            ("1e-9223372036854775808", None),
            ("-1", None),
            ("-0", None),
            ("+1", None),
            ("01", None),
            (".5", None),
            ("5.", None),
            ("1e", None),
            ("1e+", None),
            ("1e2.5", None),
            ("1.2.3", None),
            ("", None),
            (" 1", None),
            ("NaN", None),
            ("\"99.99\"", None),
            ("null", None),
            ("{}", None),
        ];
        for (text, expected) in table {
            assert_eq!(minor_units(text), *expected, "{text:?}");
        }
    }

    #[test]
    fn every_cent_up_to_ten_thousand_reads_back_as_itself() {
        for minor in 0..1_000_000_u64 {
            let text = format!("{}.{:02}", minor / 100, minor % 100);
            assert_eq!(minor_units(&text), Some(minor), "{text}");
        }
    }
}
