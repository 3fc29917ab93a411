//! What the users of one load share: the pools of slots, the recorder, and the counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use judge::history::{Complete, Entry, Invoke};
use judge::plan::{Plan, Slot};
use tokio::sync::{Mutex, mpsc, watch};

use super::LoadError;
use super::closed::Closed;
use super::outcome::{self, Verdict};
use crate::cluster::Cluster;
use crate::recorder::Recorder;

/// Operations so far.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    invoked: u64,
    completed: u64,
}

#[derive(Debug)]
pub(super) struct Workload {
    pub(super) recorder: Recorder,
    pub(super) pools: Vec<Pool>,
    nonce: String,
    processes_per_node: usize,
    client_timeout: Duration,
    ready: watch::Sender<usize>,
    ops: AtomicU64,
    offered: AtomicU64,
    over: watch::Sender<bool>,
    /// In the closed model: what there is to do next.
    closed: Option<Closed>,
    processes: AtomicUsize,
    tally: watch::Sender<Tally>,
}

/// The slots of one node whose time has come, and the client that its users share.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) node: String,
    pub(super) url: String,
    pub(super) client: reqwest::Client,
    queue: mpsc::UnboundedSender<Due>,
    due: Mutex<mpsc::UnboundedReceiver<Due>>,
    /// In the closed model: so many of its users are at work.
    at_work: usize,
    joined: AtomicUsize,
}

/// A user's place in the load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seat {
    /// Its number as a process of the history.
    pub(super) process: u32,
    /// Its number in its pool.
    in_pool: usize,
}

/// A slot on the run's clock.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) intended_us: u64,
    pub(super) slot: Slot,
}

impl Workload {
    pub(super) fn new(plan: &Plan, cluster: &Cluster, nonce: &str, recorder: Recorder) -> Result<Self, LoadError> {
        let client_timeout = Duration::from_millis(plan.load.client_timeout_ms);
        let urls: BTreeMap<&str, &str> = cluster.nodes.iter().map(|n| (n.name.as_str(), n.url.as_str())).collect();
        let mut pools = plan
            .roster
            .iter()
            .map(|node| {
                let url = urls.get(node.as_str()).ok_or_else(|| LoadError::UnknownNode(node.clone()))?;
                let (queue, due) = mpsc::unbounded_channel();
                Ok(Pool {
                    node: node.clone(),
                    url: (*url).to_owned(),
                    client: crate::http::client(client_timeout),
                    queue,
                    due: Mutex::new(due),
                    at_work: 0,
                    joined: AtomicUsize::new(0),
                })
            })
            .collect::<Result<Vec<Pool>, LoadError>>()?;
        let closed = Closed::of(plan);
        if closed.is_some() {
            for (pool, users) in pools.iter_mut().zip(plan.load.users_by_node(plan.roster.len())) {
                pool.at_work = users as usize;
            }
        }
        Ok(Self {
            recorder,
            pools,
            nonce: nonce.to_owned(),
            processes_per_node: plan.load.processes_per_node as usize,
            client_timeout,
            ready: watch::Sender::new(0),
            ops: AtomicU64::new(0),
            offered: AtomicU64::new(0),
            over: watch::Sender::new(false),
            closed,
            processes: AtomicUsize::new(0),
            tally: watch::Sender::new(Tally::default()),
        })
    }

    pub(super) fn users(&self) -> usize {
        self.processes_per_node * self.pools.len()
    }

    pub(super) fn ready(&self) -> usize {
        *self.ready.borrow()
    }

    /// A user reports itself.
    pub(super) fn arrive(&self, pool: &Pool) -> Seat {
        let process = u32::try_from(self.processes.fetch_add(1, Ordering::Relaxed)).unwrap_or(u32::MAX);
        let in_pool = pool.joined.fetch_add(1, Ordering::Relaxed);
        self.ready.send_modify(|ready| *ready += 1);
        Seat { process, in_pool }
    }

