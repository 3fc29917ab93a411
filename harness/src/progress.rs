//! The progress line while a load runs.

use std::convert::Infallible;
use std::time::Duration;

use judge::plan::Plan;
use tokio::sync::watch;

use crate::load::Tally;
use crate::output::Output;
use crate::recorder::Recorder;

const EVERY: Duration = Duration::from_secs(1);

/// Everything that the line shows.
#[derive(Debug)]
pub struct Lines {
    epoch_us: u64,
    duration: Duration,
    tally: watch::Receiver<Tally>,
    active: watch::Receiver<Vec<String>>,
    recorder: Recorder,
}

impl Lines {
    #[must_use]
    pub fn new(
        plan: &Plan,
        epoch_us: u64,
        tally: watch::Receiver<Tally>,
        active: watch::Receiver<Vec<String>>,
        recorder: Recorder,
    ) -> Self {
        Self { epoch_us, duration: Duration::from_millis(plan.load.duration_ms), tally, active, recorder }
    }

    /// Shows the line until the load's time is over, and never returns: whoever waits has other things to wait for.
    pub async fn show(&self, out: &Output) -> Infallible {
        let mut ticks = tokio::time::interval(EVERY);
        let mut before = 0;
        loop {
            ticks.tick().await;
            let elapsed = Duration::from_micros(self.recorder.now_us().saturating_sub(self.epoch_us));
            if elapsed >= self.duration {
                return std::future::pending().await;
            }
            let tally = *self.tally.borrow();
            let faults = self.active.borrow().join(", ");
            out.progress(&line(elapsed, self.duration, tally, tally.ok - before, &faults));
            before = tally.ok;
        }
    }
}

fn line(elapsed: Duration, duration: Duration, tally: Tally, ok_per_s: u64, faults: &str) -> String {
    let (elapsed, duration) = (elapsed.as_secs(), duration.as_secs());
    let faults = if faults.is_empty() { "none" } else { faults };
    format!(
        "{elapsed:>3}/{duration}s  {ok_per_s:>4} ok/s  ok {} fail {} info {}  fault: {faults}",
        tally.ok, tally.fail, tally.info
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_of_a_busy_run_fits_a_terminal() {
        let tally = Tally { invoked: 100_000, ok: 98_000, fail: 1_000, info: 900 };
        let line = line(Duration::from_secs(61), Duration::from_secs(75), tally, 300, "kill cluster-node-3");
        assert_eq!(line, " 61/75s   300 ok/s  ok 98000 fail 1000 info 900  fault: kill cluster-node-3");
        assert!(line.len() < crate::output::WIDTH);
    }
}
