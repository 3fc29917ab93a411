//! Latencies second by second, as logs that `HdrHistogram`'s tools read: format V2, one tag for each node.
//!
//! Values are nanoseconds, which is what those tools take by default; times count from the start of the load, whose wall clock the
//! head tells. A second belongs to what was to begin in it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, Tag};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};

use crate::compare::Second;

const NS_PER_US: u64 = 1_000;
const NS_PER_MS: f64 = 1e6;
const SECOND: Duration = Duration::from_secs(1);

/// One duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timed {
    /// From the start of the load to when it was to begin, in whole seconds.
    pub(crate) second: u32,
    /// Index into [`Timings::nodes`].
    pub(crate) node: u16,
    pub(crate) us: u32,
}

/// Every duration of a run, by what it is of; sorted, when everything is measured.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timings {
    pub(crate) nodes: Vec<String>,
    /// RFC 3339.
    pub(crate) recording_started_at: String,
    pub(crate) load_start_us: u64,
    pub(crate) corrected: Vec<Timed>,
    pub(crate) uncorrected: Vec<Timed>,
    pub(crate) propagation: Vec<Timed>,
}

impl Timings {
    pub(crate) fn timed(&self, node: u16, begun_us: u64, us: u64) -> Option<Timed> {
        let second = u32::try_from(begun_us.checked_sub(self.load_start_us)? / 1_000_000).ok()?;
        Some(Timed { second, node, us: u32::try_from(us).unwrap_or(u32::MAX) })
    }

    /// As the logs have them: second by second, node by node.
    pub(crate) fn sorted(mut self) -> Self {
        for timed in [&mut self.corrected, &mut self.uncorrected, &mut self.propagation] {
            timed.sort_unstable();
        }
        self
    }

    /// Each log's file name and text.
    ///
    /// # Errors
    /// A histogram cannot be written as V2; the text says which log.
    pub fn logs(&self) -> Result<Vec<(&'static str, Vec<u8>)>, String> {
        let logs = [
            (LATENCY, "request latency from the intended start (corrected)", &self.corrected),
            (LATENCY_UNCORRECTED, "request latency from sending (uncorrected)", &self.uncorrected),
            (PROPAGATION, "propagation from the intended start to the sight on a node", &self.propagation),
        ];
        logs.into_iter()
            .map(|(name, what, timed)| Ok((name, self.log(what, timed).map_err(|error| format!("{name}: {error}"))?)))
            .collect()
    }

    fn log(&self, what: &str, timed: &[Timed]) -> Result<Vec<u8>, String> {
        let mut text = Vec::new();
        let mut serializer = V2DeflateSerializer::new();
        let mut builder = IntervalLogWriterBuilder::new();
        builder.add_comment(&format!("{what}, nanoseconds; a tag is a node")).with_max_value_divisor(NS_PER_MS);
        let start = self.started();
        builder.with_start_time(start).with_base_time(start);
        let mut log = builder.begin_log_with(&mut text, &mut serializer).map_err(|error| error.to_string())?;
        for of_node in timed.chunk_by(|one, other| (one.second, one.node) == (other.second, other.node)) {
            let Some(first) = of_node.first() else { continue };
            let mut histogram = Histogram::<u64>::new(3).map_err(|error| error.to_string())?;
            for timed in of_node {
                // It grows as needed, which recording at the edge would not.
                histogram.record(u64::from(timed.us) * NS_PER_US).map_err(|error| error.to_string())?;
            }
            let tag = self.nodes.get(usize::from(first.node)).and_then(|name| Tag::new(name));
            let at = Duration::from_secs(u64::from(first.second));
            log.write_histogram(&histogram, at, SECOND, tag).map_err(|error| format!("{error:?}"))?;
        }
        Ok(text)
    }

    /// The wall clock at the start of the load.
    fn started(&self) -> SystemTime {
        let recording: Option<jiff::Timestamp> = self.recording_started_at.parse().ok();
        let us = recording.map_or(0, |at| u64::try_from(at.as_microsecond()).unwrap_or(0));
        SystemTime::UNIX_EPOCH + Duration::from_micros(us + self.load_start_us)
    }
}

/// Names of the logs inside a run folder.
pub const LATENCY: &str = "latency.hlog";
pub const LATENCY_UNCORRECTED: &str = "latency-uncorrected.hlog";
pub const PROPAGATION: &str = "propagation.hlog";

/// Reads a log: by second, what was counted, all tags together. The values are those in the middle of their bins.
///
/// # Errors
/// It is no interval log in format V2; the text says at which interval.
pub fn read_log(text: &[u8]) -> Result<BTreeMap<u64, Second>, String> {
    let mut deserializer = Deserializer::new();
    let mut seconds: BTreeMap<u64, Second> = BTreeMap::new();
    for entry in IntervalLogIterator::new(text) {
        let LogEntry::Interval(interval) = entry.map_err(|error| format!("this is no interval log: {error:?}"))? else {
            continue;
        };
        let second = interval.start_timestamp().as_secs();
        let wrong = |why: String| format!("the interval of second {second} is unreadable: {why}");
        let histogram: Histogram<u64> = {
            use base64::Engine as _;
            let bytes = base64::engine::general_purpose::STANDARD.decode(interval.encoded_histogram());
            let bytes = bytes.map_err(|error| wrong(error.to_string()))?;
            deserializer.deserialize(&mut bytes.as_slice()).map_err(|error| wrong(format!("{error:?}")))?
        };
        let values = histogram.iter_recorded().map(|value| (value.value_iterated_to(), value.count_at_value()));
        seconds.entry(second).or_default().extend(values);
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LOAD_START_US, NODES, Story};

    #[test]
    fn logs_read_back_have_every_operation_in_its_second_under_its_node() {
        let timings = Story::good(1_200).judgement().timings;
        let logs = timings.logs().expect("they can be written");
        assert_eq!(logs.iter().map(|(name, _)| *name).collect::<Vec<_>>(), [LATENCY, LATENCY_UNCORRECTED, PROPAGATION]);
        let (_, corrected) = &logs[0];
        let text = std::str::from_utf8(corrected).expect("it is text");
        let start = 1_767_225_600.0 + LOAD_START_US as f64 / 1e6;
        assert!(text.contains(&format!("#[StartTime: {start:.3} (seconds since epoch)]")), "{text}");
        let mut tags: BTreeMap<String, u64> = BTreeMap::new();
        for entry in IntervalLogIterator::new(corrected) {
            let LogEntry::Interval(interval) = entry.expect("readable") else { continue };
            assert_eq!(interval.duration(), SECOND);
            assert!((interval.max() - 5.0).abs() < 0.01, "milliseconds: {}", interval.max());
            *tags.entry(interval.tag().expect("a tag").as_str().to_owned()).or_default() += 1;
        }
        assert_eq!(tags, NODES.map(|node| (node.to_owned(), 12)).into());
        for ((_, text), (each, ms)) in logs.iter().zip([(100, 5.0), (100, 4.9), (300, 8.0)]) {
            let seconds = read_log(text).expect("it can be read");
            assert_eq!(seconds.keys().copied().collect::<Vec<_>>(), (0..12).collect::<Vec<_>>());
            for second in seconds.values() {
                assert_eq!(second.iter().map(|(_, count)| count).sum::<u64>(), each);
                assert!(second.iter().all(|(ns, _)| (*ns as f64 / (ms * 1e6) - 1.0).abs() < 0.002), "{second:?}");
            }
        }
    }

    #[test]
    fn what_is_no_log_is_refused() {
        assert!(read_log(b"Tag=a,0.0,1.0,3.2,abc\n").is_err());
    }
}
