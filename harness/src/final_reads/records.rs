//! Every idempotency record of the run.

use judge::history::{Entry, Record};

use super::{PATIENCE, ReadError, Tally, Unreadable};
use crate::cluster::Cluster;
use crate::stores::{Redis, StoreError};
use crate::wire::{self, keys};

/// Records fetched with one command: each is some 300 bytes, and a longer command holds Redis up.
const BATCH: usize = 500;

/// Finds all records, then reads those of the run. One that is there when looked for and gone when read makes the read
/// incomplete: records live for a day, and a cluster at rest removes none.
pub(super) async fn read(cluster: &Cluster, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    let mut redis = Redis::of(cluster, PATIENCE)?;
    let found = redis.keys("looking for idempotency records", keys::RECORD).await?;
    let ours: Vec<&str> = found.iter().filter_map(|key| key.strip_prefix(keys::RECORD)).filter(|id| tally.is_ours(id)).collect();
    let mut unreadable = Unreadable::default();
    for ids in ours.chunks(BATCH) {
        for (id, value) in ids.iter().zip(values(&mut redis, ids).await?) {
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

async fn values(redis: &mut Redis, ids: &[&str]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("MGET").arg(ids.iter().map(|id| format!("{}{id}", keys::RECORD)).collect::<Vec<_>>());
    let (values,): (Vec<Option<Vec<u8>>>,) = redis.ask("reading idempotency records", &pipeline).await?;
    Ok(values)
}
