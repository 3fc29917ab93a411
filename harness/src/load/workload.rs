//! What the users of one load share: the pools of slots, the recorder, and the counts.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use judge::history::{Complete, Entry, Invoke};
use judge::plan::{Plan, Slot};
use tokio::sync::{Notify, watch};

use super::closed::Closed;
use super::outcome::{self, Verdict};
use super::queue::Queue;
use super::{Errand, LoadError};
use crate::cluster::Cluster;
use crate::recorder::Recorder;

#[derive(Debug)]
pub(super) struct Workload {
    pub(super) recorder: Recorder,
    pub(super) pools: Vec<Pool>,
    pub(super) errand: Errand,
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
    completed: AtomicU64,
    /// Told whenever all that was offered has been completed.
    rest: Notify,
}

/// The slots of one node whose time has come, and the client that its users share.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) node: String,
    pub(super) url: String,
    pub(super) client: reqwest::Client,
    due: Queue,
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
    pub(super) fn new(
        errand: Errand,
        plan: &Plan,
        cluster: &Cluster,
        nonce: &str,
        recorder: Recorder,
    ) -> Result<Self, LoadError> {
        let client_timeout = Duration::from_millis(plan.load.client_timeout_ms);
        let urls: BTreeMap<&str, &str> = cluster.nodes.iter().map(|n| (n.name.as_str(), n.url.as_str())).collect();
        let mut pools = plan
            .roster
            .iter()
            .map(|node| {
                let url = urls.get(node.as_str()).ok_or_else(|| LoadError::UnknownNode(node.clone()))?;
                Ok(Pool {
                    node: node.clone(),
                    url: (*url).to_owned(),
                    client: crate::http::client(client_timeout),
                    due: Queue::new(),
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
            errand,
            nonce: nonce.to_owned(),
            processes_per_node: plan.load.processes_per_node as usize,
            client_timeout,
            ready: watch::Sender::new(0),
            ops: AtomicU64::new(0),
            offered: AtomicU64::new(0),
            over: watch::Sender::new(false),
            closed,
            processes: AtomicUsize::new(0),
            completed: AtomicU64::new(0),
            rest: Notify::new(),
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
            self.offered.fetch_add(1, Ordering::SeqCst);
            pool.due.push(due);
        }
    }

    /// The next slot of `pool`; `None` once the load is over.
    pub(super) async fn take(&self, pool: &Pool, seat: Seat, is_first: bool) -> Option<Due> {
        let Some(closed) = &self.closed else { return pool.due.next().await };
        let mut over = self.over.subscribe();
        let next = async {
            if seat.in_pool >= pool.at_work {
                return std::future::pending().await;
            }
            // The first thought has not begun with an answer: users come in one after the other.
            let part = if is_first { f64::from(seat.process) / self.users().max(1) as f64 } else { 1.0 };
            let slot = closed.next(part).await?;
            self.offered.fetch_add(1, Ordering::SeqCst);
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
        loop {
            // Made before it is looked, so that what ends in between is not missed.
            let mut told = pin!(self.rest.notified());
            told.as_mut().enable();
            if self.is_at_rest() {
                return;
            }
            told.await;
        }
    }

    fn is_at_rest(&self) -> bool {
        self.completed.load(Ordering::SeqCst) >= self.offered.load(Ordering::SeqCst)
    }

    /// From now on users get no more slots.
    pub(super) fn end(&self) {
        self.over.send_replace(true);
        self.pools.iter().for_each(|pool| pool.due.close());
    }

    /// Takes back the slots that nobody began: their intended starts and nodes.
    pub(super) fn drain(&self) -> Vec<(u64, String)> {
        let of = |pool: &Pool| pool.due.drain().into_iter().map(|due| (due.intended_us, pool.node.clone())).collect::<Vec<_>>();
        self.pools.iter().flat_map(of).collect()
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
        self.recorder.write_through(&Entry::Invoke(invoke.clone()));
        invoke
    }

    pub(super) fn complete(&self, op: u64, verdict: Verdict) {
        let Verdict { outcome, status, replayed, answer, applied, error } = verdict;
        let t_us = self.recorder.now_us();
        self.recorder.write(&Entry::Complete(Complete { t_us, op, outcome, status, replayed, answer, applied, error }));
        self.completed.fetch_add(1, Ordering::SeqCst);
        if self.is_at_rest() {
            self.rest.notify_waiters();
        }
    }

    pub(super) fn body(invoke: &Invoke, bytes: u32) -> Vec<u8> {
        outcome::request_body(&invoke.order_id, &invoke.customer_id, invoke.amount_minor, bytes)
    }
}
