//! Rows of the outbox: removed, postponed, buried, claimed, indexed again.

use std::time::Duration;

use bytes::Bytes;
use redis::Value;

use super::RedisStore;
use crate::order::MessageId;
use crate::ports::{Backlog, ClaimedRow, Claims, Failure, Grave, RowFate, RowKey, StoreError, whole_millis};

/// Keys that one step of the sweep looks at.
const SWEEP_STEP: usize = 1000;
/// Longest error text that a row keeps, in bytes.
const ERROR_LENGTH: usize = 300;

impl RedisStore {
    pub(super) async fn remove_rows(&self, rows: &[RowKey]) -> Result<Vec<RowFate>, StoreError> {
        let mut call = self.scripts.remove.long_call(1, 4 + 3 * rows.len(), 256 + 96 * rows.len());
        call.arg(&self.keys.index).arg(&self.keys.rows).arg(&self.keys.records).arg(whole_millis(self.limits.record_ttl));
        for row in rows {
            let order = row.order_id.as_ref().map_or("", |id| id.as_str());
            call.arg(row.message_id.as_str()).arg(&row.token).arg(order);
        }
        self.run(&self.scripts.remove, &call).await.map(fates)
    }

    pub(super) async fn postpone_rows(&self, failures: &[Failure]) -> Result<Vec<RowFate>, StoreError> {
        let mut call = self.scripts.postpone.call(1);
        call.arg(&self.keys.index).arg(&self.keys.rows);
        for failure in failures {
            call.arg(failure.row.message_id.as_str()).arg(&failure.row.token);
            call.arg(whole_millis(failure.retry_in)).arg(clip(&failure.error));
        }
        self.run(&self.scripts.postpone, &call).await.map(fates)
    }

    pub(super) async fn bury_rows(&self, graves: &[Grave]) -> Result<Vec<RowFate>, StoreError> {
        let mut call = self.scripts.bury.call(1);
        call.arg(&self.keys.index).arg(&self.keys.rows).arg(&self.keys.dead);
        for grave in graves {
            call.arg(grave.row.message_id.as_str()).arg(&grave.row.token).arg(clip(&grave.reason));
        }
        self.run(&self.scripts.bury, &call).await.map(fates)
    }

    pub(super) async fn claim_rows(&self, token: &str, limit: usize) -> Result<Claims, StoreError> {
        let mut call = self.scripts.claim.call(1);
        call.arg(&self.keys.index).arg(&self.keys.rows).arg(self.node.as_str()).arg(token);
        call.arg(whole_millis(self.limits.lease)).arg(limit);
        let reply: Vec<Value> = self.run(&self.scripts.claim, &call).await?;
        let strange = || StoreError::Failed(format!("the claim of rows under {} was answered strangely", self.keys.index));
        let [Value::Int(looked_at), Value::Int(dropped), Value::Array(damaged), rows @ ..] = reply.as_slice() else {
            return Err(strange());
        };
        for id in damaged.iter().filter(|id| self.told.first(&text(id))) {
            tracing::error!(id = %text(id), "the key of an outbox row is no hash; look at it and remove it by hand");
        }
        let mut claims = Claims {
            rows: Vec::with_capacity(rows.len() / 5),
            dropped: u64::try_from(*dropped).unwrap_or(0),
            more: usize::try_from(*looked_at).unwrap_or(0) >= limit,
        };
        for row in rows.chunks_exact(5) {
            let [id, payload, subject, attempts, owner] = row else { return Err(strange()) };
            match MessageId::new(&text(id)) {
                Ok(message_id) => claims.rows.push(ClaimedRow {
                    message_id,
                    payload: bytes(payload),
                    subject: text(subject),
                    attempts: text(attempts).parse().unwrap_or(0),
                    previous_owner: text(owner),
                }),
                // Not ours, and without a valid name it cannot be handled: it stays for a human to see.
                Err(error) if self.told.first(&text(id)) => {
                    tracing::error!(id = %text(id), %error, "an outbox row has no valid message id; remove it by hand");
                }
                Err(_) => {}
            }
        }
        Ok(claims)
    }

    pub(super) async fn sweep_rows(&self, cursor: u64) -> Result<(Option<u64>, u64), StoreError> {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(format!("{}*", self.keys.rows)).arg("COUNT").arg(SWEEP_STEP).arg("TYPE").arg("hash");
        let (next, keys): (u64, Vec<Vec<u8>>) = self.query(&scan).await?;
        let next = (next != 0).then_some(next);
        if keys.is_empty() {
            return Ok((next, 0));
        }
        let mut call = self.scripts.sweep.call(1);
        call.arg(&self.keys.index).arg(&self.keys.rows);
        for id in keys.iter().filter_map(|key| key.strip_prefix(self.keys.rows.as_bytes())) {
            call.arg(id);
        }
        Ok((next, self.run(&self.scripts.sweep, &call).await?))
    }

    pub(super) async fn measure_backlog(&self) -> Result<Backlog, StoreError> {
        let mut call = self.scripts.backlog.call(1);
        call.arg(&self.keys.index).arg(&self.keys.rows);
        let (depth, oldest_ms): (u64, u64) = self.run(&self.scripts.backlog, &call).await?;
        Ok(Backlog { depth, oldest_age: Duration::from_millis(oldest_ms) })
    }
}

fn fates(reply: Vec<i64>) -> Vec<RowFate> {
    let fate = |code| match code {
        1 => RowFate::Changed,
        0 => RowFate::Missing,
        _ => RowFate::Fenced,
    };
    reply.into_iter().map(fate).collect()
}

fn clip(error: &str) -> &str {
    &error[..error.floor_char_boundary(ERROR_LENGTH)]
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        _ => String::new(),
    }
}

fn bytes(value: &Value) -> Bytes {
    match value {
        Value::BulkString(bytes) => Bytes::copy_from_slice(bytes),
        _ => Bytes::new(),
    }
}
