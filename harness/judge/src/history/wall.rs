//! Wall-clock times as the cluster gave them, in eight bytes: a number where that tells every digit, else the text.

use jiff::Timestamp;

use super::text::{Interner, Text, Texts};

/// A time as it was written down, which `History::wall` tells. Two of one history are equal exactly if they were written the same.
///
/// The lowest four bits hold how many digits stood behind the second, or [`A_TEXT`]; above them are the nanoseconds since
/// [`SINCE_S`], or the number of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Wall(u64);

const A_TEXT: u64 = 15;
/// 2020-01-01T00:00:00Z. Sixty bits of nanoseconds reach into 2056; what lies beyond is kept as text.
const SINCE_S: i64 = 1_577_836_800;
const NANOS: u64 = 1_000_000_000;

impl Wall {
    pub(super) fn of(text: &str, interner: &mut Interner) -> Self {
        packed(text.as_bytes()).map_or_else(|| Self(u64::from(interner.intern(text).number()) << 4 | A_TEXT), Self)
    }

    /// Microseconds since 1970; `None` for what is no RFC 3339 time.
    pub(super) fn us(self, texts: &Texts) -> Option<i64> {
        match self.text(texts) {
            Some(text) => wall_us(text),
            None => i64::try_from((self.0 >> 4) / 1_000).ok().map(|us| us + SINCE_S * 1_000_000),
        }
    }

    /// To the letter as it was written.
    pub(super) fn written(self, texts: &Texts) -> String {
        if let Some(text) = self.text(texts) {
            return text.to_owned();
        }
        let (nanos, digits) = (self.0 >> 4, (self.0 & A_TEXT) as usize);
        let second = i64::try_from(nanos / NANOS).ok().and_then(|second| Timestamp::from_second(second + SINCE_S).ok());
        let second = second.unwrap_or_default().to_string();
        if digits == 0 {
            return second;
        }
        let fraction = format!("{:09}", nanos % NANOS);
        format!("{}.{}Z", second.trim_end_matches('Z'), &fraction[..digits])
    }

    fn text(self, texts: &Texts) -> Option<&str> {
        let number = || u32::try_from(self.0 >> 4).ok();
        (self.0 & A_TEXT == A_TEXT).then(number).flatten().and_then(Text::numbered).map(|text| texts.get(text))
    }
}

/// Microseconds since 1970 of an RFC 3339 time.
pub(crate) fn wall_us(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_microsecond)
}

/// `YYYY-MM-DDTHH:MM:SS[.digits]Z` and nothing else: the form from which it can be written again to the letter.
fn packed(text: &[u8]) -> Option<u64> {
    let (last, text) = text.split_last()?;
    let (second, fraction) = text.split_at_checked(19)?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if *last != b'Z' || marks.iter().any(|(at, mark)| second[*at] != *mark) {
        return None;
    }
    let at = |from: usize, until: usize| number(&second[from..until]);
    let (year, month, day) = (at(0, 4)?, at(5, 7)?, at(8, 10)?);
    let (hour, minute, second) = (at(11, 13)?, at(14, 16)?, at(17, 19)?);
    let is_leap = year % 4 == 0;
    let days_of = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month_at = usize::try_from(month.checked_sub(1)?).ok()?;
    // No century in between is without its leap day.
    if !(2020..=2055).contains(&year) || !(1..=*days_of.get(month_at)?).contains(&day) || hour > 23 || minute > 59 || second > 59
    {
        return None;
    }
    let days = (year - 2020) * 365 + (year - 2017) / 4 + days_of[..month_at].iter().sum::<u64>() + day - 1;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    let (nanos, digits) = match fraction {
        [] => (0, 0),
        [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => {
            (number(digits)? * 10_u64.pow(9 - u32::try_from(digits.len()).ok()?), digits.len() as u64)
        }
        _ => return None,
    };
    Some((seconds * NANOS + nanos) << 4 | digits)
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(text: &str) -> (Option<i64>, String, bool) {
        let mut interner = Interner::default();
        let wall = Wall::of(text, &mut interner);
        (wall.us(&interner.texts), wall.written(&interner.texts), wall.0 & A_TEXT == A_TEXT)
    }

    #[test]
    fn what_is_written_otherwise_is_kept_as_it_is() {
        for text in [
            "",
            "Z",
            "never",
            "2026-02-29T00:00:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01T24:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.1234567890Z",
            "2026-01-01T00:00:00+02:00",
            "2026-01-01 00:00:00Z",
            "2026-01-01t00:00:00z",
            "1999-12-31T23:59:59Z",
            "2056-01-01T00:00:00Z",
        ] {
            assert_eq!(told(text), (wall_us(text), text.to_owned(), true), "{text}");
        }
    }

    proptest! {
        #[test]
        fn time_is_told_to_the_letter_and_means_what_it_says(second in 1_577_836_800_i64..2_713_910_400, nanos in 0..NANOS, digits in 0..10_usize) {
            let text = Timestamp::from_second(second).expect("it is in range").to_string();
            let fraction = format!(".{nanos:09}");
            let text = if digits == 0 { text } else { format!("{}{}Z", text.trim_end_matches('Z'), &fraction[..=digits]) };
            prop_assert_eq!(told(&text), (wall_us(&text), text.clone(), false));
        }

        #[test]
        fn any_text_is_told_to_the_letter(text in "[0-9TZ:.+-]{0,32}") {
            prop_assert_eq!(told(&text), (wall_us(&text), text.clone(), told(&text).2));
        }
    }
}
