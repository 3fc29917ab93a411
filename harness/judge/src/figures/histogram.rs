//! Latencies into percentiles, with censored ones counted in and nothing invented.

use hdrhistogram::Histogram;

use crate::report::Distribution;

/// How many samples must lie beyond a percentile for it to be told.
const BEYOND: f64 = 10.0;

/// So many samples a percentile needs.
pub(crate) fn needed(share: f64) -> u64 {
    crate::numbers::whole((BEYOND / (1.0 - share) - 1e-6).ceil())
}

/// Collects latencies in microseconds, to three digits.
#[derive(Debug)]
pub(crate) struct Latencies {
    histogram: Histogram<u64>,
    max_us: u64,
    censored: u64,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        // Three significant digits are within the library's limits, so the fallback is never taken.
        let histogram = Histogram::new(3).unwrap_or_else(|_| unreachable!("three significant digits are supported"));
        Self { histogram, max_us: 0, censored: 0 }
    }

    pub(crate) fn add(&mut self, us: u64) {
        self.max_us = self.max_us.max(us);
        // It grows as needed; were it ever refused, the largest value that it holds stands for it.
        if self.histogram.record(us).is_err() {
            self.histogram.saturating_record(us);
        }
    }

    /// One that is only known to have taken longer than everything measured.
    pub(crate) fn add_censored(&mut self) {
        self.censored += 1;
    }

    pub(crate) fn add_or_censor(&mut self, us: Option<u64>) {
        match us {
            Some(us) => self.add(us),
            None => self.add_censored(),
        }
    }

    /// The latency at `share`; `None` if too few samples lie beyond it, or if it lies among the censored ones.
    pub(crate) fn at_ms(&self, share: f64) -> Option<f64> {
        let measured = self.histogram.len();
        let all = measured + self.censored;
        if (all as f64) * (1.0 - share) < BEYOND - 1e-9 {
            return None;
        }
        let rank = (share * all as f64).ceil();
        if rank > measured as f64 {
            return None;
        }
        let us = self.histogram.value_at_quantile(rank / measured as f64).min(self.max_us);
        Some(us as f64 / 1_000.0)
    }

    pub(crate) fn distribution(&self) -> Distribution {
        Distribution {
            count: self.histogram.len(),
            censored: self.censored,
            p50: self.at_ms(0.5),
            p90: self.at_ms(0.9),
            p99: self.at_ms(0.99),
            p999: self.at_ms(0.999),
            p9999: self.at_ms(0.9999),
            max: (!self.histogram.is_empty()).then(|| self.max_us as f64 / 1_000.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::new();
        values.into_iter().for_each(|us| latencies.add(us));
        latencies
    }

    #[test]
    fn percentiles_of_too_few_samples_are_not_invented() {
        let few = of((1..=999).map(|us| us * 1_000)).distribution();
        assert!(few.p50.is_some() && few.p90.is_some());
        assert_eq!((few.p99, few.p999), (None, None));
        let enough = of((1..=1_000).map(|us| us * 1_000)).distribution();
        let p99 = enough.p99.expect("a thousand samples have a p99");
        assert!((p99 - 990.0).abs() < 1.0, "{p99}");
        assert_eq!(enough.max, Some(1_000.0));
    }

    #[test]
    fn censored_samples_push_percentiles_up_and_are_never_dropped() {
        let mut latencies = of((1..=1_000).map(|us| us * 1_000));
        (0..100).for_each(|_| latencies.add_censored());
        let distribution = latencies.distribution();
        assert_eq!((distribution.count, distribution.censored), (1_000, 100));
        assert_eq!(distribution.p99, None, "it lies among those of which the length is not known");
        let p50 = distribution.p50.expect("the median is known");
        assert!((p50 - 550.0).abs() < 1.0, "{p50}");
    }

    #[test]
    fn what_a_percentile_needs_is_what_it_is_told_from() {
        for (share, count) in [(0.5, 20), (0.9, 100), (0.99, 1_000), (0.999, 10_000), (0.9999, 100_000)] {
            assert_eq!(needed(share), count);
            assert!(of(0..count).at_ms(share).is_some() && of(1..count).at_ms(share).is_none(), "{share}");
        }
    }

    #[test]
    fn no_samples_have_no_figures() {
        assert_eq!(Latencies::new().distribution(), Distribution::default());
    }
}
