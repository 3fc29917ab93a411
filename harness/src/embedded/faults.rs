//! The faults of an embedded cluster. What each is proven by lies outside of the nodes: a port, a thread, a wire, a store.

mod process;
mod settings;
mod stream;
mod wire;

use std::time::Duration;

use judge::plan::{Direction, FaultKind, Peer};

use super::Embedded;
use crate::nemesis::fault::{Fault, Order};
use process::{OnProcess, Strike};
use settings::{ClientKill, Refusing};
use stream::OnStream;
use wire::{Flap, Harm, OnWire};

use judge::plan::Link;
use node::memory::Refusal;

/// The one that carries out a kind.
///
/// # Errors
/// It cannot be done to services in memory: a plan has it only by mistake.
pub(super) fn of(kind: FaultKind) -> Result<Box<dyn Fault<Embedded>>, String> {
    let millis = Duration::from_millis;
    Ok(match kind {
        FaultKind::Stop => Box::new(OnProcess::new(Strike::Stop)),
        FaultKind::Drain => Box::new(OnProcess::new(Strike::Drain)),
        FaultKind::Kill => Box::new(OnProcess::new(Strike::Kill)),
        FaultKind::Pause => Box::new(OnProcess::new(Strike::Pause)),
        FaultKind::Restart => Box::new(OnProcess::new(Strike::Restart(Order::AtOnce))),
        FaultKind::RollingRestart => Box::new(OnProcess::new(Strike::Restart(Order::InTurn))),
        FaultKind::CrashLoop { pause_ms } => Box::new(OnProcess::new(Strike::CrashLoop { pause: millis(pause_ms) })),
        FaultKind::Cut { from, direction: Direction::Both } => Box::new(OnWire { link: link(from)?, harm: Harm::Cut }),
        FaultKind::Flap { from, down_ms, up_ms } => Box::new(Flap::new(link(from)?, millis(down_ms), millis(up_ms))),
        FaultKind::Delay { link, latency_ms, .. } => Box::new(OnWire { link, harm: Harm::Slow(millis(latency_ms)) }),
        FaultKind::BlackHole { link, direction: Direction::Both } => Box::new(OnWire { link, harm: Harm::Hold }),
        FaultKind::DropReplies { link, after_ms } => Box::new(OnWire { link, harm: Harm::Mute(millis(after_ms)) }),
        FaultKind::PurgeStream => Box::new(OnStream::Purge),
        FaultKind::DeleteStream => Box::new(OnStream::Delete),
        FaultKind::DeleteConsumer => Box::new(OnStream::DeleteConsumer),
        FaultKind::ReadOnly => Box::new(Refusing(Refusal::ReadOnly)),
        FaultKind::OutOfMemory => Box::new(Refusing(Refusal::Full)),
        FaultKind::ClientKill => Box::new(ClientKill),
        other => return Err(format!("{} cannot be done to an embedded cluster", other.word())),
    })
}

fn link(peer: Peer) -> Result<Link, String> {
    match peer {
        Peer::Nats => Ok(Link::Nats),
        Peer::Redis => Ok(Link::Redis),
        Peer::Clients | Peer::All => Err("clients cannot be cut off an embedded node".to_owned()),
    }
}

/// The service that a target is, if it is no node.
fn service(name: &str) -> Option<Link> {
    [Link::Nats, Link::Redis].into_iter().find(|link| link.word() == name)
}

#[cfg(test)]
mod tests;
