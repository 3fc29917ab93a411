//! The world of a real Redis and a real NATS, each node behind proxies of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_nats::HeaderMap;
use node::memory::Operation;
use node::nats_bus::NatsBus;
use node::order::{CustomerId, MessageId, OrderId};
use node::ports::{Bus as _, Link, Store as _};
use node::redis_store::RedisStore;
use node::settings::Settings;

use super::world::{Way, World, node, settings};
use crate::proxy::{Mode, Proxy};
use crate::space::{DEADLINE, Space, authority, nats_url, redis_url};

pub(crate) struct Services {
    space: Space,
    proxies: Mutex<HashMap<(String, Way), Arc<Proxy>>>,
}

impl Services {
    fn known(&self, node: &str, way: Way) -> Option<Arc<Proxy>> {
        self.proxies.lock().expect("no panic while locked").get(&(node.to_owned(), way)).cloned()
    }

    fn way(&self, node: &str, way: Way) -> Arc<Proxy> {
        self.known(node, way).expect("a handle was opened")
    }

    /// Settings whose way goes through this node's proxy.
    async fn through_proxy(&self, node: &str, way: Way, flags: &[&str]) -> Settings {
        if self.known(node, way).is_none() {
            let target = if way == Way::Store { redis_url() } else { nats_url() };
            let proxy = Arc::new(Proxy::to(&authority(&target), Mode::Open).await);
            self.proxies.lock().expect("no panic while locked").insert((node.to_owned(), way), proxy);
        }
        self.settings(node, flags)
    }

    /// Removes the stream; keys are few and stay.
    pub(crate) async fn end(self) {
        self.space.clean().await;
    }

    async fn strings(&self, command: &[&str]) -> Vec<String> {
        self.space.query(command).await
    }

    /// Runs something while a way is broken, until the node has noticed and mended it.
    async fn through<T>(&self, node: &str, way: Way, mode: Mode, mut link: Link, run: impl Future<Output = T>) -> T {
        let (proxy, epoch) = (self.way(node, way), link.epoch());
        proxy.set(mode);
        let done = run.await;
        let noticed = tokio::time::timeout(DEADLINE, link.wait_end_of(epoch)).await;
        proxy.set(Mode::Open);
        let mended = tokio::time::timeout(DEADLINE, link.wait_up()).await;
        assert!(noticed.is_ok() && mended.is_ok(), "{:?} after {noticed:?}", link.state());
        done
    }

    fn projection(&self, node: &str, part: &str) -> String {
        self.space.key(&format!("projection:{node}:{part}"))
    }
}

impl World for Services {
    type Store = RedisStore;
    type Bus = NatsBus;

    async fn new() -> Self {
        Self { space: Space::new().await, proxies: Mutex::default() }
    }

    fn settings(&self, node: &str, flags: &[&str]) -> Settings {
        let name = &self.space.name;
        let mut all: Vec<String> = ["key-prefix", "stream"].iter().map(|flag| format!("--{flag}={name}")).collect();
        all.push(format!("--subject-prefix={name}"));
        if let Some(proxy) = self.known(node, Way::Store) {
            all.push(format!("--redis-url=redis://{}", proxy.address));
        }
        if let Some(proxy) = self.known(node, Way::Bus) {
            all.push(format!("--nats-url=nats://{}", proxy.address));
        }
        all.extend(flags.iter().map(|flag| (*flag).to_owned()));
        settings(&all)
    }

    async fn store(&self, id: &str, flags: &[&str]) -> RedisStore {
        let settings = self.through_proxy(id, Way::Store, flags).await;
        let store = RedisStore::open(&settings, &node(id)).expect("a store");
        let up = tokio::time::timeout(DEADLINE, async { store.link().wait_up().await }).await;
        assert!(up.expect("redis answers in time").is_some());
        store
    }

    async fn bus(&self, id: &str, flags: &[&str]) -> NatsBus {
        let settings = self.through_proxy(id, Way::Bus, flags).await;
        let bus = NatsBus::open(&settings, &node(id)).expect("a bus");
        let up = tokio::time::timeout(DEADLINE, async { bus.link().wait_up().await }).await;
        assert!(up.expect("nats answers in time").is_some());
        bus
    }

    fn cut(&self, node: &str, way: Way) {
        self.way(node, way).set(Mode::Refuse);
    }

    fn mend(&self, node: &str, way: Way) {
        self.way(node, way).set(Mode::Open);
    }

    async fn losing_answer<T>(&self, node: &str, way: Way, link: Link, _: Operation, command: impl Future<Output = T>) -> T {
        self.through(node, way, Mode::DropAnswers, link, command).await
    }

