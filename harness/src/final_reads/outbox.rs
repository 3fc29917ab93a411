//! What is left in the outbox: pending rows, dead rows, and rows and index entries that have lost each other.

use std::collections::{BTreeSet, HashMap};

use judge::history::{Entry, Row, RowState};

use super::{PATIENCE, ReadError, Tally};
use crate::cluster::Cluster;
use crate::stores::{Redis, StoreError};
use crate::wire::{keys, order};

/// Rows looked at with one pipeline.
const BATCH: usize = 250;

/// Reads the index and all rows, then looks at each id again, row and index entry in one atomic step, before it says
/// what it is: index and rows are not found at the same moment.
pub(super) async fn read(cluster: &Cluster, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    let mut redis = Redis::of(cluster, PATIENCE)?;
    let mut pending: BTreeSet<String> = index(&mut redis).await?.into_iter().collect();
    pending.extend(ids(&mut redis, keys::OUTBOX_ROW).await?);
    let pending = Vec::from_iter(pending);
    for ids in pending.chunks(BATCH) {
        for (id, (fields, indexed)) in ids.iter().zip(look(&mut redis, keys::OUTBOX_ROW, ids).await?) {
            let state = match (fields.is_empty(), indexed) {
                (false, true) => RowState::Pending,
                (false, false) => RowState::Unindexed,
                (true, true) => RowState::IndexOnly,
                // Published and removed since it was found.
                (true, false) => continue,
            };
            tally.write(&Entry::Row(row(id, state, &fields)));
        }
    }
    let dead = ids(&mut redis, keys::OUTBOX_DEAD).await?;
    for ids in dead.chunks(BATCH) {
        for (id, (fields, _)) in ids.iter().zip(look(&mut redis, keys::OUTBOX_DEAD, ids).await?) {
            tally.write(&Entry::Row(row(id, RowState::Dead, &fields)));
        }
    }
    Ok(())
}

type Fields = HashMap<String, Vec<u8>>;

async fn index(redis: &mut Redis) -> Result<Vec<String>, StoreError> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("ZRANGE").arg(keys::OUTBOX_INDEX).arg(0).arg(-1);
    let (ids,): (Vec<String>,) = redis.ask("reading the outbox index", &pipeline).await?;
    Ok(ids)
}

async fn ids(redis: &mut Redis, prefix: &str) -> Result<Vec<String>, StoreError> {
    let keys = redis.keys("looking for outbox rows", prefix).await?;
    let mut ids: Vec<String> = keys.iter().filter_map(|key| key.strip_prefix(prefix)).map(str::to_owned).collect();
    ids.sort_unstable();
    Ok(ids)
}

/// The fields of each row, none where there is no row, and whether the index has it.
async fn look(redis: &mut Redis, prefix: &str, ids: &[String]) -> Result<Vec<(Fields, bool)>, StoreError> {
    let mut pipeline = redis::pipe();
    pipeline.atomic();
    for id in ids {
        pipeline.cmd("HGETALL").arg(format!("{prefix}{id}"));
        pipeline.cmd("ZSCORE").arg(keys::OUTBOX_INDEX).arg(id);
    }
    let answers: Vec<redis::Value> = redis.ask("reading outbox rows", &pipeline).await?;
    let mut rows = Vec::with_capacity(ids.len());
    let mut answers = answers.into_iter();
    while let (Some(fields), Some(score)) = (answers.next(), answers.next()) {
        let indexed = !matches!(score, redis::Value::Nil);
        rows.push((redis.read("reading outbox rows", fields)?, indexed));
    }
    Ok(rows)
}

fn row(id: &str, state: RowState, fields: &Fields) -> Row {
    let text = |name| fields.get(name).map(|value| String::from_utf8_lossy(value).into_owned());
    Row {
        message_id: id.to_owned(),
        state,
        order_id: fields.get(keys::ROW_PAYLOAD).and_then(|payload| order::answer(payload).ok()).map(|read| read.order_id),
        attempts: text(keys::ROW_ATTEMPTS).and_then(|attempts| attempts.parse().ok()),
        last_error: text(keys::ROW_LAST_ERROR).filter(|error| !error.is_empty()),
    }
}
