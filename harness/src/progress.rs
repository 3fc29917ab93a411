//! What a person, or a program, is told while a run goes on.

mod view;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use judge::history::{Outcome, Phase};
use judge::plan::Plan;

use crate::output::Output;
use crate::recorder::Recorder;
use view::View;

const EVERY: Duration = Duration::from_secs(1);
/// So many seconds of the backlog are drawn.
const BACKLOG: usize = 50;

/// Everything that is shown.
#[derive(Debug)]
pub struct Lines<'a> {
    plan: &'a Plan,
    recorder: Recorder,
}

impl<'a> Lines<'a> {
    #[must_use]
    pub fn new(plan: &'a Plan, recorder: Recorder) -> Self {
        Self { plan, recorder }
    }

    /// Shows the run once a second, and never returns: whoever waits has other things to wait for.
    pub async fn show(&self, out: &Output) -> Infallible {
        let mut ticks = tokio::time::interval(EVERY);
        let mut before = (0, 0);
        let mut backlog = VecDeque::new();
        loop {
            ticks.tick().await;
            let live = self.recorder.live();
            let recent_ms = live.take_recent();
            let state = live.state();
            // Before the load there is nothing to tell but what is said anyway.
            let Some(load_us) = state.load_us else { continue };
            let elapsed = Duration::from_micros(self.recorder.now_us().saturating_sub(load_us));
            let now = (state.sent(), state.of(Outcome::Ok));
            if backlog.len() == BACKLOG {
                backlog.pop_front();
            }
            backlog.push_back(state.outbox.map_or(0, |(depth, _)| depth));
            let view = View {
                phase: state.phase.unwrap_or(Phase::Load),
                elapsed,
                length: Duration::from_millis(self.plan.load.duration_ms),
                sent_per_s: now.0 - before.0,
                ok_per_s: now.1 - before.1,
                recent_ms,
                backlog: backlog.iter().copied().collect(),
                state: &state,
                plan: self.plan,
            };
            before = now;
            out.live(|| view.block(), || view.line(), || view.json());
        }
    }
}
