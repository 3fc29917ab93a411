//! The store on Redis: one multiplexed connection that is watched and replaced, and one script a change.

mod accept;
mod apply;
mod client;
mod errors;
mod keys;
mod link;
mod outbox;
#[cfg(feature = "planted-bugs")]
mod planted;
mod reads;
mod scripts;
mod told;

use std::sync::Arc;

use redis::{Cmd, FromRedisValue, Value};

use crate::order::{CustomerId, NodeId, OrderId};
use crate::ports::{
    Acceptance, Accepted, AppliedBatch, ApplyItem, Backlog, Claims, Failure, Grave, Hold, Ledger, Link, Page, Progress,
    Projected, RowFate, RowKey, Store, StoreError, whole_millis,
};
use crate::settings::{Settings, StoreLimits};

use accept::{Acceptor, Desk};
pub use client::RedisOpenError;
use keys::Keys;
use link::RedisLink;
use scripts::{Script, Scripts};
use told::Told;

/// The store on Redis.
#[derive(Debug)]
pub struct RedisStore {
    link: Arc<RedisLink>,
    keys: Arc<Keys>,
    scripts: Arc<Scripts>,
    node: NodeId,
    limits: StoreLimits,
    acceptor: Acceptor,
    told: Told,
}

impl RedisStore {
    /// A store for `node`. It connects in the background, and for as long as it lives.
    pub fn open(settings: &Settings, node: &NodeId) -> Result<Self, RedisOpenError> {
        let limits = settings.store_limits();
        let link = Arc::new(RedisLink::open(settings)?);
        let (keys, scripts) = (Arc::new(Keys::new(&settings.key_prefix, node)), Arc::<Scripts>::default());
        let acceptor = Acceptor::start(Desk {
            link: Arc::clone(&link),
            keys: Arc::clone(&keys),
            scripts: Arc::clone(&scripts),
            node: node.clone(),
            subject: settings.subject(),
            limits,
        });
        Ok(Self { link, keys, scripts, node: node.clone(), limits, acceptor, told: Told::default() })
    }

    /// Runs one script, at most once.
    async fn run<T: FromRedisValue>(&self, script: &Script, call: &Cmd) -> Result<T, StoreError> {
        let (mut connection, epoch) = self.link.connection()?;
        script.run(call, &mut connection).await.map_err(|error| self.link.failed(epoch, &error))
    }

    /// Runs one command that is no script.
    async fn query<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, StoreError> {
        let (mut connection, epoch) = self.link.connection()?;
        command.query_async(&mut connection).await.map_err(|error| self.link.failed(epoch, &error))
    }
}

impl Store for RedisStore {
    fn link(&self) -> Link {
        self.link.watch()
    }

    async fn accept(&self, acceptance: Acceptance<'_>) -> Result<Accepted, StoreError> {
        self.acceptor.accept(&acceptance).await
    }

    async fn remove(&self, rows: &[RowKey]) -> Result<Vec<RowFate>, StoreError> {
        self.remove_rows(rows).await
    }

    async fn postpone(&self, failures: &[Failure]) -> Result<Vec<RowFate>, StoreError> {
        #[cfg(feature = "planted-bugs")]
        if planted_in!(self.limits, LeaseWithoutFencing) {
            return self.postpone_unfenced(failures).await;
        }
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
        #[cfg(feature = "planted-bugs")]
        if planted_in!(self.limits, ApplyInTwoSteps) {
            return self.apply_in_two_steps(stream, items).await;
        }
        self.apply_batch(stream, items).await
    }

    async fn progress(&self) -> Result<Progress, StoreError> {
        self.read_progress().await
    }

    async fn follow(&self, stream: &str, floor: u64) -> Result<(), StoreError> {
        let mut call = self.scripts.follow.call(2);
        call.arg(&self.keys.progress).arg(&self.keys.ahead).arg(stream).arg(floor);
        self.run(&self.scripts.follow, &call).await
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
        let mut call = self.scripts.hold.call(1);
        call.arg(&self.keys.owner).arg(instance).arg(token).arg(whole_millis(self.limits.identity_lease));
        let reply: Vec<Value> = self.run(&self.scripts.hold, &call).await.map_err(forbidden)?;
        match reply.as_slice() {
            [Value::Int(0)] => Ok(Hold::Ours),
            [Value::Int(1), holder] => Ok(Hold::Theirs(outbox::text(holder))),
            [Value::Int(2), token] => Ok(Hold::Replaced { token: outbox::text(token) }),
            _ => Err(StoreError::Failed(format!("asking for {} was answered strangely", self.keys.owner))),
        }
    }

    async fn try_write(&self) -> Result<(), StoreError> {
        let mut call = self.scripts.trial.call(3);
        for kind in ["", ":row", ":index"] {
            call.arg(format!("{}{kind}", self.keys.canary));
        }
        call.arg(whole_millis(self.limits.identity_lease));
        self.run(&self.scripts.trial, &call).await.map_err(forbidden)
    }

    async fn release(&self, token: &str) -> Result<(), StoreError> {
        let mut call = self.scripts.release.call(1);
        call.arg(&self.keys.owner).arg(token);
        self.run(&self.scripts.release, &call).await
    }
}

/// A script that asks whether this node may work, and had not the permissions to, says that it may not: no order hangs
/// on what it wrote before.
fn forbidden(error: StoreError) -> StoreError {
    match error {
        StoreError::Failed(error) if error.contains("ACL failure in script") => StoreError::Refused(error),
        other => other,
    }
}
