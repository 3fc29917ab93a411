//! What cannot be done to an embedded cluster, and why: refused when planning, not skipped.

use judge::plan::{Abilities, Direction, FaultKind, Peer, Via};

/// Everything but what [`refusal`] refuses.
#[must_use]
pub fn abilities() -> Abilities {
    Abilities::everything().refusing(refusal)
}

/// Why a kind cannot be injected truthfully.
pub(super) fn refusal(kind: FaultKind) -> Option<String> {
    let why = match kind {
        FaultKind::Stop
        | FaultKind::Drain
        | FaultKind::Kill
        | FaultKind::Pause
        | FaultKind::Restart
        | FaultKind::RollingRestart
        | FaultKind::CrashLoop { .. }
        | FaultKind::Cut { from: Peer::Nats | Peer::Redis, direction: Direction::Both }
        | FaultKind::Flap { from: Peer::Nats | Peer::Redis, .. }
        | FaultKind::Delay { via: Via::Proxy, jitter_ms: 0, .. }
        | FaultKind::BlackHole { direction: Direction::Both, .. }
        | FaultKind::DropReplies { .. }
        | FaultKind::PurgeStream
        | FaultKind::DeleteStream
        | FaultKind::DeleteConsumer
        | FaultKind::ReadOnly
        | FaultKind::OutOfMemory
        | FaultKind::ClientKill => return None,
        FaultKind::Cut { from: Peer::Clients | Peer::All, .. } | FaultKind::Flap { from: Peer::Clients | Peer::All, .. } => {
            "clients come over the loopback device, which is not cut"
        }
        FaultKind::Cut { .. } | FaultKind::BlackHole { .. } => "a wire in memory is cut or held in both directions",
        FaultKind::Delay { via: Via::Netem, .. } => "no packets pass between a node and services in memory",
        FaultKind::Delay { .. } => "a wire in memory delays evenly; leave `jitter` out",
        FaultKind::Bandwidth { .. } | FaultKind::Reset { .. } | FaultKind::Slice { .. } | FaultKind::HalfClose { .. } => {
            "no bytes pass between a node and services in memory"
        }
        FaultKind::Cpu { .. } | FaultKind::Memory { .. } | FaultKind::Descriptors { .. } => {
            "all nodes share this process, and what it is allowed"
        }
        FaultKind::DiskFull | FaultKind::RollBack { .. } => "services in memory have no disk",
        FaultKind::ScriptFlush | FaultKind::SlowScript { .. } => "a store in memory has no scripts",
        FaultKind::LameDuck => "a stream in memory has no server that could be told to go",
        FaultKind::ScaleOut { .. } => "its nodes are those of the roster",
    };
    Some(why.to_owned())
}