    /// In the closed model: from now on users go to work.
    pub(super) fn begin(&self) {
        if let Some(closed) = &self.closed {
            closed.begun.send_replace(true);
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    pub(super) async fn all_ready(&self) {
        let wanted = self.users();
        // The sender lives in `self`, so the channel cannot close while we wait.
        let _ = self.ready.subscribe().wait_for(|ready| *ready >= wanted).await;
    }

    pub(super) fn client_timeout(&self) -> Duration {
        self.client_timeout
    }

    /// Hands a slot to the pool of its node.
    pub(super) fn offer(&self, due: Due) {
        if let Some(pool) = self.pools.get(due.slot.node) {
            self.offered.fetch_add(1, Ordering::Relaxed);
            // The receiver lives in the same struct, so the send cannot fail.
            let _ = pool.queue.send(due);
        }
    }

    /// The next slot of `pool`; `None` once the load is over.
    pub(super) async fn take(&self, pool: &Pool, seat: Seat, is_first: bool) -> Option<Due> {
        let mut over = self.over.subscribe();
        let next = async {
            let Some(closed) = &self.closed else { return pool.due.lock().await.recv().await };
            if seat.in_pool >= pool.at_work {
                return std::future::pending().await;
            }
            // The first thought has not begun with an answer: users come in one after the other.
            let part = if is_first { f64::from(seat.process) / self.users().max(1) as f64 } else { 1.0 };
            let slot = closed.next(part).await?;
            self.offered.fetch_add(1, Ordering::Relaxed);
            Some(Due { intended_us: self.recorder.now_us(), slot })
        };
        tokio::select! {
            biased;
            _ = over.wait_for(|over| *over) => None,
            due = next => due,
        }
    }

    /// Until every slot offered has been begun and has ended.
    pub(super) async fn idle(&self) {
        let mut tally = self.tally.subscribe();
        let offered = || self.offered.load(Ordering::Relaxed);
        let _ = tally.wait_for(|tally| tally.invoked == offered() && tally.completed == tally.invoked).await;
    }

    /// From now on users get no more slots.
    pub(super) fn end(&self) {
        self.over.send_replace(true);
    }

    /// Takes back the slots that nobody began: their intended starts and nodes.
    pub(super) fn drain(&self) -> Vec<(u64, String)> {
        let mut left = Vec::new();
        for pool in &self.pools {
            // Users hold this lock only while they wait for a slot, and then there is none to take back.
            if let Ok(mut due) = pool.due.try_lock() {
                while let Ok(slot) = due.try_recv() {
                    left.push((slot.intended_us, pool.node.clone()));
                }
            }
        }
        left
    }

    /// Writes down that `due` is about to be sent.
    pub(super) fn invoke(&self, pool: &Pool, due: &Due, process: u32) -> Invoke {
        let invoke = Invoke {
            t_us: self.recorder.now_us(),
            op: self.ops.fetch_add(1, Ordering::Relaxed),
            process,
            node: pool.node.clone(),
            intended_us: due.intended_us,
            order_id: format!("{}-{}", self.nonce, due.slot.order),
            customer_id: format!("{}-{}", self.nonce, due.slot.customer_id),
            amount_minor: due.slot.amount_minor,
            kind: due.slot.kind,
        };
        self.tally.send_modify(|tally| tally.invoked += 1);
        self.recorder.write_through(&Entry::Invoke(invoke.clone()));
        invoke
    }

    pub(super) fn complete(&self, op: u64, verdict: Verdict) {
        let Verdict { outcome, status, replayed, answer, applied, error } = verdict;
        let t_us = self.recorder.now_us();
        self.recorder.write(&Entry::Complete(Complete { t_us, op, outcome, status, replayed, answer, applied, error }));
        self.tally.send_modify(|tally| tally.completed += 1);
    }

    pub(super) fn body(invoke: &Invoke, bytes: u32) -> Vec<u8> {
        outcome::request_body(&invoke.order_id, &invoke.customer_id, invoke.amount_minor, bytes)
    }
}
