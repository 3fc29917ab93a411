//! One file per fault.

mod client_kill;
mod delete_consumer;
mod delete_stream;
mod kill;
mod out_of_memory;
mod pause;
mod process;
mod purge_stream;
mod read_only;
mod refusing;
mod restart;
mod script_flush;
mod slow_script;
mod stop;
mod stream;

use std::time::Duration;

use judge::plan::FaultKind;

use super::fault::Fault;

/// The one that carries out a kind.
///
/// # Errors
/// The kind is known to plans and not yet to this nemesis.
pub(super) fn of(kind: FaultKind) -> Result<Box<dyn Fault>, String> {
    Ok(match kind {
        FaultKind::Stop => Box::new(stop::Stop),
        FaultKind::Kill => Box::new(kill::Kill),
        FaultKind::Pause => Box::new(pause::Pause),
        FaultKind::Restart => Box::new(restart::Restart),
        FaultKind::PurgeStream => Box::new(purge_stream::PurgeStream),
        FaultKind::DeleteStream => Box::new(delete_stream::DeleteStream),
        FaultKind::DeleteConsumer => Box::new(delete_consumer::DeleteConsumer),
        FaultKind::ReadOnly => Box::new(read_only::READ_ONLY),
        FaultKind::OutOfMemory => Box::new(out_of_memory::OUT_OF_MEMORY),
        FaultKind::ClientKill => Box::new(client_kill::ClientKill),
        FaultKind::ScriptFlush => Box::new(script_flush::ScriptFlush),
        FaultKind::SlowScript { length_ms } => Box::new(slow_script::SlowScript { length: Duration::from_millis(length_ms) }),
        other => return Err(format!("the fault {} is not built yet", other.word())),
    })
}
