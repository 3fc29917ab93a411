//! One file per fault.

mod kill;
mod pause;
mod process;
mod restart;
mod stop;

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
        other => return Err(format!("the fault {} is not built yet", other.word())),
    })
}
