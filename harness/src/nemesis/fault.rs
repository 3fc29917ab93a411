//! What every fault can do: say what it is about to change, inject, show its effect, heal, show that it is gone.
//!
//! A fault is one file under `faults/` that implements [`Fault`]. All that healing needs is in its target and in what
//! [`Fault::before`] read: both are in the journal, so that whoever finds it there can heal without the run's memory.

use std::time::Duration;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::site::Site;
use crate::engine::{EngineError, LONGEST_CALL};
use crate::poll::{self, Asked, Expired};
use crate::stores::StoreError;

/// How long an effect may take to show after the injection call returned.
const EFFECT_WITHIN: Duration = Duration::from_secs(5);
/// A container that starts has to pass its health check; Redis may load a long append-only file first.
const HEAL_WITHIN: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(50);
/// A heal call is made again after so many questions without a good answer: every two seconds.
const HEAL_AGAIN: u32 = 40;

/// A service and the container that runs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// As the plan names it: `cluster-node-2`, `nats`.
    pub service: String,
    /// Engine id.
    pub container: String,
}

/// What a fault read of its target before it changed anything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Before(serde_json::Value);

impl Before {
    /// # Errors
    /// It has no JSON, which is a mistake of the fault's author.
    pub fn of(seen: &impl Serialize) -> Result<Self, FaultError> {
        serde_json::to_value(seen).map(Self).map_err(|error| FaultError::Other(format!("cannot be kept: {error}")))
    }

    /// # Errors
    /// The journal holds something else, e.g. of another version.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, FaultError> {
        T::deserialize(&self.0).map_err(|error| FaultError::Other(format!("what was read before cannot be used: {error}")))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was tried, on what, and what came back.
    #[error("{0}")]
    Other(String),
}

/// What a probe saw: whether it is as it should be, and in which words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Yes(String),
    NotYet(String),
}

impl Seen {
    #[must_use]
    pub fn when(is_so: bool, words: impl Into<String>) -> Self {
        if is_so { Self::Yes(words.into()) } else { Self::NotYet(words.into()) }
    }
}

/// How one fault goes about its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    AtOnce,
    /// Each only when the one before is proven healed.
    InTurn,
}

/// One way to hurt a target.
///
/// Every call may be cut off in the middle by the death of the harness, so `heal` must be safe to call at any point of
/// `inject`, again, and on a target that the fault never reached. Probes look from outside the node. `S` is what the
/// fault works on: a cluster under an engine, or another.
#[async_trait]
pub trait Fault<S: Sync = Site>: std::fmt::Debug + Send + Sync {
    /// Reads what healing and proving need. Changes nothing.
    async fn before(&self, site: &S, target: &Target) -> Result<Before, FaultError>;

    /// Makes the effect. An error does not mean that there is none.
    async fn inject(&self, site: &S, target: &Target, before: &Before) -> Result<(), FaultError>;

    /// Is the effect there?
    async fn effect(&self, site: &S, target: &Target, before: &Before) -> Result<Seen, FaultError>;

    /// Takes the effect away.
    async fn heal(&self, site: &S, target: &Target, before: &Before) -> Result<(), FaultError>;

    /// Is the target as it was before, as far as this fault changed it? For what cannot be undone, the fault's own file
    /// says what healed means.
    async fn healed(&self, site: &S, target: &Target, before: &Before) -> Result<Seen, FaultError>;

    /// Works on while the fault is in force, e.g. renews what would expire; dropped when it is over. Returns only when it
    /// cannot go on, with the reason: the fault was not in force then for as long as the plan says.
    async fn keep_up(&self, _site: &S, _target: &Target, _before: &Before) -> FaultError {
        std::future::pending().await
    }

    /// Are several targets hit at once, or one after the other?
    fn order(&self) -> Order {
        Order::AtOnce
    }

    /// How long one call that injects may take before the harness gives it up, and may have its effect after that the
    /// harness has died.
    fn longest_call(&self) -> Duration {
        LONGEST_CALL
    }

    /// Are calls that hurt made after `inject` has returned, by [`Fault::keep_up`] or by what was injected? If so, one may
    /// be on its way whenever the harness dies, and whoever heals goes on looking for [`Fault::longest_call`].
    fn works_on(&self) -> bool {
        true
    }

    /// What a person types to take the effect away.
    fn by_hand(&self, target: &Target) -> String {
        format!("docker inspect {}", target.container)
    }

    /// Must the effect show all the time while it is in force? Not where it comes and goes.
    fn is_steady(&self) -> bool {
        true
    }
}

/// A fault in force on one target, or one that may be.
#[derive(Debug)]
pub struct Hit<S: Sync = Site> {
    pub fault: Box<dyn Fault<S>>,
    pub target: Target,
    pub before: Before,
}

impl<S: Sync> Hit<S> {
    /// # Errors
    /// As [`Fault::inject`].
    pub async fn inject(&self, site: &S) -> Result<(), FaultError> {
        self.fault.inject(site, &self.target, &self.before).await
    }

    /// Asks until the effect shows; says what showed it.
    ///
    /// # Errors
    /// It did not show in time.
    pub async fn prove_effect(&self, site: &S) -> Result<String, Expired> {
        poll::until(EFFECT_WITHIN, ASK_EVERY, || async { asked(self.fault.effect(site, &self.target, &self.before).await) }).await
    }

    /// Does the effect still show?
    ///
    /// # Errors
    /// What was seen instead.
    pub async fn still_shows(&self, site: &S) -> Result<(), String> {
        match self.fault.effect(site, &self.target, &self.before).await {
            // A probe that fails says nothing about the fault.
            Ok(Seen::Yes(_)) | Err(_) => Ok(()),
            Ok(Seen::NotYet(seen)) => Err(seen),
        }
    }

    /// # Errors
    /// As [`Fault::heal`].
    pub async fn heal(&self, site: &S) -> Result<(), FaultError> {
        self.fault.heal(site, &self.target, &self.before).await
    }

    /// Asks until the target is as it was; what stays broken is healed again from time to time.
    ///
    /// # Errors
    /// It was not healed in time.
    pub async fn heal_until_proven(&self, site: &S) -> Result<String, Expired> {
        let mut count = 0_u32;
        poll::until(HEAL_WITHIN, ASK_EVERY, || {
            count += 1;
            let again = count.is_multiple_of(HEAL_AGAIN);
            async move {
                let seen = asked(self.fault.healed(site, &self.target, &self.before).await);
                if again && let Err(seen) = &seen {
                    self.heal(site).await.map_err(|error| format!("{seen}; {error}"))?;
                }
                seen
            }
        })
        .await
    }
}

fn asked(seen: Result<Seen, FaultError>) -> Asked<String> {
    match seen {
        Ok(Seen::Yes(words)) => Ok(words),
        Ok(Seen::NotYet(words)) => Err(words),
        Err(error) => Err(error.to_string()),
    }
}
