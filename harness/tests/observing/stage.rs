//! A run folder to record into, a cluster to point at, and what tests read from either.

use std::time::Duration;

use harness::cluster::{Cluster, Node};
use harness::recorder::{HISTORY, Recorder, SAMPLES};
use judge::history::{Entry, Header, Sample};
use serde::de::DeserializeOwned;
use tempfile::TempDir;

pub(crate) const NONCE: &str = "a1b2c3";

pub(crate) struct Stage {
    pub(crate) recorder: Recorder,
    folder: TempDir,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let header = Header {
            format: judge::history::FORMAT,
            harness: "test".into(),
            nonce: NONCE.into(),
            scenario: "test".into(),
            seed: 1,
            started_at: "2026-01-01T00:00:00Z".into(),
            nodes: Vec::new(),
            cluster: "scripted".into(),
            load_priority: None,
        };
        let recorder = Recorder::create(folder.path(), &header).expect("a recorder");
        Self { recorder, folder }
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.lines(HISTORY)
    }

    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.lines(SAMPLES)
    }

    /// How a final read ended: entries, and the error if there was one.
    pub(crate) fn read(&self, source: &str) -> (u64, Option<String>) {
        let ends: Vec<(u64, Option<String>)> = self
            .entries()
            .into_iter()
            .filter_map(|entry| match entry {
                Entry::FinalRead { what, entries, error, .. } if what == source => Some((entries, error)),
                _ => None,
            })
            .collect();
        assert_eq!(ends.len(), 1, "{source} must end once: {ends:?}");
        ends.into_iter().next().expect("one")
    }

    /// Waits until the entries satisfy `condition`.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&[Entry]) -> bool) -> Vec<Entry> {
        let (within, interval) = (Duration::from_secs(15), Duration::from_millis(10));
        let found = harness::poll::until(within, interval, || {
            let entries = self.entries();
            let found = if condition(&entries) { Ok(entries) } else { Err(format!("{entries:?}")) };
            std::future::ready(found)
        });
        found.await.unwrap_or_else(|expired| panic!("{what}: {expired}"))
    }

    fn lines<T: DeserializeOwned>(&self, file: &str) -> Vec<T> {
        self.recorder.finish().expect("written");
        let text = std::fs::read_to_string(self.folder.path().join(file)).expect("a file");
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

/// An address on which nobody listens.
pub(crate) fn nowhere() -> String {
    "127.0.0.1:1".to_owned()
}

/// A cluster of these nodes and services.
pub(crate) fn cluster(urls: &[&str], redis: &str, nats: &str) -> Cluster {
    let nodes = urls.iter().enumerate().map(|(at, url)| Node {
        name: format!("cluster-node-{}", at + 1),
        id: format!("n{}", at + 1),
        url: (*url).to_owned(),
        container: String::new(),
    });
    Cluster { nats: nats.to_owned(), redis: redis.to_owned(), ..Cluster::of_nodes("test", nodes.collect()) }
}

/// The JSON of an order of the run.
pub(crate) fn order(number: u64, amount: &str) -> String {
    format!(
        r#"{{"orderId":"{NONCE}-{number}","customerId":"{NONCE}-c{}","amount":{amount},"messageId":"m-{number}","acceptedBy":"n1","acceptedAt":"2026-01-01T00:00:00.000001Z"}}"#,
        number % 3
    )
}
