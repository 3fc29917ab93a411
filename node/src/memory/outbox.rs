//! Records and outbox: what all nodes share of the store.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::order::{MessageId, OrderId};
use crate::ports::{Backlog, ClaimedRow, Claims, Failure, Grave, RowFate, RowKey};

/// Rows that one step of the sweep looks at.
const SWEEP_STEP: usize = 1000;
/// Rows that are looked at for the oldest.
const OLDEST_OF: usize = 32;

/// An idempotency record.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) content: String,
    pub(super) answer: Bytes,
    /// `None` while the outbox row is there.
    pub(super) ends_ms: Option<i64>,
}

/// An outbox row.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// Rows are numbered as they come, for the sweep.
    number: u64,
    pub(super) payload: Bytes,
    subject: Arc<str>,
    pub(super) created_ms: i64,
    pub(super) attempts: u32,
    pub(super) owner: String,
    token: String,
    pub(super) lease_until_ms: i64,
    pub(super) last_error: String,
}

#[cfg(feature = "planted-bugs")]
impl Row {
    /// What is left where somebody writes to a row that is gone.
    pub(super) fn empty(owner: &str, now: i64) -> Self {
        Self {
            number: 0,
            payload: Bytes::new(),
            subject: "".into(),
            created_ms: now,
            attempts: 0,
            owner: owner.to_owned(),
            token: String::new(),
            lease_until_ms: now,
            last_error: String::new(),
        }
    }
}

/// A row as its acceptor writes it.
#[derive(Debug)]
pub(super) struct NewRow<'a> {
    pub(super) message_id: &'a MessageId,
    pub(super) payload: &'a Bytes,
    pub(super) subject: &'a Arc<str>,
    pub(super) owner: &'a str,
    pub(super) token: &'a str,
    pub(super) lease: Duration,
}

/// Rows, their index by due time, and the dead.
#[derive(Debug, Clone, Default)]
pub(super) struct Outbox {
    pub(super) rows: HashMap<MessageId, Row>,
    by_number: BTreeMap<u64, MessageId>,
    last_number: u64,
    pub(super) index: BTreeSet<(i64, MessageId)>,
    due: HashMap<MessageId, i64>,
    pub(super) dead: BTreeMap<MessageId, Row>,
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

impl Outbox {
    pub(super) fn depth(&self) -> u64 {
        self.index.len() as u64
    }

    /// Its size, and how old the oldest of the rows is that are due first.
    pub(super) fn backlog(&self, now: i64) -> Backlog {
        let first = self.index.iter().take(OLDEST_OF).filter_map(|(_, id)| self.rows.get(id));
        let oldest = first.map(|row| row.created_ms).min().unwrap_or(now);
        Backlog { depth: self.depth(), oldest_age: Duration::from_millis(u64::try_from(now - oldest).unwrap_or(0)) }
    }

    pub(super) fn insert(&mut self, new: &NewRow<'_>, now: i64) {
        let due = now + millis(new.lease);
        let row = Row {
            number: 0,
            payload: new.payload.clone(),
            subject: Arc::clone(new.subject),
            created_ms: now,
            attempts: 0,
            owner: new.owner.to_owned(),
            token: new.token.to_owned(),
            lease_until_ms: due,
            last_error: String::new(),
        };
        self.put(new.message_id.clone(), row);
        self.enter(new.message_id.clone(), due);
    }

    /// A row gets its number.
    pub(super) fn put(&mut self, id: MessageId, row: Row) {
        self.last_number += 1;
        self.by_number.insert(self.last_number, id.clone());
        self.rows.insert(id, Row { number: self.last_number, ..row });
    }

    /// Indexes an id, whether or not it has a row.
    pub(super) fn enter(&mut self, id: MessageId, due: i64) {
        self.leave(&id);
        self.index.insert((due, id.clone()));
        self.due.insert(id, due);
    }

    /// Takes an id out of the index.
    pub(super) fn leave(&mut self, id: &MessageId) {
        if let Some(due) = self.due.remove(id) {
            self.index.remove(&(due, id.clone()));
        }
    }

    pub(super) fn due(&self, id: &MessageId) -> Option<i64> {
        self.due.get(id).copied()
    }

