//! Waiting until a cluster has come to rest: only then is what is missing lost, and not merely late.

mod look;

use std::time::Duration;

use judge::history::Quiescence;
use tokio::time::{Instant, sleep_until};

use self::look::{Look, Lookout};
use crate::cluster::Cluster;
use crate::recorder::Recorder;

const PERIOD: Duration = Duration::from_millis(150);
/// How long everything must have been at rest without a break.
const AT_REST: Duration = Duration::from_secs(2);

/// Waits until the cluster is quiescent: every node says it is up, Redis and `JetStream` answer, the outbox is empty,
/// every node has a consumer with nothing pending and nothing unacknowledged; all of that for 2 s without a break; and
/// one `lease` has passed since `last_heal_us`, so that every row of a node that died has been claimable.
///
/// Writes nothing. `healthy` in the result means that services and nodes were verified healthy without a break for
/// long enough to come to rest (2 s and a lease) before the wait ended: less than that is no ground to call an order
/// stranded. `last_seen` says what the last look found.
pub async fn wait_for_quiescence(
    cluster: &Cluster,
    recorder: &Recorder,
    deadline: Duration,
    last_heal_us: Option<u64>,
    lease: Duration,
) -> Quiescence {
    let began = Instant::now();
    let ends = began + deadline;
    let end = |reached, healthy, last_seen| {
        let waited_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Quiescence { t_us: recorder.now_us(), reached, healthy, waited_ms, last_seen }
    };
    let mut lookout = match Lookout::new(cluster).await {
        Ok(lookout) => lookout,
        Err(error) => return end(false, false, error.to_string()),
    };
    let mut streaks = Streaks::default();
    loop {
        let begins = Instant::now();
        // Its questions have deadlines of their own: cutting it off here would leave the last word to an older look.
        let look = lookout.look().await;
        streaks.note(&look, begins, Instant::now());
        let lease_is_over = last_heal_us.is_none_or(|heal_us| waited_out(recorder, heal_us, lease));
        if streaks.at_rest_for() >= AT_REST && lease_is_over {
            return end(true, true, look.to_string());
        }
        if Instant::now() + PERIOD >= ends {
            let lasted = streaks.healthy_for();
            let healthy = look.is_healthy() && lasted >= AT_REST + lease;
            return end(false, healthy, format!("{look}; healthy for {} ms", lasted.as_millis()));
        }
        sleep_until(begins + PERIOD).await;
    }
}

fn waited_out(recorder: &Recorder, heal_us: u64, lease: Duration) -> bool {
    recorder.now_us().saturating_sub(heal_us) >= u64::try_from(lease.as_micros()).unwrap_or(u64::MAX)
}

/// Since when looks have found the cluster healthy, and at rest, without a break.
///
/// A streak reaches from the end of its first look to the beginning of its last: what a look found was true at some
/// moment between its own ends.
#[derive(Debug, Default)]
struct Streaks {
    healthy_since: Option<Instant>,
    resting_since: Option<Instant>,
    last_look: Option<Instant>,
}

impl Streaks {
    fn note(&mut self, look: &Look, began: Instant, ended: Instant) {
        let healthy = look.is_healthy();
        self.healthy_since = healthy.then(|| self.healthy_since.unwrap_or(ended));
        self.resting_since = (healthy && look.is_at_rest()).then(|| self.resting_since.unwrap_or(ended));
        self.last_look = Some(began);
    }

    fn at_rest_for(&self) -> Duration {
        self.lasts(self.resting_since)
    }

    fn healthy_for(&self) -> Duration {
        self.lasts(self.healthy_since)
    }

    fn lasts(&self, since: Option<Instant>) -> Duration {
        match (since, self.last_look) {
            (Some(since), Some(last)) => last.saturating_duration_since(since),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::look::tests::{failed, look, look_with};
    use super::*;

    #[test]
    fn one_look_that_finds_work_breaks_the_rest() {
        let began = Instant::now();
        let mut streaks = Streaks::default();
        let (busy, down) = (look_with(Ok(1)), look_with(Err(failed())));
        // When a look begins, what it finds, and how long rest and health have then lasted; each look takes 10 ms.
        for (at, seen, at_rest, healthy) in [
            (0, &look(), 0, 0),
            (1_910, &look(), 1_900, 1_900),
            (2_010, &look(), 2_000, 2_000),
            (2_110, &busy, 0, 2_100),
            (2_210, &look(), 0, 2_200),
            (4_320, &look(), 2_100, 4_310),
            (4_420, &down, 0, 0),
            (4_520, &busy, 0, 0),
            (4_630, &look(), 0, 100),
        ] {
            let begins = began + Duration::from_millis(at);
            streaks.note(seen, begins, begins + Duration::from_millis(10));
            let lasted = (streaks.at_rest_for().as_millis(), streaks.healthy_for().as_millis());
            assert_eq!(lasted, (at_rest, healthy), "at {at} ms");
        }
    }
}
