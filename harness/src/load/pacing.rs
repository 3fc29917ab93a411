//! The thread that hands out slots at their intended times.
//!
//! A thread of its own, since the runtime's timers are a millisecond late and later still on a busy machine.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use judge::plan::Plan;
use tokio::sync::watch;

use super::threads::go_ahead;
use super::workload::{Due, Workload};

/// Stops handing out slots; those in flight come to their end.
#[derive(Debug, Clone)]
pub struct Stopper {
    stop: SyncSender<()>,
}

impl Stopper {
    pub fn stop(&self) {
        // Full or closed: it was told already, or has ended.
        let _ = self.stop.try_send(());
    }
}

#[derive(Debug)]
pub(super) struct Pacing {
    stopper: Stopper,
    /// `Some(interrupted)` once the last slot was handed out.
    ended: watch::Receiver<Option<bool>>,
}

impl Pacing {
    pub(super) fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Waits for the last slot; `true` if the schedule was cut short.
    pub(super) async fn ended(&self) -> bool {
        let mut ended = self.ended.clone();
        // A thread that died without a word has not handed out all slots.
        ended.wait_for(Option::is_some).await.ok().and_then(|ended| *ended).unwrap_or(true)
    }
}

pub(super) fn start(plan: &Plan, workload: &Arc<Workload>, epoch_us: u64) -> io::Result<Pacing> {
    let (stop, stopped) = sync_channel(1);
    let (end, ended) = watch::channel(None);
    let plan = plan.clone();
    let workload = Arc::clone(workload);
    std::thread::Builder::new().name("pacing".into()).spawn(move || {
        go_ahead();
        let last = Duration::from_millis(plan.load.duration_ms);
        let wait_until = |instant: Instant| match stopped.recv_timeout(instant.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => true,
            Ok(()) | Err(RecvTimeoutError::Disconnected) => false,
        };
        let mut whole = wait_until(workload.recorder.instant(epoch_us));
        if workload.is_closed() {
            workload.begin();
        }
        let schedule = (!workload.is_closed()).then(|| plan.slots());
        for slot in schedule.into_iter().flatten() {
            let intended_us = epoch_us + slot.at_us;
            whole = whole && wait_until(workload.recorder.instant(intended_us));
            if !whole {
                break;
            }
            workload.offer(Due { intended_us, slot });
        }
        // The load lasts as long as the plan says, also after its last arrival.
        whole = whole && wait_until(workload.recorder.instant(epoch_us) + last);
        if workload.is_closed() {
            workload.end();
        }
        end.send_replace(Some(!whole));
    })?;
    Ok(Pacing { stopper: Stopper { stop }, ended })
}
