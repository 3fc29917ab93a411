//! A helper container beside a target, found again by its name: whoever heals after a run that died uses the same one.
//! It stays until the run is over: the end of the faults, or of a later heal, removes all of them.

use std::time::Duration;

use super::fault::{FaultError, Target};
use super::site::Site;
use crate::cluster::OWNER;
use crate::engine::{ContainerState, Engine, HelperSpec, Inside, Status};
use crate::poll::{self, Expired};

/// What a helper runs ends within a second or two; the rest is for a busy machine.
const RUN: Duration = Duration::from_secs(15);
/// A removal takes a tenth of a second.
const GONE_WITHIN: Duration = Duration::from_secs(20);
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Which of the target's namespaces a helper works in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    /// Its network, with the right to filter packets.
    Network,
    /// Its processes, as its own user: it may do what they may do to each other.
    Processes,
    /// Both, only to look.
    Everything,
}

/// One that runs.
#[derive(Debug)]
pub(super) struct Helper {
    engine: Engine,
    id: String,
}

impl Helper {
    /// Runs a command; says what it wrote.
    ///
    /// # Errors
    /// It did not end with 0.
    pub(super) async fn run(&self, words: &[&str]) -> Result<String, FaultError> {
        let ran = self.engine.exec(&self.id, words, RUN).await?;
        if ran.code == 0 {
            return Ok(ran.output);
        }
        let (command, output) = (words.join(" "), ran.output.trim());
        Err(FaultError::Other(format!("`{command}` in a helper container ended with {}: {output}", ran.code)))
    }

    /// Nobody needs it any more.
    ///
    /// # Errors
    /// It is there and cannot be removed.
    pub(super) async fn remove(self) -> Result<(), FaultError> {
        Ok(self.engine.remove_helper(&self.id).await?)
    }

    /// Runs a command whose end with 0 is a yes, and with another number below 125 a no.
    ///
    /// # Errors
    /// It could not be run.
    pub(super) async fn asks(&self, words: &[&str]) -> Result<bool, FaultError> {
        let ran = self.engine.exec(&self.id, words, RUN).await?;
        if (125..=127).contains(&ran.code) {
            let output = ran.output.trim();
            return Err(FaultError::Other(format!("`{}` cannot be run in a helper container: {output}", words.join(" "))));
        }
        Ok(ran.code == 0)
    }
}

impl Site {
    /// The helper beside a target that runs; made if there is none yet, or only one of an earlier life of the target.
    ///
    /// # Errors
    /// The target does not run, or the helper cannot be made.
    pub(super) async fn helper(&self, target: &Target, beside: Beside) -> Result<Helper, FaultError> {
        let Some(image) = &self.cluster.helper else {
            let why = "there is no image of helper containers; it is made before a run whose plan needs it";
            return Err(FaultError::Other(why.into()));
        };
        let state = self.inspect(target).await?;
        if !has_namespaces(&state) {
            return Err(FaultError::Other(format!("{} is {}: nothing can be beside it", target.service, state.summary())));
        }
        let name = self.helper_name(target, beside);
        let made_for = format!("{} started {}", state.id, state.started_at);
        match self.engine.inspect(&name).await {
            Ok(found) if found.status == Status::Running && found.helper.as_ref() == Some(&made_for) => {
                return Ok(Helper { engine: self.engine.clone(), id: found.id });
            }
            Ok(_) => self.engine.remove_helper(&name).await?,
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
        let (inside, user, capabilities): (_, _, &[&str]) = match beside {
            Beside::Network => (Inside::Network(&state.id), None, &["NET_ADMIN", "NET_RAW"]),
            Beside::Everything => (Inside::Everything(&state.id), None, &["NET_ADMIN", "NET_RAW"]),
            Beside::Processes => (Inside::Processes(&state.id), Some(state.user.as_str()).filter(|user| !user.is_empty()), &[]),
        };
        let spec = HelperSpec {
            name: &name,
            image,
            project: &self.cluster.project,
            owner: OWNER,
            made_for: &made_for,
            inside,
            user,
            capabilities,
            volumes: &[],
        };
        let id = self.engine.start_helper(&spec).await?;
        Ok(Helper { engine: self.engine.clone(), id })
    }

    /// Removes all of the project's helpers, and looks again until there is none.
    ///
    /// # Errors
    /// One is still there; what was last seen says why.
    pub(super) async fn no_helpers(&self) -> Result<(), Expired> {
        poll::until(GONE_WITHIN, ASK_EVERY, || async {
            match self.engine.remove_helpers(&self.cluster.project).await {
                Ok(0) => Ok(()),
                Ok(some) => Err(format!("{some} were there a moment ago")),
                Err(error) => Err(error.to_string()),
            }
        })
        .await
    }

    fn helper_name(&self, target: &Target, beside: Beside) -> String {
        let purpose = match beside {
            Beside::Network => "network",
            Beside::Processes => "processes",
            Beside::Everything => "look",
        };
        format!("{}-helper-{}-{purpose}", self.cluster.project, target.service)
    }
}

/// A container that does not run has none: what was changed in them is gone with them.
pub(super) fn has_namespaces(state: &ContainerState) -> bool {
    matches!(state.status, Status::Running | Status::Paused)
}