    async fn losing_acks<T>(&self, node: &str, link: Link, _: usize, acks: impl Future<Output = T>) -> T {
        self.through(node, Way::Bus, Mode::DropRequests, link, acks).await
    }

    async fn index(&self) -> Vec<String> {
        let mut ids = self.space.pending().await;
        ids.sort();
        ids
    }

    async fn row(&self, id: &MessageId) -> Option<(u64, String)> {
        let key = self.space.key(&format!("outbox:pending:{id}"));
        let (attempts, error): (Option<u64>, Option<String>) = self.space.query(&["HMGET", &key, "attempts", "lastError"]).await;
        Some((attempts?, error.unwrap_or_default()))
    }

    async fn dead(&self) -> Vec<(String, String)> {
        let prefix = self.space.key("outbox:dead:");
        let mut dead = Vec::new();
        for key in self.strings(&["KEYS", &format!("{prefix}*")]).await {
            let error: String = self.space.query(&["HGET", &key, "lastError"]).await;
            dead.push((key.trim_start_matches(&prefix).to_owned(), error));
        }
        dead.sort();
        dead
    }

    async fn unindex(&self, id: &MessageId) {
        let removed: u64 = self.space.query(&["ZREM", &self.space.key("outbox:pending"), id.as_str()]).await;
        assert_eq!(removed, 1);
    }

    async fn index_without_row(&self, id: &MessageId) {
        let _: u64 = self.space.query(&["ZADD", &self.space.key("outbox:pending"), "1", id.as_str()]).await;
    }

    async fn record(&self, id: &OrderId) -> Option<bool> {
        let ttl: i64 = self.space.query(&["PTTL", &self.space.key(&format!("idempotency:{id}"))]).await;
        (ttl != -2).then_some(ttl >= 0)
    }

    async fn is_marked(&self, node: &str, id: &MessageId) -> bool {
        self.space.query::<u64>(&["EXISTS", &self.space.key(&format!("inbox:{node}:{id}"))]).await == 1
    }

    async fn parked(&self, node: &str) -> Vec<(String, String)> {
        let parked: std::collections::BTreeMap<String, String> =
            self.space.query(&["HGETALL", &self.projection(node, "parked")]).await;
        parked.into_iter().collect()
    }

    async fn ahead(&self, node: &str) -> u64 {
        self.space.query(&["ZCARD", &self.projection(node, "ahead")]).await
    }

    async fn set_total(&self, node: &str, customer: &CustomerId, minor: u64) {
        let key = self.projection(node, "totals");
        let _: u64 = self.space.query(&["HSET", &key, customer.as_str(), &minor.to_string()]).await;
    }

    async fn forget_projection(&self, node: &str) {
        let keys = self.strings(&["KEYS", &self.projection(node, "*")]).await;
        let command: Vec<&str> = std::iter::once("DEL").chain(keys.iter().map(String::as_str)).collect();
        let _: u64 = self.space.query(&command).await;
    }

    async fn publish(&self, subject: &str, id: Option<&str>, payload: &[u8]) {
        let mut headers = HeaderMap::new();
        if let Some(id) = id {
            headers.insert("Nats-Msg-Id", id);
        }
        let payload = payload.to_vec().into();
        let sent = self.space.jetstream.publish_with_headers(subject.to_owned(), headers, payload).await;
        sent.expect("sent").await.expect("stored");
    }

    async fn purge(&self) {
        self.space.stream().await.purge().await.expect("purged");
    }

    async fn purge_before(&self, sequence: u64) {
        self.space.stream().await.purge().sequence(sequence).await.expect("purged");
    }

    async fn delete_message(&self, sequence: u64) {
        assert!(self.space.stream().await.delete_message(sequence).await.expect("deleted"));
    }

    async fn delete_stream(&self) {
        self.space.jetstream.delete_stream(&self.space.name).await.expect("deleted");
    }

    async fn delete_consumer(&self, node: &str) {
        self.space.stream().await.delete_consumer(node).await.expect("deleted");
    }

    async fn stream_ids(&self) -> Vec<String> {
        let mut stream = self.space.stream().await;
        let state = stream.info().await.expect("info").state.clone();
        let mut ids = Vec::new();
        for sequence in state.first_sequence.max(1)..=state.last_sequence {
            if let Ok(message) = stream.get_raw_message(sequence).await {
                ids.push(message.headers.get("Nats-Msg-Id").map(|id| id.as_str().to_owned()).unwrap_or_default());
            }
        }
        ids
    }
}
