//! One look at everything that must be at rest.

use std::collections::BTreeMap;
use std::time::Duration;

use judge::history::ConsumerState;
use reqwest::Client;

use crate::cluster::{Cluster, Node};
use crate::http;
use crate::stores::{JetStream, Redis, StoreError};
use crate::wire::{self, jetstream::StreamState, keys};

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks every node, Redis and `JetStream` the same questions again and again, on connections that are kept.
pub(super) struct Lookout<'a> {
    nodes: &'a [Node],
    client: Client,
    redis: Redis,
    jetstream: JetStream,
}

impl<'a> Lookout<'a> {
    pub(super) async fn new(cluster: &'a Cluster) -> Result<Self, StoreError> {
        Ok(Self {
            nodes: &cluster.nodes,
            client: http::client(PATIENCE),
            redis: Redis::of(cluster, PATIENCE)?,
            jetstream: JetStream::of(cluster, PATIENCE).await?,
        })
    }

    /// Asks them all, side by side.
    pub(super) async fn look(&mut self) -> Look {
        let nodes = futures_util::future::join_all(self.nodes.iter().map(|node| say(&self.client, node)));
        let outbox = async {
            let mut pipeline = redis::pipe();
            pipeline.cmd("PING").ignore().cmd("ZCARD").arg(keys::OUTBOX_INDEX);
            self.redis.ask("looking at the outbox", &pipeline).await.map(|(depth,): (u64,)| depth)
        };
        let stream = async { tokio::try_join!(self.jetstream.stream(), self.jetstream.consumers()) };
        let (nodes, outbox, stream) = tokio::join!(nodes, outbox, stream);
        let ids = self.nodes.iter().map(|node| node.id.clone()).collect();
        Look { nodes, outbox, stream, ids }
    }
}

/// A node's name, and `Ok` if it says that it is up, else what it said.
async fn say(client: &Client, node: &Node) -> (String, Result<(), String>) {
    let said = match http::get(client, &format!("{}/health", node.url)).await {
        Err(error) => Err(error.to_string()),
        Ok(reply) => match wire::health::health(&reply.body) {
            Ok(health) if reply.status == 200 && health.status == "up" => Ok(()),
            Ok(health) => {
                Err(format!("{} {} (nats {}, redis {})", reply.status, health.status, health.checks.nats, health.checks.redis))
            }
            Err(error) => Err(format!("{}, {error}", reply.status)),
        },
    };
    (node.name.clone(), said)
}

/// What one look found.
pub(super) struct Look {
    nodes: Vec<(String, Result<(), String>)>,
    outbox: Result<u64, StoreError>,
    stream: Result<(StreamState, BTreeMap<String, ConsumerState>), StoreError>,
    /// The consumers that must exist.
    ids: Vec<String>,
}

impl Look {
    /// Every node says that it is up, and both stores answer.
    pub(super) fn is_healthy(&self) -> bool {
        self.nodes.iter().all(|(_, said)| said.is_ok()) && self.outbox.is_ok() && self.stream.is_ok()
    }

    /// Nothing is left in the outbox, and every node has a consumer that has nothing left to do.
    pub(super) fn is_at_rest(&self) -> bool {
        let Ok((_, consumers)) = &self.stream else {
            return false;
        };
        let idle = |id| consumers.get(id).is_some_and(|state| state.pending == 0 && state.ack_pending == 0);
        self.outbox.as_ref().is_ok_and(|depth| *depth == 0) && self.ids.iter().all(idle)
    }
}

impl std::fmt::Display for Look {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, said) in &self.nodes {
            let said = said.as_ref().map_or_else(String::as_str, |()| "up");
            write!(out, "{name} {said}; ")?;
        }
        match &self.outbox {
            Ok(depth) => write!(out, "outbox {depth}")?,
            Err(error) => write!(out, "outbox unreadable: {error}")?,
        }
        let (state, consumers) = match &self.stream {
            Ok(stream) => stream,
            Err(error) => return write!(out, "; stream unreadable: {error}"),
        };
        write!(out, "; stream up to {}", state.last_sequence)?;
        for id in &self.ids {
            match consumers.get(id) {
                Some(ConsumerState { pending, ack_pending, .. }) => {
                    write!(out, "; {id} pending {pending}, ack pending {ack_pending}")?;
                }
                None => write!(out, "; {id} has no consumer")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::settle) fn look() -> Look {
        let state = ConsumerState { pending: 0, ack_pending: 0, redelivered: 3 };
        Look {
            nodes: vec![("cluster-node-1".into(), Ok(()))],
            outbox: Ok(0),
            stream: Ok((StreamState::default(), BTreeMap::from([("n1".to_owned(), state)]))),
            ids: vec!["n1".into()],
        }
    }

    pub(in crate::settle) fn look_with(outbox: Result<u64, StoreError>) -> Look {
        Look { outbox, ..look() }
    }

    pub(in crate::settle) fn failed() -> StoreError {
        StoreError::Nats { what: "asking", address: "127.0.0.1:4222".into(), detail: "not connected".into() }
    }

    #[test]
    fn a_cluster_is_at_rest_only_when_nothing_is_left_to_do() {
        assert!(look().is_healthy() && look().is_at_rest());
        let with = |change: fn(&mut Look)| {
            let mut look = look();
            change(&mut look);
            (look.is_healthy(), look.is_at_rest())
        };
        let consumer = |pending, ack_pending| ConsumerState { pending, ack_pending, redelivered: 0 };
        assert_eq!(with(|look| look.outbox = Ok(1)), (true, false));
        assert_eq!(with(|look| look.ids.push("n2".into())), (true, false), "a missing consumer has seen nothing");
        assert_eq!(with(|look| look.nodes[0].1 = Err("503 down".into())), (false, true));
        assert_eq!(with(|look| look.stream = Err(failed())), (false, false));
        assert_eq!(with(|look| look.outbox = Err(failed())), (false, false));
        for state in [consumer(1, 0), consumer(0, 1)] {
            let mut look = look();
            look.stream = Ok((StreamState::default(), BTreeMap::from([("n1".to_owned(), state)])));
            assert!(look.is_healthy() && !look.is_at_rest());
        }
    }

    #[test]
    fn the_last_look_is_told_in_full() {
        let mut look = look();
        look.nodes.push(("cluster-node-2".into(), Err("503 down (nats up, redis down)".into())));
        look.ids.push("n2".into());
        look.outbox = Ok(4);
        assert_eq!(
            look.to_string(),
            "cluster-node-1 up; cluster-node-2 503 down (nats up, redis down); outbox 4; stream up to 0; \
             n1 pending 0, ack pending 0; n2 has no consumer"
        );
        look.stream = Err(failed());
        assert!(look.to_string().ends_with("stream unreadable: asking on NATS at 127.0.0.1:4222: not connected"));
    }
}
