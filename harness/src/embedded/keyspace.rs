//! What the store in memory holds, as the contract's keys: a connection that answers the harness's own questions as Redis
//! would, and takes no others. It only reads.
//!
//! What comes out is decoded like anything that Redis says (`wire`): nothing of the node's own reading is used.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use judge::plan::Link;
use node::memory::{RowView, SharedStore};
use node::order::{MessageId, NodeId, OrderId};
use node::system::SystemClock;
use redis::aio::ConnectionLike;
use redis::{Arg, Cmd, Pipeline, RedisError, RedisFuture, Value};

use super::services::Services;
use crate::wire::keys;

/// A read-only connection to the store.
#[derive(Debug, Clone)]
pub struct Keyspace(Services);

impl Keyspace {
    #[must_use]
    pub fn of(services: &Services) -> Self {
        Self(services.clone())
    }

    async fn look(&self, commands: impl Iterator<Item = &Cmd> + Send) -> Result<Vec<Value>, RedisError> {
        let commands: Vec<Vec<Vec<u8>>> = commands.map(words).collect();
        self.0.hears(Link::Redis).await.map_err(refused)?;
        let look = Look::at(&self.0.memory().store);
        commands.iter().map(|words| look.answer(words)).collect()
    }
}

impl ConnectionLike for Keyspace {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move { Ok(self.look(std::iter::once(command)).await?.pop().unwrap_or(Value::Nil)) })
    }

    fn req_packed_commands<'a>(&'a mut self, pipeline: &'a Pipeline, offset: usize, _: usize) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let answers = self.look(pipeline.cmd_iter()).await?;
            // Behind an offset is the one answer of a transaction: all of its commands' answers.
            Ok(if offset > 0 { vec![Value::Array(answers)] } else { answers })
        })
    }

    fn get_db(&self) -> i64 {
        0
    }
}

fn words(command: &Cmd) -> Vec<Vec<u8>> {
    let word = |arg| match arg {
        Arg::Simple(word) => <[u8]>::to_vec(word),
        // A cursor, of which there is one page.
        _ => b"0".to_vec(),
    };
    command.args_iter().map(word).collect()
}

fn refused(why: String) -> RedisError {
    std::io::Error::other(why).into()
}

/// The store, as far as one batch of questions needs it: each part is read once, and not before it is asked for.
struct Look<'a> {
    store: &'a SharedStore<SystemClock>,
    index: OnceCell<Vec<(String, i64)>>,
    due: OnceCell<HashMap<String, i64>>,
    rows: OnceCell<HashMap<String, RowView>>,
    dead: OnceCell<HashMap<String, RowView>>,
}

impl<'a> Look<'a> {
    fn at(store: &'a SharedStore<SystemClock>) -> Self {
        Self { store, index: OnceCell::new(), due: OnceCell::new(), rows: OnceCell::new(), dead: OnceCell::new() }
    }

    fn answer(&self, words: &[Vec<u8>]) -> Result<Value, RedisError> {
        let words: Vec<&str> = words.iter().map(|word| str::from_utf8(word).unwrap_or_default()).collect();
        let number = |word: &str| word.parse::<usize>().map_err(|error| refused(format!("{word}: {error}")));
        Ok(match *words.as_slice() {
            ["PING"] => Value::Okay,
            ["TIME"] => time(),
            ["ZCARD", keys::OUTBOX_INDEX] => Value::Int(int(self.index().len())),
            ["ZRANGE", keys::OUTBOX_INDEX, first, last] => {
                let first = number(first)?;
                let end = if last == "-1" { self.index().len() } else { number(last)?.saturating_add(1) };
                let ids = self.index().iter().skip(first).take(end.saturating_sub(first));
                Value::Array(ids.map(|(id, _)| text(id)).collect())
            }
            ["ZRANGE", keys::OUTBOX_INDEX, first, last, "WITHSCORES"] if first == last => {
                let at = if first == "-1" { self.index().len().checked_sub(1) } else { Some(number(first)?) };
                let found = at.and_then(|at| self.index().get(at));
                Value::Array(found.into_iter().flat_map(|(id, due)| [text(id), text(&due.to_string())]).collect())
            }
            ["ZSCORE", keys::OUTBOX_INDEX, id] => self.score(id),
            ["ZMSCORE", keys::OUTBOX_INDEX, ref ids @ ..] => Value::Array(ids.iter().map(|id| self.score(id)).collect()),
            ["HGET", key, field] => {
                self.row(key).and_then(|row| fields(row).find(|(name, _)| *name == field)).map_or(Value::Nil, |(_, value)| value)
            }
            ["HGETALL", key] => Value::Array(self.row(key).into_iter().flat_map(fields).flat_map(pair).collect()),
            ["MGET", ref keys @ ..] => Value::Array(keys.iter().map(|key| self.record(key)).collect()),
            ["PTTL", key] => Value::Int(self.ends_in(key)),
            ["SCAN", _, "MATCH", pattern, ..] => Value::Array(vec![text("0"), self.scan(pattern)]),
            _ => return Err(refused(format!("the store in memory is not asked for {}", words.join(" ")))),
        })
    }

