//! The store on Redis: one multiplexed connection that is watched and replaced, and one script a change.

mod apply;
mod client;
mod errors;
mod keys;
mod link;
mod outbox;
mod reads;
mod scripts;

use std::time::Duration;

use bytes::Bytes;
use redis::{FromRedisValue, ScriptInvocation, Value};

use crate::order::{CustomerId, NodeId, OrderId};
use crate::ports::{
    Acceptance, Accepted, AppliedBatch, ApplyItem, Backlog, Claims, Failure, Grave, Hold, Ledger, Link, Page, Progress,
    Projected, RowFate, RowKey, Store, StoreError,
};
use crate::settings::Settings;

pub use client::RedisOpenError;
use keys::Keys;
use link::RedisLink;
use scripts::Scripts;

/// The store on Redis.
#[derive(Debug)]
pub struct RedisStore {
    link: RedisLink,
    keys: Keys,
    scripts: Scripts,
    node: NodeId,
    subject: String,
    limits: Limits,
}

/// The settings that the scripts take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    lease: Duration,
    record_ttl: Duration,
    inbox_ttl: Duration,
    identity_lease: Duration,
    outbox: u64,
}

impl RedisStore {
    /// A store for `node`. It connects in the background, and for as long as it lives.
    pub fn open(settings: &Settings, node: &NodeId) -> Result<Self, RedisOpenError> {
        Ok(Self {
            link: RedisLink::open(settings)?,
            keys: Keys::new(&settings.key_prefix, node),
            scripts: Scripts::default(),
            node: node.clone(),
            subject: settings.subject(),
            limits: Limits {
                lease: settings.lease,
                record_ttl: settings.record_ttl,
                inbox_ttl: settings.inbox_ttl,
                identity_lease: settings.identity_lease,
                outbox: settings.outbox_limit,
            },
        })
    }

    /// Runs one script. It is sent at most once: where the server does not know it yet, it was not executed.
    async fn run<T: FromRedisValue>(&self, invocation: &ScriptInvocation<'_>) -> Result<T, StoreError> {
        let (mut connection, epoch) = self.link.connection()?;
        invocation.invoke_async(&mut connection).await.map_err(|error| self.link.failed(epoch, &error))
    }

    /// Runs one command that is no script.
    async fn query<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, StoreError> {
        let (mut connection, epoch) = self.link.connection()?;
        command.query_async(&mut connection).await.map_err(|error| self.link.failed(epoch, &error))
    }

    async fn accept_order(&self, acceptance: &Acceptance<'_>) -> Result<Accepted, StoreError> {
        let order = acceptance.order();
        let placed = acceptance.placed;
        let mut record = order.canonical().into_bytes();
        record.push(b'\n');
        record.extend_from_slice(acceptance.payload);
        let mut call = self.scripts.accept.prepare_invoke();
        call.key(self.keys.record(&order.order_id))
            .key(self.keys.row(&placed.message_id))
            .key(&self.keys.index)
            .key(&self.keys.orders);
        call.arg(order.order_id.as_str()).arg(record).arg(acceptance.payload.as_ref()).arg(&self.subject);
        call.arg(self.node.as_str()).arg(acceptance.token).arg(millis(self.limits.lease)).arg(self.limits.outbox);
        call.arg(placed.message_id.as_str());
        let reply: Vec<Value> = self.run(&call).await?;
        match reply.as_slice() {
            [Value::Int(0)] => Ok(Accepted::New),
            [Value::Int(1), Value::BulkString(record)] => {
                let split =
                    record.iter().position(|byte| *byte == b'\n').ok_or_else(|| self.strange("record", &order.order_id))?;
                let content = String::from_utf8_lossy(&record[..split]).into_owned();
                Ok(Accepted::Recorded { content, answer: Bytes::copy_from_slice(&record[split + 1..]) })
            }
            [Value::Int(2), Value::BulkString(entry)] => {
                let projected = reads::entry(order.order_id.clone(), entry)?;
                Ok(Accepted::Applied(Box::new(projected.placed)))
            }
            [Value::Int(3), Value::Int(depth)] => Ok(Accepted::BacklogFull(u64::try_from(*depth).unwrap_or(0))),
            _ => Err(self.strange("accept reply", &order.order_id)),
        }
    }

    fn strange(&self, what: &str, id: &OrderId) -> StoreError {
        StoreError::Failed(format!("the {what} of order {id} under {} is in no form that this node knows", self.keys.prefix))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Store for RedisStore {
    fn link(&self) -> Link {
        self.link.watch()
    }

    async fn accept(&self, acceptance: Acceptance<'_>) -> Result<Accepted, StoreError> {
        self.accept_order(&acceptance).await
    }

    async fn remove(&self, rows: &[RowKey]) -> Result<Vec<RowFate>, StoreError> {
        self.remove_rows(rows).await
    }

    async fn postpone(&self, failures: &[Failure]) -> Result<Vec<RowFate>, StoreError> {
        self.postpone_rows(failures).await
    }

    async fn bury(&self, graves: &[Grave]) -> Result<Vec<RowFate>, StoreError> {
        self.bury_rows(graves).await
    }

    async fn claim(&self, token: &str, limit: usize) -> Result<Claims, StoreError> {
        self.claim_rows(token, limit).await
    }

    async fn sweep(&self, cursor: u64) -> Result<(Option<u64>, u64), StoreError> {
        self.sweep_rows(cursor).await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.measure_backlog().await
    }

    async fn apply(&self, stream: &str, items: &[ApplyItem]) -> Result<AppliedBatch, StoreError> {
        self.apply_batch(stream, items).await
    }

    async fn progress(&self) -> Result<Progress, StoreError> {
        self.read_progress().await
    }

    async fn follow(&self, stream: &str, floor: u64) -> Result<(), StoreError> {
        let mut call = self.scripts.follow.prepare_invoke();
        call.key(&self.keys.progress).key(&self.keys.ahead).arg(stream).arg(floor);
        self.run::<()>(&call).await
    }

    async fn order(&self, id: &OrderId) -> Result<Option<Projected>, StoreError> {
        self.read_order(id).await
    }

    async fn page(&self, after: u64, limit: usize) -> Result<Page, StoreError> {
        self.read_page(after, limit).await
    }

    async fn customer(&self, id: &CustomerId) -> Result<Option<Ledger>, StoreError> {
        self.read_customer(id).await
    }

    async fn hold(&self, instance: &str, token: &str) -> Result<Hold, StoreError> {
        let mut call = self.scripts.hold.prepare_invoke();
        call.key(&self.keys.owner).arg(instance).arg(token).arg(millis(self.limits.identity_lease));
        let reply: Vec<Value> = self.run(&call).await?;
        match reply.as_slice() {
            [Value::Int(0)] => Ok(Hold::Ours),
            [Value::Int(1), holder] => Ok(Hold::Theirs(outbox::text(holder))),
            [Value::Int(2)] => Ok(Hold::Replaced),
            _ => Err(StoreError::Failed(format!("asking for {} was answered strangely", self.keys.owner))),
        }
    }

    async fn try_write(&self) -> Result<(), StoreError> {
        let ttl = millis(self.limits.identity_lease);
        self.query(redis::cmd("SET").arg(&self.keys.canary).arg(1).arg("PX").arg(ttl)).await
    }

    async fn release(&self, token: &str) -> Result<(), StoreError> {
        let mut call = self.scripts.release.prepare_invoke();
        call.key(&self.keys.owner).arg(token);
        self.run::<()>(&call).await
    }
}
