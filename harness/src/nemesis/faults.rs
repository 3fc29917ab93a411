//! One file per fault.

mod bandwidth;
mod black_hole;
mod client_kill;
mod cpu;
mod crash_loop;
mod cut;
mod delay;
mod delete_consumer;
mod delete_stream;
mod descriptors;
mod disk_full;
mod drain;
mod drop_replies;
mod flap;
mod half_close;
mod kill;
mod lame_duck;
mod link;
mod memory;
mod netem;
mod out_of_memory;
mod pause;
mod process;
mod purge_stream;
mod read_only;
mod refusing;
mod reset;
mod restart;
mod roll_back;
mod scale_out;
mod script_flush;
mod slice;
mod slow_script;
mod stop;
mod stream;
pub(crate) mod turns;

use std::time::Duration;

use judge::plan::{FaultKind, Via};

pub(crate) use netem::lacking as netem_lacking;

use super::fault::{Fault, Order};
use link::OnLink;
use process::OnProcess;

/// The one that carries out a kind.
pub(super) fn of(kind: FaultKind) -> Box<dyn Fault> {
    match kind {
        FaultKind::Stop => Box::new(OnProcess(stop::Stop)),
        FaultKind::Drain => Box::new(OnProcess(drain::Drain)),
        FaultKind::Kill => Box::new(OnProcess(kill::Kill)),
        FaultKind::Pause => Box::new(OnProcess(pause::Pause)),
        FaultKind::Restart => Box::new(OnProcess(restart::Restart(Order::AtOnce))),
        FaultKind::RollingRestart => Box::new(OnProcess(restart::Restart(Order::InTurn))),
        FaultKind::CrashLoop { pause_ms } => Box::new(crash_loop::CrashLoop::new(pause_ms)),
        FaultKind::Cut { from, direction } => Box::new(cut::Cut::new(from, direction)),
        FaultKind::Flap { from, down_ms, up_ms } => Box::new(flap::Flap::new(from, down_ms, up_ms)),
        FaultKind::Cpu { millicpus } => Box::new(cpu::Cpu::new(millicpus)),
        FaultKind::Memory { bytes } => Box::new(memory::Memory::new(bytes)),
        FaultKind::DiskFull => Box::new(disk_full::DiskFull),
        FaultKind::Descriptors { limit } => Box::new(descriptors::Descriptors { limit }),
        FaultKind::PurgeStream => Box::new(purge_stream::PurgeStream),
        FaultKind::DeleteStream => Box::new(delete_stream::DeleteStream),
        FaultKind::DeleteConsumer => Box::new(delete_consumer::DeleteConsumer),
        FaultKind::LameDuck => Box::new(lame_duck::LameDuck),
        FaultKind::ReadOnly => Box::new(read_only::READ_ONLY),
        FaultKind::OutOfMemory => Box::new(out_of_memory::OUT_OF_MEMORY),
        FaultKind::ClientKill => Box::new(client_kill::ClientKill),
        FaultKind::ScriptFlush => Box::new(script_flush::ScriptFlush),
        FaultKind::RollBack { lose_ms } => Box::new(roll_back::RollBack::by(Duration::from_millis(lose_ms))),
        FaultKind::ScaleOut { nodes } => Box::new(scale_out::ScaleOut { nodes: usize::try_from(nodes).unwrap_or(usize::MAX) }),
        FaultKind::SlowScript { length_ms } => Box::new(slow_script::SlowScript { length: Duration::from_millis(length_ms) }),
        FaultKind::Delay { link, via: Via::Proxy, latency_ms, jitter_ms, seed } => {
            Box::new(OnLink(delay::Delay { link, latency_ms, jitter_ms, seed }))
        }
        FaultKind::Bandwidth { link, bytes_per_second } => Box::new(OnLink(bandwidth::Bandwidth { link, bytes_per_second })),
        FaultKind::BlackHole { link, direction } => Box::new(OnLink(black_hole::BlackHole { link, direction })),
        FaultKind::Reset { link, after_ms } => Box::new(OnLink(reset::Reset { link, after_ms })),
        FaultKind::Slice { link, bytes, gap_us } => Box::new(OnLink(slice::Slice { link, bytes, gap_us })),
        FaultKind::HalfClose { link } => Box::new(OnLink(half_close::HalfClose { link })),
        FaultKind::DropReplies { link, after_ms } => Box::new(OnLink(drop_replies::DropReplies { link, after_ms })),
        FaultKind::Delay { link, via: Via::Netem, latency_ms, jitter_ms, .. } => {
            Box::new(netem::Netem { link, latency_ms, jitter_ms })
        }
    }
}
