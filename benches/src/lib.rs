//! Benches live in `benches/`; what `benches/throughput` measures with is here.

pub mod client;
pub mod load;
pub mod propagation;

/// The value below which a share of the sorted values lies; 0 where there are none.
#[must_use]
pub fn percentile(sorted: &[u32], share: f64) -> u32 {
    let last = sorted.len().saturating_sub(1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the slice")]
    let place = (last as f64 * share).round() as usize;
    sorted.get(place).copied().unwrap_or(0)
}
