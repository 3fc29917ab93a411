//! The lock on a node's name: a lease in the store, renewed for as long as the process lives.

use std::sync::Arc;
use std::time::Duration;

use super::name::hostname;
use crate::core::Core;
use crate::ports::{Clock, Hold, Ports, Rng, Store};
use crate::state::Phase;

/// How often the lock is asked for while it is not ours.
const POLL: Duration = Duration::from_millis(250);

/// Longest time between two renewals. Each goes with a trial write, and health has to be true within two seconds.
const RENEW: Duration = Duration::from_secs(1);

/// Another live process has this node's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("node id {node} is held by another live process ({holder}); stop it, or give this one another CATGA_NODE_ID")]
pub struct IdentityLost {
    pub node: String,
    pub holder: String,
}

/// What tells this process from others that could bear the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub name: String,
    pub token: String,
}

impl Instance {
    /// Process 1 of a container is the only one of that container, so a restarted one takes over from itself at once.
    pub fn of_this_process(rng: &impl Rng) -> Self {
        let (host, process) = (hostname().unwrap_or_default(), std::process::id());
        let token = fresh_token(rng);
        let name = if process == 1 { format!("{host}/1") } else { format!("{host}/{process}/{token}") };
        Self { name, token }
    }

    /// One of several in a process, each the only one of its name: a successor takes over at once, as in a container.
    pub fn named(name: &str, rng: &impl Rng) -> Self {
        Self { name: name.to_owned(), token: fresh_token(rng) }
    }
}

fn fresh_token(rng: &impl Rng) -> String {
    format!("{:016x}", rng.next_u64())
}

/// Takes the node's name and keeps it, until draining begins; serving starts when it is held. Ends with an error
/// when another live process has it.
pub async fn hold_identity<P: Ports>(core: Arc<Core<P>>, instance: Instance) -> Result<(), IdentityLost> {
    let lease = core.settings.identity_lease;
    let mut store = core.store.link();
    let mut theirs_since: Option<Duration> = None;
    let mut replaced = 0;
    loop {
        let held = core.store.hold(&instance.name, &instance.token).await;
        match &held {
            Ok(Hold::Replaced { token }) if core.life.phase() == Phase::Serving => {
                tracing::warn!(node = %core.node, instance = %instance.name, "another process of this instance had taken the node's name");
                replaced += 1;
                // One that takes the name back again and again is no predecessor, but alive beside us. It sees the same of
                // us, and only one of the two may end.
                if replaced > 1 && instance.token < *token {
                    let _ = core.store.release(&instance.token).await;
                    let holder = format!("{}, as this one calls itself", instance.name);
                    return Err(IdentityLost { node: core.node.to_string(), holder });
                }
            }
            _ => replaced = 0,
        }
        let pause = match held {
            Ok(Hold::Ours | Hold::Replaced { .. }) => {
                if core.life.phase() == Phase::Starting {
                    tracing::info!(node = %core.node, instance = %instance.name, "the node's name is held");
                }
                theirs_since = None;
                core.life.enter(Phase::Serving);
                let refused = core.note_write(&core.store.try_write().await);
                if refused { POLL } else { (lease / 3).min(RENEW) }
            }
            // Once we have served, a holder that is not us is proof that we were taken for dead.
            Ok(Hold::Theirs(holder)) if core.life.phase() != Phase::Starting => {
                return Err(IdentityLost { node: core.node.to_string(), holder });
            }
            Ok(Hold::Theirs(holder)) => {
                let since = *theirs_since.get_or_insert_with(|| {
                    tracing::warn!(node = %core.node, %holder, "another process has the node's name; waiting for its lease to end");
                    core.clock.elapsed()
                });
                // A dead holder's lease ends in this time; one that is still there is alive.
                if core.clock.elapsed() > since + lease + lease / 4 {
                    return Err(IdentityLost { node: core.node.to_string(), holder });
                }
                POLL
            }
            // Unknown, so nothing is concluded from it: the lease may even have ended meanwhile.
            Err(error) => {
                tracing::debug!(%error, "the node's name could not be asked for");
                core.note_write(&Err(error));
                theirs_since = None;
                POLL
            }
        };
        tokio::select! {
            biased;
            () = core.life.reached(Phase::Draining) => return Ok(()),
            // A node that starts before its store need not wait for the next poll.
            _ = store.wait_up(), if core.life.phase() == Phase::Starting && !store.is_up() => {}
            () = core.clock.sleep(pause) => {}
        }
    }
}
