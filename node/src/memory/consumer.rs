//! A node's durable place in the stream: what was delivered, what waits for its acknowledgement, and the floor.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::log::{Log, Message};

/// Deliveries that may wait for their acknowledgement at once; redeliveries go on beyond it.
const MAX_ACK_PENDING: usize = 4096;

/// A delivery of the message at a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delivered {
    pub(super) sequence: u64,
    pub(super) settles_from: u64,
    pub(super) attempt: u64,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    attempt: u64,
    /// When it is delivered again, by the clock's measure.
    again_at: Duration,
}

/// A durable consumer.
#[derive(Debug, Clone)]
pub(super) struct Consumer {
    /// Tells it from others of its name.
    pub(super) number: u64,
    ack_wait: Duration,
    /// The first sequence that was never delivered.
    next: u64,
    pending: BTreeMap<u64, Pending>,
    by_time: BTreeSet<(Duration, u64)>,
    floor: u64,
}

impl Consumer {
    /// A consumer that begins at a sequence of this stream.
    pub(super) fn new(number: u64, ack_wait: Duration, from: u64, log: &Log) -> Self {
        let next = from.clamp(1, log.last + 1).max(log.first);
        Self { number, ack_wait, next, pending: BTreeMap::new(), by_time: BTreeSet::new(), floor: 0 }
    }

    /// All up to here is acknowledged; 0 before the first acknowledgement, wherever it began.
    pub(super) fn ack_floor(&self) -> u64 {
        self.floor
    }

    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Of those that wait for their acknowledgement: delivered more than once.
    pub(super) fn redelivered(&self) -> usize {
        self.pending.values().filter(|pending| pending.attempt > 1).count()
    }

    /// The last sequence that was delivered for the first time.
    pub(super) fn delivered(&self) -> u64 {
        self.next - 1
    }

    /// When the next redelivery is due.
    pub(super) fn next_redelivery(&self) -> Option<Duration> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Is there anything to take?
    pub(super) fn is_due(&self, log: &BTreeMap<u64, Message>, elapsed: Duration) -> bool {
        let again = self.next_redelivery().is_some_and(|at| at <= elapsed);
        again || (self.pending.len() < MAX_ACK_PENDING && log.range(self.next..).next().is_some())
    }

    /// Takes up to `limit` deliveries that are due: what was not acknowledged in time first, then what is new.
    pub(super) fn take(&mut self, log: &BTreeMap<u64, Message>, limit: usize, elapsed: Duration) -> Vec<Delivered> {
        let mut taken = Vec::new();
        while taken.len() < limit
            && let Some((at, sequence)) = self.by_time.first().copied()
            && at <= elapsed
        {
            let attempt = self.pending.get(&sequence).map_or(1, |pending| pending.attempt + 1);
            if log.contains_key(&sequence) {
                self.wait(sequence, attempt, elapsed);
                // It settles itself alone: what lay before it was the first delivery's to settle.
                taken.push(Delivered { sequence, settles_from: sequence, attempt });
            } else {
                self.ack(sequence);
            }
        }
        while taken.len() < limit && self.pending.len() < MAX_ACK_PENDING {
            let Some((sequence, _)) = log.range(self.next..).next() else { break };
            let (settles_from, sequence) = (self.next, *sequence);
            self.next = sequence + 1;
            self.wait(sequence, 1, elapsed);
            taken.push(Delivered { sequence, settles_from, attempt: 1 });
        }
        taken
    }

    fn wait(&mut self, sequence: u64, attempt: u64, elapsed: Duration) {
        let again_at = elapsed + self.ack_wait;
        if let Some(before) = self.pending.insert(sequence, Pending { attempt, again_at }) {
            self.by_time.remove(&(before.again_at, sequence));
        }
        self.by_time.insert((again_at, sequence));
    }

    /// Acknowledges a sequence; says whether more may be delivered because of it.
    pub(super) fn ack(&mut self, sequence: u64) -> bool {
        let full = self.pending.len() >= MAX_ACK_PENDING;
        if let Some(pending) = self.pending.remove(&sequence) {
            self.by_time.remove(&(pending.again_at, sequence));
        }
        let lowest = self.pending.first_key_value().map_or(self.next, |(lowest, _)| *lowest);
        self.floor = self.floor.max(lowest - 1);
        full
    }

    /// The stream now begins at `first`: what lay before it is no longer waited for.
    pub(super) fn purged(&mut self, first: u64) {
        let kept = self.pending.split_off(&first);
        for (sequence, pending) in std::mem::replace(&mut self.pending, kept) {
            self.by_time.remove(&(pending.again_at, sequence));
        }
        self.next = self.next.max(first);
        self.floor = self.floor.max(first.saturating_sub(1));
    }
}
