//! What can be counted: counters, gauges and histograms, alone or one for each value of some labels. All of it is
//! atomic: no lock, and no allocation but the first time that a sparse label combination is met.

use std::fmt::Write as _;
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::labels::Labels;

/// Something that can be written as samples of one metric.
pub(super) trait Samples {
    /// As Prometheus names it.
    const KIND: &'static str;
    /// Writes the samples of `name`; `labels` is `a="b"` pairs, or empty.
    fn write(&self, name: &str, labels: &str, text: &mut String);
}

fn write_sample(name: &str, labels: &str, value: impl std::fmt::Display, text: &mut String) {
    let _ = if labels.is_empty() { writeln!(text, "{name} {value}") } else { writeln!(text, "{name}{{{labels}}} {value}") };
}

/// Counts up from 0 for as long as the process lives.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub fn increment(&self) {
        self.add(1);
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Samples for Counter {
    const KIND: &'static str = "counter";

    fn write(&self, name: &str, labels: &str, text: &mut String) {
        write_sample(name, labels, self.get(), text);
    }
}

/// A value that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    pub fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn decrement(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Samples for Gauge {
    const KIND: &'static str = "gauge";

    fn write(&self, name: &str, labels: &str, text: &mut String) {
        write_sample(name, labels, self.get(), text);
    }
}

/// A gauge of a duration, written in seconds.
#[derive(Debug, Default)]
pub struct Seconds(AtomicU64);

impl Seconds {
    pub fn set(&self, value: Duration) {
        self.0.store(nanos(value), Ordering::Relaxed);
    }
}

impl Samples for Seconds {
    const KIND: &'static str = "gauge";

    fn write(&self, name: &str, labels: &str, text: &mut String) {
        write_sample(name, labels, seconds(self.0.load(Ordering::Relaxed)), text);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// Upper bounds of a histogram's buckets, in nanoseconds.
pub trait Ladder: Send + Sync {
    const BOUNDS: [u64; BUCKETS];
}

const BUCKETS: usize = 16;
const MS: u64 = 1_000_000;
const S: u64 = 1000 * MS;

/// 100 µs to 10 s: what one request or publish takes.
#[derive(Debug)]
pub struct Short;
/// 1 ms to 5 min: what an event takes to get somewhere, outages included.
#[derive(Debug)]
pub struct Long;

impl Ladder for Short {
    #[rustfmt::skip]
    const BOUNDS: [u64; BUCKETS] = [
        MS / 10, MS / 4, MS / 2, MS, 5 * MS / 2, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS,
        S, 5 * S / 2, 5 * S, 10 * S,
    ];
}

impl Ladder for Long {
    #[rustfmt::skip]
    const BOUNDS: [u64; BUCKETS] = [
        MS, 5 * MS / 2, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS, S, 5 * S / 2, 5 * S, 10 * S,
        30 * S, 60 * S, 300 * S,
    ];
}

/// A histogram of durations, written in seconds.
#[derive(Debug)]
pub struct Histogram<L> {
    /// One a bound, and one for what lies above all of them.
    buckets: [AtomicU64; BUCKETS + 1],
    sum: AtomicU64,
    ladder: PhantomData<fn() -> L>,
}

impl<L> Default for Histogram<L> {
    fn default() -> Self {
        Self { buckets: Default::default(), sum: AtomicU64::default(), ladder: PhantomData }
    }
}

impl<L: Ladder> Histogram<L> {
    pub fn observe(&self, duration: Duration) {
        let nanos = nanos(duration);
        let bucket = L::BOUNDS.partition_point(|bound| *bound < nanos);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(nanos, Ordering::Relaxed);
    }

    /// How many were observed.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }
}

impl<L: Ladder> Samples for Histogram<L> {
    const KIND: &'static str = "histogram";

    fn write(&self, name: &str, labels: &str, text: &mut String) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut count = 0;
        for (bucket, bound) in self.buckets.iter().zip(L::BOUNDS) {
            count += bucket.load(Ordering::Relaxed);
            let _ = writeln!(text, "{name}_bucket{{{labels}{comma}le=\"{}\"}} {count}", seconds(bound));
        }
        // The total is what the buckets held just now, so that the two agree under concurrent observations.
        count += self.buckets[BUCKETS].load(Ordering::Relaxed);
        let _ = writeln!(text, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}");
        write_sample(&format!("{name}_sum"), labels, seconds(self.sum.load(Ordering::Relaxed)), text);
        write_sample(&format!("{name}_count"), labels, count, text);
    }
}

/// One metric for each value of `L`, all of them there from the start.
#[derive(Debug)]
pub struct Family<L, M> {
    metrics: Box<[M]>,
    labels: PhantomData<fn() -> L>,
}

impl<L: Labels, M: Default> Default for Family<L, M> {
    fn default() -> Self {
        Self { metrics: (0..L::COUNT).map(|_| M::default()).collect(), labels: PhantomData }
    }
}

impl<L: Labels, M> Family<L, M> {
    pub fn of(&self, labels: L) -> &M {
        &self.metrics[labels.index()]
    }
}

impl<L: Labels, M: Samples> Samples for Family<L, M> {
    const KIND: &'static str = M::KIND;

    fn write(&self, name: &str, _: &str, text: &mut String) {
        for (index, metric) in self.metrics.iter().enumerate() {
            metric.write(name, &L::text(index), text);
        }
    }
}

/// One metric for each value of `L` that was met so far; the others cost a pointer.
#[derive(Debug)]
pub struct Sparse<L, M> {
    metrics: Box<[OnceLock<Box<M>>]>,
    labels: PhantomData<fn() -> L>,
}

impl<L: Labels, M> Default for Sparse<L, M> {
    fn default() -> Self {
        Self { metrics: (0..L::COUNT).map(|_| OnceLock::new()).collect(), labels: PhantomData }
    }
}

impl<L: Labels, M: Default> Sparse<L, M> {
    pub fn of(&self, labels: L) -> &M {
        self.metrics[labels.index()].get_or_init(Box::default)
    }
}

impl<L: Labels, M: Samples> Samples for Sparse<L, M> {
    const KIND: &'static str = M::KIND;

    fn write(&self, name: &str, _: &str, text: &mut String) {
        for (index, metric) in self.metrics.iter().enumerate() {
            if let Some(metric) = metric.get() {
                metric.write(name, &L::text(index), text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_lies_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::<Short>::default();
        for micros in [0, 100, 101, 10_000_000, 10_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let mut text = String::new();
        histogram.write("t_seconds", "a=\"b\"", &mut text);
        for line in [
            "t_seconds_bucket{a=\"b\",le=\"0.0001\"} 2",
            "t_seconds_bucket{a=\"b\",le=\"0.00025\"} 3",
            "t_seconds_bucket{a=\"b\",le=\"5\"} 3",
            "t_seconds_bucket{a=\"b\",le=\"10\"} 4",
            "t_seconds_bucket{a=\"b\",le=\"+Inf\"} 5",
            "t_seconds_sum{a=\"b\"} 20.000202",
            "t_seconds_count{a=\"b\"} 5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert_eq!(histogram.count(), 5);
    }

    #[test]
    fn bounds_rise() {
        assert!(Short::BOUNDS.is_sorted() && Long::BOUNDS.is_sorted());
    }
}
