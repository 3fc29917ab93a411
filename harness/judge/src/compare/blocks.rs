//! How certain a percentile of one run is, from its own seconds: a bootstrap of blocks of them.
//!
//! What is slow in one second is slow in the next: seconds taken one by one would make a run look more certain than it is. A
//! block keeps its seconds together.

use std::collections::BTreeMap;

use crate::seed::Stream;

/// How often a run is put together anew.
const RESAMPLES: usize = 200;
/// Values are taken together to within this share: nothing that is judged is finer.
const STEP: f64 = 0.002;

/// Durations of one second, as they were logged: value and count.
pub type Second = Vec<(u64, u64)>;

/// The seconds of one run that are looked at.
#[derive(Debug, Clone)]
pub(super) struct Seconds {
    /// By second: index of the value, count.
    seconds: Vec<Vec<(usize, u64)>>,
    /// In order.
    values: Vec<f64>,
}

/// A percentile, and how far the runs that might have been spread around it. Both of the logarithm, so that a difference is
/// a ratio.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Estimate {
    pub(super) log: f64,
    pub(super) error: f64,
    /// The runs that might have been. Of the same seconds in the same order for every figure, so that they can be held beside each other.
    resampled: Vec<f64>,
    /// Few blocks spread less than what they are taken from, by this factor of the variance.
    few: f64,
}

impl Estimate {
    pub(super) fn new(log: f64, resampled: Vec<f64>, few: f64) -> Self {
        let error = (few * variance(resampled.iter().copied())).sqrt();
        Self { log, error, resampled, few }
    }

    /// The variance within the run of what `companion`, times `slope`, does not explain of this.
    pub(super) fn unexplained_by(&self, companion: &Self, slope: f64) -> f64 {
        self.few * variance(self.resampled.iter().zip(&companion.resampled).map(|(own, its)| own - slope * its))
    }
}

fn variance(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let mean = super::mean(values.clone());
    let (count, squares) = values.fold((0.0, 0.0), |(count, squares), value| (count + 1.0, squares + (value - mean).powi(2)));
    squares / (count - 1.0)
}

impl Seconds {
    pub(super) fn new<'a>(seconds: impl Iterator<Item = &'a Second>) -> Self {
        let bin = |value: u64| ((value.max(1) as f64).ln() / STEP).round();
        let mut bins: BTreeMap<u64, (usize, f64)> = BTreeMap::new();
        let seconds: Vec<&Second> = seconds.collect();
        for (value, _) in seconds.iter().copied().flatten() {
            bins.entry(crate::numbers::whole(bin(*value))).or_insert((0, (bin(*value) * STEP).exp()));
        }
        for (index, (at, _)) in bins.values_mut().enumerate() {
            *at = index;
        }
        let index = |value: u64| bins.get(&crate::numbers::whole(bin(value))).map_or(0, |(index, _)| *index);
        Self {
            seconds: seconds.iter().map(|second| second.iter().map(|(value, count)| (index(*value), *count)).collect()).collect(),
            values: bins.values().map(|(_, value)| *value).collect(),
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.seconds.iter().flatten().map(|(_, count)| count).sum()
    }

    /// `None` where there are too few seconds, or too few values for the percentile.
    pub(super) fn estimate(&self, share: f64, chance: &mut Stream) -> Option<Estimate> {
        let length = self.seconds.len();
        if length < super::SECONDS_MIN || self.count() < crate::figures::histogram::needed(share) {
            return None;
        }
        let log = self.quantile(0..length, share)?.ln();
        let block = block(length);
        let mut logs = Vec::with_capacity(RESAMPLES);
        for _ in 0..RESAMPLES {
            let blocks = length.div_ceil(block);
            // Circular: the first second may follow the last one, so that none is met less often than another.
            let starts: Vec<usize> = (0..blocks).map(|_| usize::try_from(chance.below(length as u64)).unwrap_or(0)).collect();
            let picked = starts.iter().flat_map(|start| (0..block).map(move |ahead| (start + ahead) % length)).take(length);
            logs.extend(self.quantile(picked, share).map(f64::ln));
        }
        let blocks = length as f64 / block as f64;
        Some(Estimate::new(log, logs, blocks / (blocks - 1.0).max(1.0)))
    }

    fn quantile(&self, seconds: impl Iterator<Item = usize>, share: f64) -> Option<f64> {
        let mut counts = vec![0_u64; self.values.len()];
        let mut all = 0;
        for (index, count) in seconds.filter_map(|second| self.seconds.get(second)).flatten() {
            counts[*index] += count;
            all += count;
        }
        let rank = crate::numbers::whole((share * all as f64).ceil()).max(1);
        let mut seen = 0;
        let found = counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        found.and_then(|index| self.values.get(index)).copied()
    }
}

/// Long enough for what hangs together, and at least a handful of them.
fn block(seconds: usize) -> usize {
    let root = crate::numbers::whole((seconds as f64).sqrt());
    usize::try_from(root).unwrap_or(1).clamp(3, 30).min(seconds / 4).max(1)
}
