//! Load: the plan's open schedule, carried out by goose.
//!
//! A pacing thread hands each slot to its node's pool when its time has come ([`pacing`]); goose's users take slots
//! and send them ([`attack`]); what came back is classified by the contract ([`outcome`]). Latency counts from the
//! intended start, so a stalled node cannot hide its stall, and a slot that nobody was free to begin is recorded.

pub mod attack;
mod closed;
mod goose_options;
pub mod outcome;
mod pacing;
mod queue;
mod threads;
mod workload;

use std::sync::Arc;
use std::time::Duration;

use judge::history::Entry;
use judge::plan::Plan;
use tokio::task::JoinHandle;

use crate::cluster::Cluster;
use crate::recorder::Recorder;
pub use goose_options::GooseOptions;
pub use pacing::Stopper;
use threads::Threads;
pub use threads::priority;
use workload::Workload;

/// How long a node may take to say that it is one.
const GREETING: Duration = Duration::from_secs(3);
/// How long goose may take to start all users.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// From the moment when all users are ready to the first slot, so that no slot is late because of the start itself.
const RUN_UP: Duration = Duration::from_millis(200);
/// Added to the client timeout when the last answers are awaited.
const GRACE: Duration = Duration::from_secs(1);

/// goose looks at its switch about once a second, and then waits for each user.
const END_WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("goose refused the load: {0}")]
    Goose(String),
    #[error("only {ready} of {wanted} users were ready within {within:?}; is the machine overloaded?")]
    NotReady { ready: usize, wanted: usize, within: Duration },
    #[error("node {0} of the plan is not in the cluster")]
    UnknownNode(String),
    #[error("goose does not understand its options: {0}")]
    Options(String),
    #[error("{option} is no option that passes to goose{meant}: the plan says what is sent, and when. These pass: --{passed}")]
    OptionRefused { option: String, meant: String, passed: String },
    #[error(
        "{node} at {url} does not call itself a Catga node: {what}; nothing was loaded. Is this the right port, and is it up?"
    )]
    Stranger { node: String, url: String, what: String },
    #[error("cannot start the threads of the load: {0}")]
    Thread(#[from] std::io::Error),
}

/// What users send for a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// What the slot says.
    Orders,
    /// `GET /health`, whatever the slot says: it costs a node so little that the engine itself is what is measured.
    Health,
}

/// A load that is running.
#[derive(Debug)]
pub struct Load {
    workload: Arc<Workload>,
    epoch_us: u64,
    pacing: pacing::Pacing,
    attack: JoinHandle<Result<(), LoadError>>,
    /// What the attack runs on.
    _threads: Threads,
}

impl Load {
    /// Starts goose, waits until every user is ready, and starts the schedule.
    pub async fn start(
        plan: &Plan,
        cluster: &Cluster,
        nonce: &str,
        recorder: &Recorder,
        goose: &GooseOptions,
    ) -> Result<Self, LoadError> {
        Self::start_on(Errand::Orders, plan, cluster, nonce, recorder, goose).await
    }

    /// The same on an errand of the caller's, for measuring the engine.
    pub async fn start_on(
        errand: Errand,
        plan: &Plan,
        cluster: &Cluster,
        nonce: &str,
        recorder: &Recorder,
        goose: &GooseOptions,
    ) -> Result<Self, LoadError> {
        refuse_strangers(cluster).await?;
        let workload = Arc::new(Workload::new(errand, plan, cluster, nonce, recorder.clone())?);
        let threads = Threads::start()?;
        let mut attack = threads.spawn(attack::prepare(&workload, goose)?);
        tokio::select! {
            () = workload.all_ready() => {}
            ended = &mut attack => {
                return Err(match ended {
                    Ok(Err(error)) => error,
                    other => LoadError::Goose(format!("it ended before the load began: {other:?}")),
                });
            }
            () = tokio::time::sleep(READY_WITHIN) => {
                attack::stop("not all users were ready in time");
                return Err(LoadError::NotReady { ready: workload.ready(), wanted: workload.users(), within: READY_WITHIN });
            }
        }
        let epoch_us = recorder.now_us() + u64::try_from(RUN_UP.as_micros()).unwrap_or(0);
        let pacing = pacing::start(plan, &workload, epoch_us)?;
        Ok(Self { workload, epoch_us, pacing, attack, _threads: threads })
    }

    /// When the schedule began, on the run's clock: the plan's times count from here.
    #[must_use]
    pub fn epoch_us(&self) -> u64 {
        self.epoch_us
    }

    /// Lets the schedule be cut short while somebody waits for its end.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.pacing.stopper()
    }

    /// Waits until the schedule is over and the last answers are in, records the slots that nobody began, and ends goose.
    pub async fn finish(self) -> Result<(), LoadError> {
        let interrupted = self.pacing.ended().await;
        let deadline = self.workload.client_timeout() + GRACE;
        // On expiry the operations stay without completion, which the judge reads as `info`: nothing to report here.
        let _ = tokio::time::timeout(deadline, self.workload.idle()).await;
        self.workload.end();
        for (intended_us, node) in self.workload.drain() {
            if !interrupted {
                let t_us = self.workload.recorder.now_us();
                self.workload.recorder.write(&Entry::Unstarted { t_us, intended_us, node });
            }
        }
        attack::stop("the schedule is over");
        match tokio::time::timeout(END_WITHIN, self.attack).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => Err(LoadError::Goose(format!("its task ended abnormally: {error}"))),
            Err(_) => Err(LoadError::Goose(format!("its users did not end within {END_WITHIN:?}"))),
        }
    }
}

/// Whoever is to be loaded has to call itself a node first: a wrong port must not be flooded.
async fn refuse_strangers(cluster: &Cluster) -> Result<(), LoadError> {
    let client = crate::http::client(GREETING);
    for node in &cluster.nodes {
        let url = format!("{}/health", node.url);
        let what = match crate::http::get(&client, &url).await {
            Err(error) => format!("GET {url} was not answered: {error}"),
            Ok(reply) => match crate::wire::health::health(&reply.body) {
                Ok(_) => continue,
                Err(error) => format!("GET {url} was answered {}: {error}", reply.status),
            },
        };
        return Err(LoadError::Stranger { node: node.name.clone(), url: node.url.clone(), what });
    }
    Ok(())
}

#[cfg(test)]
mod accuracy_tests;
#[cfg(test)]
mod tests;
