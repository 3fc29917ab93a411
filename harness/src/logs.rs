//! Follows every container's output into `logs/<service>.log` from the start: the engine rotates its own copy away.

mod digest;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use judge::history::Entry;
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::engine::{Engine, LogLine, Status};
use crate::recorder::Recorder;

/// How often a container that is down is asked whether it runs again.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// At the end, a log that has been silent for this long is taken as complete.
const SILENCE: Duration = Duration::from_millis(300);
/// Then the rest of the logs is given up.
const ALL_WITHIN: Duration = Duration::from_secs(5);
const FLUSH_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub struct Logs {
    /// Each ends with its service's name.
    followers: JoinSet<String>,
    over: watch::Sender<bool>,
    folder: PathBuf,
    services: Vec<String>,
}

impl Logs {
    /// Starts one follower per service.
    #[must_use]
    pub fn follow(cluster: &Cluster, engine: &Engine, folder: &Path) -> Self {
        let over = watch::Sender::new(false);
        let mut followers = JoinSet::new();
        for (service, container) in &cluster.containers {
            let follower = Follower {
                engine: engine.clone(),
                container: container.clone(),
                path: folder.join(format!("{service}.log")),
                over: over.subscribe(),
                last: String::new(),
            };
            let service = service.clone();
            followers.spawn(async move {
                follower.run().await;
                service
            });
        }
        Self { followers, over, folder: folder.to_owned(), services: cluster.containers.keys().cloned().collect() }
    }

    /// Writes what has come until now, ends, and writes down what the logs tell of the run with this nonce.
    pub async fn stop(mut self, recorder: &Recorder, nonce: &str) {
        self.over.send_replace(true);
        let mut complete = BTreeSet::new();
        let all = async {
            while let Some(ended) = self.followers.join_next().await {
                complete.extend(ended.ok());
            }
        };
        // On expiry the followers are cut off where they are; what they wrote stays.
        let _ = tokio::time::timeout(ALL_WITHIN, all).await;
        self.followers.abort_all();
        tell(&self.folder, self.services, &complete, recorder, nonce).await;
    }
}

/// Writes down what the services' logs in a folder tell of the run with this nonce. Those that are `complete` lack no line.
pub async fn tell(folder: &Path, services: Vec<String>, complete: &BTreeSet<String>, recorder: &Recorder, nonce: &str) {
    let (folder, nonce) = (folder.to_owned(), nonce.to_owned());
    let digests = tokio::task::spawn_blocking(move || {
        let digest = |service: &String| digest::digest(&folder.join(format!("{service}.log")), service, &nonce);
        services.iter().map(digest).collect::<Vec<_>>()
    });
    // A log that cannot be read is missing from the history, too.
    for mut log in digests.await.unwrap_or_default().into_iter().flatten() {
        log.t_us = recorder.now_us();
        log.complete = complete.contains(&log.service);
        recorder.write(&Entry::Log(log));
    }
}

struct Follower {
    engine: Engine,
    container: String,
    path: PathBuf,
    over: watch::Receiver<bool>,
    /// Time of the last line written; what is older was written before the container restarted.
    last: String,
}

impl Follower {
    async fn run(mut self) {
        // A log that cannot be written is missing from the run folder for all to see; the run goes on.
        let Ok(file) = File::create(&self.path).await else {
            return;
        };
        let mut out = BufWriter::new(file);
        loop {
            self.copy(&mut out).await;
            let _ = out.flush().await;
            if *self.over.borrow() || !self.runs_again().await {
                return;
            }
            // An engine that refuses to follow is not asked in a tight loop.
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// Copies lines until the container stops, or the run is over and the log silent.
    async fn copy(&mut self, out: &mut BufWriter<File>) {
        let mut lines = std::pin::pin!(self.engine.follow_logs(&self.container, &self.last));
        let mut flush = tokio::time::interval(FLUSH_EVERY);
        let mut over = self.over.clone();
        loop {
            let ending = *over.borrow();
            tokio::select! {
                line = lines.next() => {
                    let Some(Ok(LogLine { at, text })) = line else { return };
                    if at > self.last {
                        self.last = at;
                        let _ = out.write_all(&text).await;
                    }
                }
                () = tokio::time::sleep(SILENCE), if ending => return,
                _ = over.changed(), if !ending => {}
                _ = flush.tick() => { let _ = out.flush().await; }
            }
        }
    }

    /// `false` if the run is over, or the container gone, before it runs again.
    async fn runs_again(&mut self) -> bool {
        loop {
            match self.engine.inspect(&self.container).await {
                Ok(state) if matches!(state.status, Status::Running | Status::Paused) => {
                    return true;
                }
                Err(error) if error.is_not_found() => return false,
                _ => {}
            }
            tokio::select! {
                () = tokio::time::sleep(ASK_AGAIN) => {}
                _ = self.over.wait_for(|over| *over) => return false,
            }
        }
    }
}
