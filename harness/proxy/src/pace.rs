//! When what was read is due on the other side.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::chance::Chance;
use crate::rule::Rule;
use crate::switch::Active;

/// What a delayed lane holds at most; then the sender waits, as it would for a window. At 200 ms it is 80 MB/s.
const DELAY_HOLDS: usize = 16 << 20;
const READ_AT_ONCE: usize = 64 << 10;
/// A bandwidth is handed out in pieces of a hundredth of a second, within these bounds.
const PIECES_PER_SECOND: u64 = 100;
const LARGEST_PIECE: usize = 16 << 10;
/// A timer wakes a millisecond or two late; what of a rate was not used for so long may be caught up.
const CATCH_UP: Duration = Duration::from_millis(20);

/// One direction of one connection under a rule that makes bytes late.
#[derive(Debug)]
pub(crate) struct Pace<'a> {
    kind: Kind<'a>,
    last: Instant,
}

#[derive(Debug)]
enum Kind<'a> {
    Delay { latency: Duration, jitter: Duration, chance: Chance },
    Bandwidth { meter: &'a Meter, rate: u64 },
    Slice { bytes: usize, gap: Duration },
}

impl<'a> Pace<'a> {
    /// `None` for a rule that does not make bytes late. `lane` is 0 towards the service, 1 towards the node.
    pub(crate) fn of(active: &'a Active, connection: u64, lane: usize) -> Option<Self> {
        let kind = match active.rule {
            Rule::Delay { latency_ms, jitter_ms, seed } => Kind::Delay {
                latency: Duration::from_millis(latency_ms),
                jitter: Duration::from_millis(jitter_ms),
                chance: Chance::new(seed, connection * 2 + lane as u64),
            },
            Rule::Bandwidth { bytes_per_second } => Kind::Bandwidth { meter: &active.meters[lane], rate: bytes_per_second },
            Rule::Slice { bytes, gap_us } => {
                Kind::Slice { bytes: usize::try_from(bytes).unwrap_or(READ_AT_ONCE), gap: Duration::from_micros(gap_us) }
            }
            _ => return None,
        };
        Some(Self { kind, last: active.since })
    }

    /// The largest piece.
    pub(crate) fn most(&self) -> usize {
        match self.kind {
            Kind::Delay { .. } => READ_AT_ONCE,
            Kind::Bandwidth { rate, .. } => {
                usize::try_from(rate / PIECES_PER_SECOND).unwrap_or(usize::MAX).clamp(1, LARGEST_PIECE)
            }
            Kind::Slice { bytes, .. } => bytes.min(READ_AT_ONCE),
        }
    }

    /// How much may be held. Little where the rate is the limit: the sender shall feel it, and connections take turns.
    pub(crate) fn room(&self) -> usize {
        match self.kind {
            Kind::Delay { .. } => DELAY_HOLDS,
            Kind::Bandwidth { .. } | Kind::Slice { .. } => 1,
        }
    }

    /// When a piece that was read now is due: never before the one before it.
    pub(crate) fn due(&mut self, now: Instant, bytes: usize) -> Instant {
        let due = match &mut self.kind {
            Kind::Delay { latency, jitter, chance } => {
                let range = u64::try_from(jitter.as_micros() * 2).unwrap_or(u64::MAX);
                now + latency.saturating_sub(*jitter) + Duration::from_micros(chance.up_to(range))
            }
            Kind::Bandwidth { meter, rate } => meter.take(now, bytes, *rate),
            Kind::Slice { gap, .. } => (self.last + *gap).max(now),
        };
        self.last = due.max(self.last);
        self.last
    }
}

/// A rate that connections share.
#[derive(Debug)]
pub(crate) struct Meter(Mutex<Instant>);

impl Meter {
    pub(crate) fn new(now: Instant) -> Self {
        Self(Mutex::new(now))
    }

    /// When so many bytes, after all that was taken before, have passed.
    fn take(&self, now: Instant, bytes: usize, rate: u64) -> Instant {
        let nanos = u128::try_from(bytes).unwrap_or_default() * 1_000_000_000 / u128::from(rate);
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(CATCH_UP).unwrap_or(now);
        *free = (*free).max(earliest) + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        *free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn active(rule: Rule) -> Active {
        let now = Instant::now();
        Active { rule, since: now, meters: [Meter::new(now), Meter::new(now)] }
    }

    #[tokio::test]
    async fn jitter_stays_in_its_range_keeps_the_order_and_repeats() {
        let active = active(Rule::Delay { latency_ms: 50, jitter_ms: 20, seed: 3 });
        let now = Instant::now();
        let draws = || {
            let mut pace = Pace::of(&active, 0, 0).expect("a pace");
            (0..100).map(|_| pace.due(now, 1)).collect::<Vec<_>>()
        };
        let dues = draws();
        assert!(dues.is_sorted(), "{dues:?}");
        assert!(dues.iter().all(|due| (30..=70).contains(&(*due - now).as_millis())), "{dues:?}");
        assert!(dues[99] > dues[0], "it is no constant");
        assert_eq!(dues, draws());
    }

    #[tokio::test]
    async fn connections_share_a_bandwidth() {
        let active = active(Rule::Bandwidth { bytes_per_second: 1_000 });
        let now = active.since;
        let mut one = Pace::of(&active, 0, 0).expect("a pace");
        let mut other = Pace::of(&active, 1, 0).expect("a pace");
        let mut back = Pace::of(&active, 1, 1).expect("a pace");
        assert_eq!(one.due(now, 100) - now, Duration::from_millis(100));
        assert_eq!(other.due(now, 100) - now, Duration::from_millis(200));
        assert_eq!(back.due(now, 100) - now, Duration::from_millis(100), "the other direction has its own");
        assert_eq!(one.most(), 10);
    }

    #[tokio::test]
    async fn slices_are_apart() {
        let active = active(Rule::Slice { bytes: 8, gap_us: 5_000 });
        let now = Instant::now();
        let mut pace = Pace::of(&active, 0, 0).expect("a pace");
        let (first, second) = (pace.due(now, 8), pace.due(now, 8));
        assert_eq!(second - first, Duration::from_millis(5));
        assert_eq!(pace.most(), 8);
    }
}
