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