    fn index(&self) -> &[(String, i64)] {
        self.index.get_or_init(|| self.store.index().into_iter().map(|(due, id)| (id.to_string(), due)).collect())
    }

    fn score(&self, id: &str) -> Value {
        let due = self.due.get_or_init(|| self.index().iter().cloned().collect());
        due.get(id).map_or(Value::Nil, |due| text(&due.to_string()))
    }

    fn rows(&self) -> &HashMap<String, RowView> {
        self.rows.get_or_init(|| by_id(self.store.rows()))
    }

    fn dead(&self) -> &HashMap<String, RowView> {
        self.dead.get_or_init(|| by_id(self.store.dead()))
    }

    fn row(&self, key: &str) -> Option<&RowView> {
        match key.strip_prefix(keys::OUTBOX_DEAD) {
            Some(id) => self.dead().get(id),
            None => self.rows().get(key.strip_prefix(keys::OUTBOX_ROW)?),
        }
    }

    fn record(&self, key: &str) -> Value {
        let id = key.strip_prefix(keys::RECORD).and_then(|id| OrderId::new(id).ok());
        id.and_then(|id| self.store.record(&id)).map_or(Value::Nil, |record| {
            let mut value = record.content.into_bytes();
            value.push(b'\n');
            value.extend_from_slice(&record.answer);
            Value::BulkString(value)
        })
    }

    /// As PTTL has it: milliseconds, -1 for a key that never ends, -2 for none.
    fn ends_in(&self, key: &str) -> i64 {
        let now_ms = i64::try_from(since_epoch().as_millis()).unwrap_or(i64::MAX);
        let ends_ms = match key.strip_prefix(keys::RECORD) {
            Some(id) => OrderId::new(id).ok().and_then(|id| self.store.record(&id)).map(|record| record.ends_ms),
            None => self.mark_ends_ms(key).map(Some),
        };
        match ends_ms {
            None => -2,
            Some(None) => -1,
            Some(Some(ends_ms)) => (ends_ms - now_ms).max(0),
        }
    }

    fn mark_ends_ms(&self, key: &str) -> Option<i64> {
        let (node, message) = key.strip_prefix(keys::INBOX)?.split_once(':')?;
        self.store.mark_ends_ms(&NodeId::new(node).ok()?, &MessageId::new(message).ok()?)
    }

    /// All keys that a pattern of [`keys::pattern`] matches.
    fn scan(&self, pattern: &str) -> Value {
        let prefix = pattern.trim_end_matches('*').replace('\\', "");
        let ids: Vec<String> = match prefix.as_str() {
            keys::RECORD => self.store.records().into_iter().map(|record| record.order_id.to_string()).collect(),
            keys::OUTBOX_ROW => self.rows().keys().cloned().collect(),
            keys::OUTBOX_DEAD => self.dead().keys().cloned().collect(),
            _ => Vec::new(),
        };
        Value::Array(ids.iter().map(|id| text(&format!("{prefix}{id}"))).collect())
    }
}

fn by_id(rows: Vec<RowView>) -> HashMap<String, RowView> {
    rows.into_iter().map(|row| (row.message_id.to_string(), row)).collect()
}

fn fields(row: &RowView) -> impl Iterator<Item = (&'static str, Value)> {
    [
        (keys::ROW_PAYLOAD, Value::BulkString(row.payload.to_vec())),
        (keys::ROW_CREATED_AT, text(&row.created_ms.to_string())),
        (keys::ROW_ATTEMPTS, text(&row.attempts.to_string())),
        (keys::ROW_LEASE_OWNER, text(&row.lease_owner)),
        (keys::ROW_LAST_ERROR, text(&row.last_error)),
    ]
    .into_iter()
}

fn pair((name, value): (&'static str, Value)) -> [Value; 2] {
    [text(name), value]
}

fn text(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

fn int(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The store's clock is this process's.
fn time() -> Value {
    let now = since_epoch();
    Value::Array(vec![text(&now.as_secs().to_string()), text(&now.subsec_micros().to_string())])
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests;