    pub(super) fn take_row(&mut self, id: &MessageId) -> Option<Row> {
        let row = self.rows.remove(id)?;
        self.by_number.remove(&row.number);
        Some(row)
    }

    fn fate(&self, key: &RowKey) -> RowFate {
        match self.rows.get(&key.message_id) {
            None => RowFate::Missing,
            Some(row) if row.token == key.token => RowFate::Changed,
            Some(_) => RowFate::Fenced,
        }
    }

    /// Fates are told before anything changes, as the scripts do.
    pub(super) fn fates<'a>(&self, keys: impl Iterator<Item = &'a RowKey>) -> Vec<RowFate> {
        keys.map(|key| self.fate(key)).collect()
    }

    /// Removes what the fates allow; returns the rows that went.
    pub(super) fn remove<'a>(&mut self, keys: &'a [RowKey], fates: &[RowFate]) -> Vec<(&'a MessageId, Row)> {
        let mut gone = Vec::with_capacity(keys.len());
        for (key, fate) in keys.iter().zip(fates) {
            if *fate != RowFate::Fenced {
                gone.extend(self.take_row(&key.message_id).map(|row| (&key.message_id, row)));
                self.leave(&key.message_id);
            }
        }
        gone
    }

    pub(super) fn postpone(&mut self, failures: &[Failure], fates: &[RowFate], now: i64) {
        for (failure, fate) in failures.iter().zip(fates) {
            let id = &failure.row.message_id;
            match (fate, self.rows.get_mut(id)) {
                (RowFate::Fenced, _) => {}
                (RowFate::Changed, Some(row)) => {
                    let due = now + millis(failure.retry_in);
                    row.attempts += 1;
                    row.last_error.clone_from(&failure.error);
                    row.lease_until_ms = due;
                    self.enter(id.clone(), due);
                }
                _ => self.leave(id),
            }
        }
    }

    pub(super) fn bury(&mut self, graves: &[Grave], fates: &[RowFate]) {
        for (grave, fate) in graves.iter().zip(fates) {
            let id = &grave.row.message_id;
            if *fate == RowFate::Fenced {
                continue;
            }
            if let Some(mut row) = self.take_row(id) {
                row.last_error.clone_from(&grave.reason);
                self.dead.insert(id.clone(), row);
            }
            self.leave(id);
        }
    }

    pub(super) fn claim(&mut self, owner: &str, token: &str, lease: Duration, limit: usize, now: i64) -> Claims {
        let due = self.index.iter().take_while(|(due, _)| *due <= now).take(limit);
        let due: Vec<MessageId> = due.map(|(_, id)| id.clone()).collect();
        let mut claims = Claims { rows: Vec::with_capacity(due.len()), dropped: 0, more: due.len() >= limit };
        let until = now + millis(lease);
        for id in due {
            let Some(row) = self.rows.get_mut(&id) else {
                self.leave(&id);
                claims.dropped += 1;
                continue;
            };
            claims.rows.push(ClaimedRow {
                message_id: id.clone(),
                payload: row.payload.clone(),
                subject: row.subject.to_string(),
                attempts: row.attempts,
                previous_owner: std::mem::replace(&mut row.owner, owner.to_owned()),
            });
            token.clone_into(&mut row.token);
            row.lease_until_ms = until;
            self.enter(id, until);
        }
        claims
    }

    /// Indexes rows of one step that have no entry; they are due at once.
    pub(super) fn sweep(&mut self, cursor: u64, now: i64) -> (Option<u64>, u64) {
        let step: Vec<_> =
            self.by_number.range(cursor + 1..).take(SWEEP_STEP).map(|(number, id)| (*number, id.clone())).collect();
        let next = (step.len() == SWEEP_STEP).then(|| step[SWEEP_STEP - 1].0);
        let mut found = 0;
        for (_, id) in step {
            if !self.due.contains_key(&id) {
                self.enter(id, now);
                found += 1;
            }
        }
        (next, found)
    }
}

/// The record of an order gets its time to live when its row goes.
pub(super) fn released<'a>(keys: &'a [RowKey], fates: &'a [RowFate]) -> impl Iterator<Item = &'a OrderId> {
    let removed = keys.iter().zip(fates).filter(|(_, fate)| **fate == RowFate::Changed);
    removed.filter_map(|(key, _)| key.order_id.as_ref())
}
