//! Durations counted by their length, as Prometheus wants them.

/// The upper edges in microseconds: three for each power of ten, up to 10 s.
const EDGES_US: [u64; 14] =
    [500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000];

#[derive(Debug, Clone, Default)]
pub(crate) struct Buckets {
    /// Each counts what lies under its edge and over the one before.
    counts: [u64; EDGES_US.len()],
    count: u64,
    sum_us: u64,
}

impl Buckets {
    pub(crate) fn add(&mut self, us: u64) {
        if let Some(at) = EDGES_US.iter().position(|edge_us| us <= *edge_us) {
            self.counts[at] += 1;
        }
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// Upper edge in seconds, and how many are not longer.
    pub(crate) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let mut below = 0;
        EDGES_US.iter().zip(&self.counts).map(move |(edge_us, count)| {
            below += count;
            (*edge_us as f64 / 1e6, below)
        })
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn sum_s(&self) -> f64 {
        self.sum_us as f64 / 1e6
    }
}
