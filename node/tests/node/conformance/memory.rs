//! The world in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;
use node::memory::{Loss, MemoryBus, MemoryServices, MemoryStore, Operation, Wire};
use node::order::{CustomerId, MessageId, OrderId};
use node::ports::Link;
use node::settings::Settings;
use node::system::SystemClock;

use super::world::{Way, World, node, settings};

pub(crate) struct Memory {
    services: MemoryServices<SystemClock>,
    wires: Mutex<HashMap<(String, Way), Wire>>,
}

impl Memory {
    fn wire(&self, node: &str, way: Way) -> Wire {
        self.wires.lock().expect("no panic while locked")[&(node.to_owned(), way)].clone()
    }

    fn keep(&self, node: &str, way: Way, wire: &Wire) {
        self.wires.lock().expect("no panic while locked").insert((node.to_owned(), way), wire.clone());
    }
}

impl World for Memory {
    type Store = MemoryStore<SystemClock>;
    type Bus = MemoryBus<SystemClock>;

    async fn new() -> Self {
        Self { services: MemoryServices::new(SystemClock::default(), None), wires: Mutex::default() }
    }

    fn settings(&self, _: &str, flags: &[&str]) -> Settings {
        settings(&flags.iter().map(|flag| (*flag).to_owned()).collect::<Vec<_>>())
    }

    async fn store(&self, id: &str, flags: &[&str]) -> Self::Store {
        let store = self.services.store.attach(&self.settings(id, flags), &node(id));
        self.keep(id, Way::Store, store.wire());
        store
    }

    async fn bus(&self, id: &str, flags: &[&str]) -> Self::Bus {
        let bus = self.services.stream.attach(&self.settings(id, flags), &node(id));
        self.keep(id, Way::Bus, bus.wire());
        bus
    }

    fn cut(&self, node: &str, way: Way) {
        self.wire(node, way).cut("planned");
    }

    fn mend(&self, node: &str, way: Way) {
        self.wire(node, way).mend();
    }

    async fn losing_answer<T>(&self, node: &str, way: Way, _: Link, operation: Operation, command: impl Future<Output = T>) -> T {
        let wire = self.wire(node, way);
        wire.lose(operation, Loss::Answer, 1);
        let answer = command.await;
        assert_eq!(wire.losses_left(), 0, "the answer of {operation:?} was lost");
        answer
    }

    async fn losing_acks<T>(&self, node: &str, _: Link, count: usize, acks: impl Future<Output = T>) -> T {
        let wire = self.wire(node, Way::Bus);
        wire.lose(Operation::Ack, Loss::Request, count);
        let done = acks.await;
        assert_eq!(wire.losses_left(), 0, "{count} acknowledgements were lost");
        done
    }

    async fn index(&self) -> Vec<String> {
        let rows = self.services.store.rows().into_iter().filter(|row| row.due_ms.is_some());
        let ids: Vec<String> = rows.map(|row| row.message_id.to_string()).collect();
        assert!(ids.len() as u64 <= self.services.store.depth());
        ids
    }

    async fn row(&self, id: &MessageId) -> Option<(u64, String)> {
        let row = self.services.store.rows().into_iter().find(|row| row.message_id == *id)?;
        Some((row.attempts.into(), row.last_error))
    }

    async fn dead(&self) -> Vec<(String, String)> {
        self.services.store.dead().into_iter().map(|row| (row.message_id.to_string(), row.last_error)).collect()
    }

    async fn unindex(&self, id: &MessageId) {
        self.services.store.unindex(id);
    }

    async fn index_without_row(&self, id: &MessageId) {
        self.services.store.index_without_row(id);
    }

    async fn record(&self, id: &OrderId) -> Option<bool> {
        self.services.store.record(id).map(|record| record.ends_ms.is_some())
    }

    async fn is_marked(&self, id: &str, message: &MessageId) -> bool {
        self.services.store.is_marked(&node(id), message)
    }

    async fn parked(&self, id: &str) -> Vec<(String, String)> {
        let parked = self.services.store.parked(&node(id)).into_iter();
        parked.map(|((stream, sequence), note)| (format!("{stream}/{sequence}"), note)).collect()
    }

    async fn ahead(&self, id: &str) -> u64 {
        self.services.store.ahead(&node(id)) as u64
    }

    async fn set_total(&self, id: &str, customer: &CustomerId, minor: u64) {
        self.services.store.set_total(&node(id), customer, minor);
    }

    async fn forget_projection(&self, id: &str) {
        self.services.store.forget_projection(&node(id));
    }

    async fn publish(&self, subject: &str, id: Option<&str>, payload: &[u8]) {
        self.services.stream.publish(subject, id, Bytes::copy_from_slice(payload)).expect("stored");
    }

    async fn purge(&self) {
        self.services.stream.purge();
    }

    async fn purge_before(&self, sequence: u64) {
        self.services.stream.purge_before(sequence);
    }

    async fn delete_message(&self, sequence: u64) {
        assert!(self.services.stream.delete_message(sequence), "it is there");
    }

    async fn delete_stream(&self) {
        self.services.stream.delete();
    }

    async fn delete_consumer(&self, id: &str) {
        self.services.stream.delete_consumer(&node(id));
    }

    async fn stream_ids(&self) -> Vec<String> {
        let messages = self.services.stream.messages(0, usize::MAX).into_iter();
        messages.map(|message| message.message_id.unwrap_or_default()).collect()
    }
}
