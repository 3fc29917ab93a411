//! Continuous observation of a cluster while it is loaded and broken: one task for each thing that is observed.
//!
//! An observer survives any outage of what it observes, says that it is blind, and comes back within a fraction of a
//! second. It judges nothing. What is *not* observed: what a node does between two looks, except through its feed,
//! which misses nothing since it resumes where it broke.

mod blindness;
mod confirm;
mod counters;
mod feed;
mod health;
mod outbox;
mod stream;
mod usage;

use std::time::Duration;

use judge::history::{Entry, Sample};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout_at};

use crate::cluster::Cluster;
use crate::engine::Engine;
use crate::recorder::Recorder;
use crate::stores::{JetStream, Redis, StoreError};

/// How long all feeds may take to connect at the start.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long observers may take to end; each of their steps has a shorter deadline of its own.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How long a store may take to answer an observer.
const STORE_PATIENCE: Duration = Duration::from_secs(1);

/// Observation could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    #[error("connecting to the event feeds of all nodes within {within:?}: {missing}")]
    Feeds { within: Duration, missing: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The running observers of one cluster.
#[derive(Debug)]
pub struct Observers {
    stop: watch::Sender<bool>,
    tasks: Vec<(String, JoinHandle<()>)>,
    recorder: Recorder,
}

/// What every observer is given.
#[derive(Debug, Clone)]
struct Post {
    recorder: Recorder,
    /// Ids of this run begin with it.
    nonce: String,
    stop: watch::Receiver<bool>,
}

impl Observers {
    /// Starts all observers, and returns when every node's event feed is connected, so that no order of the load can
    /// be missed.
    ///
    /// # Errors
    /// A feed did not connect within ten seconds (the text says which, and what it met), or an address is none.
    pub async fn start(cluster: &Cluster, recorder: Recorder, nonce: String) -> Result<Self, ObserveError> {
        let redis = Redis::of(cluster, STORE_PATIENCE)?;
        let jetstream = JetStream::of(cluster, STORE_PATIENCE).await?;
        let (stop, stopped) = watch::channel(false);
        let post = Post { recorder: recorder.clone(), nonce, stop: stopped };
        let mut observers = Self { stop, tasks: Vec::new(), recorder };
        let mut connected = Vec::new();
        for node in &cluster.nodes {
            let (status, feed) = watch::channel(FirstConnection::Waiting("nothing yet".to_owned()));
            connected.push((node.name.clone(), feed));
            observers.add(format!("feed {}", node.name), feed::observe(node.clone(), post.clone(), status));
            observers.add(format!("health {}", node.name), health::observe(node.clone(), post.clone()));
            observers.add(format!("counters {}", node.name), counters::observe(node.clone(), post.clone()));
        }
        observers.add("outbox".to_owned(), outbox::observe(redis, post.clone()));
        observers.add("stream".to_owned(), stream::observe(jetstream, post));
        match all_connected(connected).await {
            Ok(()) => Ok(observers),
            Err(error) => {
                observers.stop().await;
                Err(error)
            }
        }
    }

    /// From now on, what the services take is recorded, too; `engine`: `None` where they are in this process.
    pub fn watch_usage(&mut self, cluster: &Cluster, engine: Option<&Engine>) {
        let post = Post { recorder: self.recorder.clone(), nonce: String::new(), stop: self.stop.subscribe() };
        match engine {
            Some(engine) => {
                for (service, container) in &cluster.containers {
                    let observed = usage::observe_container(engine.clone(), service.clone(), container.clone(), post.clone());
                    self.add(format!("usage of {service}"), observed);
                }
            }
            None => self.add("usage".to_owned(), usage::observe_process(post)),
        }
    }

    /// Ends all observers; each takes its last look first, but for those of what services take. One that crashed or hangs is written down as trouble.
    pub async fn stop(self) {
        // Fails only when every observer has ended already.
        let _ = self.stop.send(true);
        let deadline = tokio::time::Instant::now() + STOP_WITHIN;
        for (name, mut task) in self.tasks {
            let trouble = match timeout_at(deadline, &mut task).await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => format!("observer {name} crashed: {error}"),
                Err(_) => {
                    task.abort();
                    format!("observer {name} did not end within {STOP_WITHIN:?}")
                }
            };
            self.recorder.write(&Entry::Trouble { t_us: self.recorder.now_us(), what: trouble });
        }
    }

    fn add(&mut self, name: String, observer: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push((name, tokio::spawn(observer)));
    }
}

impl Post {
    /// The moments at which an observer looks; those that a slow look missed are not made up for.
    fn ticks(&self, period: Duration) -> Ticks {
        let mut interval = interval(period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Ticks { interval, stop: self.stop.clone() }
    }

    fn blind(&self, observer: &str, error: &impl ToString) {
        blind(&self.recorder, observer, error);
    }
}

#[derive(Debug)]
struct Ticks {
    interval: Interval,
    stop: watch::Receiver<bool>,
}

impl Ticks {
    /// Waits for the next moment to look; `false` when observation ends. A look under way is finished, unless its observer
    /// says otherwise: each has deadlines of its own.
    async fn next(&mut self) -> bool {
        tokio::select! {
            biased;
            () = stopped(&mut self.stop) => false,
            _ = self.interval.tick() => true,
        }
    }
}

fn blind(recorder: &Recorder, observer: &str, error: &impl ToString) {
    recorder.sample(&Sample::Blind { t_us: recorder.now_us(), observer: observer.to_owned(), error: error.to_string() });
}

/// Resolves when observation ends, also when whoever started it is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// How far a feed has come with its first connection.
#[derive(Debug)]
enum FirstConnection {
    /// Not there yet; what stood in the way last.
    Waiting(String),
    Connected,
}

async fn all_connected(feeds: Vec<(String, watch::Receiver<FirstConnection>)>) -> Result<(), ObserveError> {
    let deadline = tokio::time::Instant::now() + CONNECT_WITHIN;
    let mut missing = Vec::new();
    for (name, mut feed) in feeds {
        // An error here is a deadline or a feed that crashed; the feed's last word tells which is missing, and why.
        let _ = timeout_at(deadline, feed.wait_for(|first| matches!(first, FirstConnection::Connected))).await;
        if let FirstConnection::Waiting(obstacle) = &*feed.borrow() {
            missing.push(format!("{name}: {obstacle}"));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(ObserveError::Feeds { within: CONNECT_WITHIN, missing: missing.join("; ") })
}
