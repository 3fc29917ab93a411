//! Real services for tests, one test at a time: names of keys and stream are fixed by the contract.

use std::time::Duration;

use async_nats::jetstream::{self, stream};
use tokio::sync::{Mutex, MutexGuard};

static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

pub(crate) struct Services {
    pub(crate) redis: redis::aio::MultiplexedConnection,
    pub(crate) jetstream: jetstream::Context,
    pub(crate) redis_address: String,
    pub(crate) nats_address: String,
    _turn: MutexGuard<'static, ()>,
}

fn address(variable: &str, scheme: &str) -> String {
    let url = std::env::var(variable).unwrap_or_else(|_| {
        panic!(
            "{variable} is not set: start Redis and NATS (with -js) and name them, e.g. \
             CATGA_TEST_REDIS_URL=redis://127.0.0.1:6379 CATGA_TEST_NATS_URL=nats://127.0.0.1:4222"
        )
    });
    url.strip_prefix(scheme).unwrap_or(&url).trim_end_matches('/').to_owned()
}

/// Empty services, held until the test ends.
pub(crate) async fn empty() -> Services {
    let turn = ONE_AT_A_TIME.lock().await;
    let redis_address = address("CATGA_TEST_REDIS_URL", "redis://");
    let nats_address = address("CATGA_TEST_NATS_URL", "nats://");
    // Setting up writes much at once, and Redis may sync every write to disk.
    let patient = redis::AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(30)));
    let client = redis::Client::open(format!("redis://{redis_address}")).expect("an address");
    let mut redis = client.get_multiplexed_async_connection_with_config(&patient).await.expect("a running Redis");
    let keys: Vec<String> = redis::cmd("KEYS").arg("catga:*").query_async(&mut redis).await.expect("keys");
    if !keys.is_empty() {
        let _: u64 = redis::cmd("DEL").arg(keys).query_async(&mut redis).await.expect("removed");
    }
    let client = async_nats::connect(&nats_address).await.expect("a running NATS");
    let jetstream = jetstream::new(client);
    // Absent is as good as removed.
    let _ = jetstream.delete_stream("CATGA_CLUSTER").await;
    Services { redis, jetstream, redis_address, nats_address, _turn: turn }
}

impl Services {
    pub(crate) async fn run(&mut self, command: &mut redis::Cmd) {
        let _: redis::Value = command.query_async(&mut self.redis).await.expect("a command");
    }

    pub(crate) async fn create_stream(&self) -> stream::Stream {
        let config = stream::Config {
            name: "CATGA_CLUSTER".into(),
            subjects: vec!["catga.cluster.>".into()],
            storage: stream::StorageType::File,
            discard: stream::DiscardPolicy::New,
            ..Default::default()
        };
        self.jetstream.create_stream(config).await.expect("a stream")
    }

    pub(crate) async fn publish(&self, message_id: &str, payload: String) -> u64 {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Msg-Id", message_id);
        let subject = "catga.cluster.order.placed";
        let ack = self.jetstream.publish_with_headers(subject, headers, payload.into()).await.expect("published");
        ack.await.expect("acknowledged").sequence
    }

    /// A row as an accepting node leaves it.
    pub(crate) async fn add_row(&mut self, message_id: &str, payload: &str, created: u64, due: u64) {
        self.run(redis::cmd("HSET").arg(format!("catga:outbox:pending:{message_id}")).arg(&[
            ("payload", payload),
            ("subject", "catga.cluster.order.placed"),
            ("createdAt", &created.to_string()),
            ("attempts", "2"),
            ("leaseOwner", "n1"),
            ("lastError", "no answer"),
        ]))
        .await;
        self.index(message_id, due).await;
    }

    pub(crate) async fn index(&mut self, message_id: &str, due: u64) {
        self.run(redis::cmd("ZADD").arg("catga:outbox:pending").arg(due).arg(message_id)).await;
    }

    /// Redis' clock in ms.
    pub(crate) async fn now_ms(&mut self) -> u64 {
        let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut self.redis).await.expect("the time");
        seconds * 1_000 + micros / 1_000
    }
}
