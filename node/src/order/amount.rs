//! Money as minor units: parsed from the digits of a JSON number, never through a binary float.

use std::fmt;

/// An order's amount in minor units, 1 to [`Amount::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(u64);

/// Why a JSON number is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    #[error("must be a JSON number")]
    NotANumber,
    #[error("must be above 0")]
    NotPositive,
    #[error("must have at most two fraction digits")]
    TooFine,
    #[error("must be at most 1000000000")]
    TooLarge,
}

impl Amount {
    /// 1e9 in minor units.
    pub const MAX: u64 = 100_000_000_000;
    /// Fraction digits of a minor unit.
    const SCALE: i64 = 2;

    /// An amount of minor units, where they are in range.
    #[must_use]
    pub fn from_minor(minor: u64) -> Option<Self> {
        (1..=Self::MAX).contains(&minor).then_some(Self(minor))
    }

    #[must_use]
    pub fn minor(self) -> u64 {
        self.0
    }

    /// The amount that the text of a JSON number has. What counts is the value: `1.50`, `1.5` and
    /// `15e-1` are one amount, and `1.000` has no fraction.
    pub fn parse(number: &str) -> Result<Self, AmountError> {
        let (negative, number) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number),
        };
        let (mantissa, exponent) = match number.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (number, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let well_formed = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !well_formed(whole) || !well_formed(fraction) || mantissa.ends_with('.') {
            return Err(AmountError::NotANumber);
        }
        let digits = format!("{whole}{fraction}");
        let significant = digits.trim_start_matches('0').trim_end_matches('0');
        if significant.is_empty() || negative {
            return Err(AmountError::NotPositive);
        }
        let trailing = digits.len() - digits.trim_end_matches('0').len();
        let length = |count: usize| i64::try_from(count).unwrap_or(i64::MAX / 4);
        // The value is `significant` times ten to the `power`, in minor units.
        let power = exponent - length(fraction.len()) + length(trailing) + Self::SCALE;
        if power < 0 {
            return Err(AmountError::TooFine);
        }
        if length(significant.len()) + power > 12 {
            return Err(AmountError::TooLarge);
        }
        let minor = significant.bytes().chain((0..power).map(|_| b'0')).fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0'));
        Self::from_minor(minor).ok_or(AmountError::TooLarge)
    }
}

/// The exponent, clamped: far outside of what any amount can have, its exact value is of no matter.
fn parse_exponent(text: &str) -> Result<i64, AmountError> {
    const FAR: i64 = 1_000_000;
    let (sign, digits) = match text.as_bytes() {
        [b'-', ..] => (-1, &text[1..]),
        [b'+', ..] => (1, &text[1..]),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AmountError::NotANumber);
    }
    Ok(sign * digits.parse::<i64>().map_or(FAR, |exponent| exponent.min(FAR)))
}

/// The canonical text: no exponent, no trailing zero.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_minor(f, self.0)
    }
}

/// A sum of amounts in minor units, as a customer's ledger has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Total(pub u64);

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_minor(f, self.0)
    }
}

fn write_minor(f: &mut fmt::Formatter<'_>, minor: u64) -> fmt::Result {
    let (whole, cents) = (minor / 100, minor % 100);
    match cents {
        0 => write!(f, "{whole}"),
        tenths if tenths % 10 == 0 => write!(f, "{whole}.{}", tenths / 10),
        cents => write!(f, "{whole}.{cents:02}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_by_value_and_bounds() {
        let cases = [
            ("99.99", Ok(9_999)),
            ("100", Ok(10_000)),
            ("100.0", Ok(10_000)),
            ("100.000", Ok(10_000)),
            ("0.01", Ok(1)),
            ("1e2", Ok(10_000)),
            ("1E+2", Ok(10_000)),
            ("15e-1", Ok(150)),
            ("0.1", Ok(10)),
            ("1000000000", Ok(Amount::MAX)),
            ("1e9", Ok(Amount::MAX)),
            ("0.0000000001e10", Ok(100)),
            ("1000000000.01", Err(AmountError::TooLarge)),
            ("1e999999999999999999999", Err(AmountError::TooLarge)),
            ("1e-999999999999999999999", Err(AmountError::TooFine)),
            ("0.001", Err(AmountError::TooFine)),
            ("99.999", Err(AmountError::TooFine)),
            ("0", Err(AmountError::NotPositive)),
            ("0e5", Err(AmountError::NotPositive)),
            ("-0.0", Err(AmountError::NotPositive)),
            ("-1", Err(AmountError::NotPositive)),
            ("\"1\"", Err(AmountError::NotANumber)),
            ("null", Err(AmountError::NotANumber)),
            ("true", Err(AmountError::NotANumber)),
            ("1.", Err(AmountError::NotANumber)),
            ("", Err(AmountError::NotANumber)),
            ("[1]", Err(AmountError::NotANumber)),
        ];
        for (text, expected) in cases {
            assert_eq!(Amount::parse(text).map(Amount::minor), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_amount_survives_its_own_text(minor in 1..=Amount::MAX) {
            let amount = Amount::from_minor(minor).expect("in range");
            prop_assert_eq!(Amount::parse(&amount.to_string()), Ok(amount));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[-+.eE0-9]{0,40}") {
            let _ = Amount::parse(&text);
        }
    }
}
