//! In which range the parameters of each kind make sense.

use std::fmt::Display;

use super::{FaultKind, PlanError, Via};

/// The longest that a link may delay or hold what it carries: beyond it every client and every store has given up.
const LONGEST_MS: u64 = 60_000;
/// Engines refuse less, and a process that does not start is no memory fault.
const MEMORY_MIN: u64 = 8 << 20;
const MEMORY_MAX: u64 = 64 << 30;
/// A loop or flap that is faster cannot be told from one that is always down.
const TURN_MIN_MS: u64 = 100;
/// How many nodes one machine is asked to carry.
pub const NODES_MAX: u64 = 16;

/// `nodes` is how many the cluster has.
///
/// # Errors
/// The first parameter that makes no sense, and which values do.
pub(super) fn check(kind: FaultKind, nodes: usize, fault: impl Fn() -> String) -> Result<(), PlanError> {
    let within = |parameter: &'static str, value: u64, least: u64, most: u64, unit: &str| {
        if (least..=most).contains(&value) {
            return Ok(());
        }
        let given = format!("{value}{unit}");
        Err(PlanError::Parameter { fault: fault(), parameter, given, range: range(least, most, unit) })
    };
    let turn = |parameter, value_ms| within(parameter, value_ms, TURN_MIN_MS, LONGEST_MS, " ms");
    match kind {
        FaultKind::CrashLoop { pause_ms } => turn("pause", pause_ms),
        FaultKind::Flap { down_ms, up_ms, .. } => turn("down", down_ms).and(turn("up", up_ms)),
        FaultKind::Delay { latency_ms, jitter_ms, via, .. } => within("latency", latency_ms, 1, longest_delay_ms(via), " ms")
            // More than the latency would send what was meant to be late into the past.
            .and(within("jitter", jitter_ms, 0, latency_ms, " ms")),
        FaultKind::Bandwidth { bytes_per_second, .. } => {
            within("bytes_per_second", bytes_per_second, 64, 1 << 30, " bytes per second")
        }
        FaultKind::Reset { after_ms, .. } => within("after", after_ms, 0, LONGEST_MS, " ms"),
        FaultKind::DropReplies { after_ms, .. } => within("after", after_ms, 1, LONGEST_MS, " ms"),
        FaultKind::Slice { bytes, gap_us, .. } => {
            within("size", bytes, 1, 64 << 10, " bytes").and(within("gap", gap_us, 0, 1_000_000, " µs"))
        }
        FaultKind::Cpu { millicpus } => within("cpus", millicpus, 10, 64_000, " thousandths of a core"),
        FaultKind::Memory { bytes } => within("size", bytes, MEMORY_MIN, MEMORY_MAX, " bytes"),
        FaultKind::Descriptors { limit } => within("limit", limit, 8, 1 << 20, " files"),
        FaultKind::SlowScript { length_ms } => within("length", length_ms, 100, LONGEST_MS, " ms"),
        FaultKind::RollBack { lose_ms } => within("lose", lose_ms, 100, LONGEST_MS, " ms"),
        // As many as there are is nothing that could be shown.
        FaultKind::ScaleOut { nodes: count } => within("nodes", count, nodes as u64 + 1, NODES_MAX, " nodes"),
        FaultKind::Stop
        | FaultKind::Drain
        | FaultKind::Kill
        | FaultKind::Pause
        | FaultKind::Restart
        | FaultKind::RollingRestart
        | FaultKind::Cut { .. }
        | FaultKind::BlackHole { .. }
        | FaultKind::HalfClose { .. }
        | FaultKind::DiskFull
        | FaultKind::PurgeStream
        | FaultKind::DeleteStream
        | FaultKind::DeleteConsumer
        | FaultKind::LameDuck
        | FaultKind::ReadOnly
        | FaultKind::OutOfMemory
        | FaultKind::ClientKill
        | FaultKind::ScriptFlush => Ok(()),
    }
}

/// What the kernel delays is shown by one echo, which has to come back while somebody waits for it.
fn longest_delay_ms(via: Via) -> u64 {
    match via {
        Via::Proxy => LONGEST_MS,
        Via::Netem => 2_000,
    }
}

fn range(least: impl Display, most: impl Display, unit: &str) -> String {
    format!("{least} to {most}{unit}")
}
