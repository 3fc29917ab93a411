//! What every kind of fault can do: inject, show its effect, heal, show that it is gone.

use std::time::Duration;

use judge::plan::FaultKind;

use super::{kill, pause, restart, stop};
use crate::engine::{ContainerState, Engine, EngineError, Status};
use crate::poll::{self, Asked, Expired};

/// How long an effect may take to show after the injection call returned.
const EFFECT_WITHIN: Duration = Duration::from_secs(3);
/// A container that starts has to pass its health check; Redis may load a long append-only file first.
const HEAL_WITHIN: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(50);
/// A heal call that failed is made again after so many questions: every two seconds.
const HEAL_AGAIN: u32 = 40;

/// A service and the container that runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub service: String,
    pub container: String,
}

/// A fault that may be in force, and the container as it was before.
#[derive(Debug, Clone)]
#[must_use = "a fault has to be healed"]
pub struct Effect {
    pub kind: FaultKind,
    pub before: ContainerState,
}

/// # Errors
/// What the engine said; the fault may be in force all the same.
pub async fn inject(kind: FaultKind, engine: &Engine, target: &Target) -> Result<(), EngineError> {
    match kind {
        FaultKind::Stop => stop::inject(engine, target).await,
        FaultKind::Kill => kill::inject(engine, target).await,
        FaultKind::Pause => pause::inject(engine, target).await,
        FaultKind::Restart => restart::inject(engine, target).await,
    }
}

/// Does the container look as the fault leaves it?
#[must_use]
pub fn is_shown(effect: &Effect, now: &ContainerState) -> bool {
    match effect.kind {
        FaultKind::Stop => stop::shown(now),
        FaultKind::Kill => kill::shown(now),
        FaultKind::Pause => pause::shown(now),
        FaultKind::Restart => restart::shown(&effect.before, now),
    }
}

/// Asks the engine until the effect shows; says what showed it.
pub async fn prove_effect(effect: &Effect, engine: &Engine, target: &Target) -> Result<String, Expired> {
    poll::until(EFFECT_WITHIN, ASK_EVERY, || async {
        let state = engine.inspect(&target.container).await.map_err(|error| error.to_string())?;
        if is_shown(effect, &state) { Asked::Ok(describe(&state)) } else { Err(describe(&state)) }
    })
    .await
}

/// Safe to call again, and on a container that the fault never reached.
///
/// # Errors
/// What the engine said.
pub async fn heal(kind: FaultKind, engine: &Engine, target: &Target) -> Result<(), EngineError> {
    match kind {
        FaultKind::Stop => stop::heal(engine, target).await,
        FaultKind::Kill => kill::heal(engine, target).await,
        FaultKind::Pause => pause::heal(engine, target).await,
        FaultKind::Restart => restart::heal(engine, target).await,
    }
}

/// Asks the engine until the container runs and passes its health check, if it has one: the state in which every
/// fault of this room leaves a container once it is healed. Where it does not even run, it is healed again.
pub async fn heal_until_proven(kind: FaultKind, engine: &Engine, target: &Target) -> Result<String, Expired> {
    let mut asked = 0_u32;
    poll::until(HEAL_WITHIN, ASK_EVERY, || {
        asked += 1;
        let again = asked.is_multiple_of(HEAL_AGAIN);
        async move {
            let state = engine.inspect(&target.container).await.map_err(|error| error.to_string())?;
            if state.is_healthy() {
                return Asked::Ok(describe(&state));
            }
            if again && state.status != Status::Running {
                heal(kind, engine, target).await.map_err(|error| format!("{}; {error}", describe(&state)))?;
            }
            Err(describe(&state))
        }
    })
    .await
}

fn describe(state: &ContainerState) -> String {
    let health = state.health.map(|health| format!(", {health:?}")).unwrap_or_default();
    format!("{:?}{health}, pid {}, exit code {}, started {}", state.status, state.pid, state.exit_code, state.started_at)
}
