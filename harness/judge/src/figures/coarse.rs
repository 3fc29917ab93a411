//! A small histogram for one stretch of a chart: hundreds of them lie beside each other.

/// Steps within each doubling: a value is known to within 3 %.
const STEPS: u32 = 32;
/// Up to about two hours in microseconds; what is longer counts as that.
const DOUBLINGS: usize = 28;
const BINS: usize = (DOUBLINGS + 1) << STEPS.ilog2();

/// Durations in microseconds; the largest is kept exactly.
#[derive(Debug, Clone, Default)]
pub(crate) struct Coarse {
    /// Grown to what was met.
    bins: Vec<u32>,
    count: u64,
    max_us: u64,
}

impl Coarse {
    pub(crate) fn add(&mut self, us: u64) {
        let bin = bin(us);
        if self.bins.len() <= bin {
            self.bins.resize(bin + 1, 0);
        }
        self.bins[bin] = self.bins[bin].saturating_add(1);
        self.count += 1;
        self.max_us = self.max_us.max(us);
    }

    pub(crate) fn max_ms(&self) -> Option<f64> {
        (self.count > 0).then(|| self.max_us as f64 / 1_000.0)
    }

    /// By nearest rank; of few values the highest percentiles are the largest value.
    pub(crate) fn at_ms(&self, share: f64) -> Option<f64> {
        let rank = crate::numbers::whole((share * self.count as f64).ceil()).max(1);
        let mut seen = 0;
        for (bin, count) in self.bins.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                return Some(middle(bin).min(self.max_us) as f64 / 1_000.0);
            }
        }
        None
    }

    /// How many values lie in each doubling's half, from the first that has any: its lower edge in milliseconds, its count.
    pub(crate) fn bars(&self) -> Vec<(f64, u64)> {
        let half = BINS / (DOUBLINGS + 1) / 2;
        let bars: Vec<(f64, u64)> = self
            .bins
            .chunks(half)
            .enumerate()
            .map(|(at, bins)| (lower(at * half) as f64 / 1_000.0, bins.iter().map(|count| u64::from(*count)).sum()))
            .collect();
        let first = bars.iter().position(|(_, count)| *count > 0).unwrap_or(bars.len());
        bars[first..].to_vec()
    }
}

/// Linear below [`STEPS`], then [`STEPS`] bins for each doubling.
fn bin(us: u64) -> usize {
    let doubling = us.checked_ilog2().unwrap_or(0).saturating_sub(STEPS.ilog2());
    let step = us >> doubling;
    let bin = u64::from(doubling * STEPS) + step;
    usize::try_from(bin).unwrap_or(usize::MAX).min(BINS - 1)
}

fn lower(bin: usize) -> u64 {
    let (bin, steps) = (bin as u64, u64::from(STEPS));
    if bin < 2 * steps {
        return bin;
    }
    let doubling = bin / steps - 1;
    (bin - doubling * steps) << doubling
}

fn middle(bin: usize) -> u64 {
    lower(bin).midpoint(lower(bin + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bin_and_bins_follow_one_another() {
        for us in (0..5_000).chain((0..30).map(|doubling| 1 << doubling)).chain([123_456_789, (1 << 33) - 1]) {
            let bin = bin(us);
            assert!(lower(bin) <= us && us < lower(bin + 1), "{us} in bin {bin}: {} to {}", lower(bin), lower(bin + 1));
        }
        assert_eq!(bin(u64::MAX), BINS - 1, "what is longer counts as the longest");
    }

    #[test]
    fn percentiles_are_within_three_percent_and_the_largest_is_exact() {
        let mut coarse = Coarse::default();
        (1..=10_000_u64).for_each(|us| coarse.add(us * 100));
        for share in [0.01_f64, 0.5, 0.9, 0.99] {
            let (exact, told) = (share * 1_000.0, coarse.at_ms(share).expect("there are values"));
            assert!((told / exact - 1.0).abs() < 0.03, "{share}: {told} for {exact}");
        }
        assert_eq!(coarse.max_ms(), Some(1_000.0));
        assert_eq!(coarse.bars().iter().map(|(_, count)| count).sum::<u64>(), 10_000);
        assert_eq!((Coarse::default().at_ms(0.5), Coarse::default().max_ms()), (None, None));
    }
}
