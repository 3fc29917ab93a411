//! Rounding floats to whole numbers, in the one place where the cast is safe.

/// The nearest whole number; 0 for what is negative or no number, and the largest one for what is too large.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and negative values and NaN become 0, as the function promises"
)]
pub(crate) fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// Six decimals: more than any figure here means, and few enough that JSON gives back the very same number.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// `1 order`, `2 orders`.
pub(crate) fn many(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// A number of things that a history tells of, or an index of one: its reader takes none that has more than four bytes can count.
pub(crate) fn fit(count: usize) -> u32 {
    u32::try_from(count).unwrap_or_else(|_| unreachable!("a history has fewer lines than that"))
}
