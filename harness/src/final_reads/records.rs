//! Every idempotency record of the run.

use judge::history::{Entry, Record};

use super::ends::Ends;
use super::{PATIENCE, ReadError, Tally, Unreadable};
use crate::cluster::Cluster;
use crate::stores::{Redis, StoreError};
use crate::wire::{self, keys};

/// Records fetched with one command: each is some 300 bytes, and a longer command holds Redis up.
const BATCH: usize = 500;

/// Finds all records, then reads those of the run. One that is there when looked for and gone when read makes the read
/// incomplete: records live for a day, and a cluster at rest removes none.
pub(super) async fn read(cluster: &Cluster, ends: &mut Ends, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    let mut redis = Redis::of(cluster, PATIENCE)?;
    let found = redis.keys("looking for idempotency records", keys::RECORD).await?;
    let ours: Vec<&str> = found.iter().filter_map(|key| key.strip_prefix(keys::RECORD)).filter(|id| tally.is_ours(id)).collect();
    let mut unreadable = Unreadable::default();
    for ids in ours.chunks(BATCH) {
        for (id, (value, ttl_ms)) in ids.iter().zip(values(&mut redis, ids).await?) {
            ends.note(id, ttl_ms);
            let Some(value) = value else {
                unreadable.note(&format!("the record of {id} is no string, or went while it was read"));
                continue;
            };
            match wire::record::record(id, &value) {
                Ok(record) => tally.write(&Entry::Record(Record {
                    order_id: record.order_id,
                    customer_id: record.customer_id,
                    amount_minor: Some(record.amount_minor),
                    message_id: record.message_id,
                })),
                Err(error) => unreadable.note(&format!("the record of {id}: {error}")),
            }
        }
    }
    unreadable.into_result()
}

/// What each record holds, and how long it still has to live.
async fn values(redis: &mut Redis, ids: &[&str]) -> Result<Vec<(Option<Vec<u8>>, i64)>, StoreError> {
    const WHAT: &str = "reading idempotency records";
    let keys: Vec<String> = ids.iter().map(|id| format!("{}{id}", keys::RECORD)).collect();
    let mut pipeline = redis::pipe();
    pipeline.cmd("MGET").arg(&keys);
    for key in &keys {
        pipeline.cmd("PTTL").arg(key);
    }
    let mut answers: Vec<redis::Value> = redis.ask(WHAT, &pipeline).await?;
    let ends = answers.split_off(1.min(answers.len()));
    let values: Vec<Option<Vec<u8>>> = redis.read(WHAT, answers.pop().unwrap_or(redis::Value::Nil))?;
    let ends: Vec<i64> = redis.read(WHAT, redis::Value::Array(ends))?;
    Ok(values.into_iter().zip(ends).collect())
}
