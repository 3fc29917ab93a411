//! The threads that carry the load out: their own, so that no observer's work makes a request late, and ahead of all else
//! on the machine where we may say so. Load comes from elsewhere as a rule; where it shares the processors with the cluster, a
//! generator that waits for them measures its own waiting.

use std::future::Future;
use std::io;

use judge::history::Priority;
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

/// Nearly the most urgent: a little is left to what an operator wants in front of everything.
const NICENESS: i32 = -15;

#[derive(Debug)]
pub(super) struct Threads {
    handle: Handle,
    /// There until it is dropped.
    runtime: Option<Runtime>,
}

impl Threads {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .thread_name("load")
            .on_thread_start(|| {
                go_ahead();
            })
            .enable_all()
            .build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    pub(super) fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.handle.spawn(task)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Whoever drops it is a task of another runtime, which must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Where Linux says how much of the time is left to those behind such as have real-time priority; -1 for nothing.
const RUNTIME: &str = "/proc/sys/kernel/sched_rt_runtime_us";

/// Puts the calling thread ahead, as far as it may be.
pub(super) fn go_ahead() -> Priority {
    // A load that overwhelms the machine must leave something to whoever is to stop it.
    let is_bounded = std::fs::read_to_string(RUNTIME).is_ok_and(|runtime| !runtime.starts_with('-'));
    if is_bounded && goes_at_once() {
        Priority::RealTime
    } else if rustix::process::setpriority_process(None, NICENESS).is_ok() {
        Priority::Raised
    } else {
        Priority::Normal
    }
}

fn goes_at_once() -> bool {
    let at_once = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, at_once).is_ok()
}

/// How far a thread of the load goes ahead here, as one finds that tries.
pub fn priority() -> Option<Priority> {
    std::thread::Builder::new().spawn(go_ahead).ok()?.join().ok()
}

#[cfg(test)]
mod tests {
    use thread_priority::thread_schedule_policy;

    use super::*;

    #[tokio::test]
    async fn its_threads_go_ahead_where_we_may_and_nobody_elses_do() {
        let ours = || {
            let policy = thread_schedule_policy().expect("a policy");
            let niceness = rustix::process::getpriority_process(None).expect("a priority");
            (matches!(policy, ThreadSchedulePolicy::Realtime(_)), niceness)
        };
        let before = ours();
        let threads = Threads::start().expect("threads");
        let on_them = threads.spawn(async move { ours() }).await.expect("a priority");
        let may = |what: fn() -> bool| std::thread::spawn(what).join().expect("an answer");
        let (wanted, told) = if may(goes_at_once) {
            ((true, before.1), Priority::RealTime)
        } else if may(|| rustix::process::setpriority_process(None, NICENESS).is_ok()) {
            ((false, NICENESS), Priority::Raised)
        } else {
            (before, Priority::Normal)
        };
        assert_eq!(priority(), Some(told));
        assert_eq!(on_them, wanted);
        assert_eq!(ours(), before);
    }
}
