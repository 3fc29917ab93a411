//! Waiting until a cluster has come to rest: only then is what is missing lost, and not merely late.

use std::collections::BTreeMap;
use std::time::Duration;

use judge::history::{ConsumerState, Quiescence};
use reqwest::Client;
use tokio::time::{Instant, sleep_until};

use crate::cluster::{Cluster, Node};
use crate::http;
use crate::recorder::Recorder;
use crate::stores::{JetStream, Redis, StoreError};
use crate::wire::{self, jetstream::StreamState, keys};

const PERIOD: Duration = Duration::from_millis(150);
/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long everything must have been at rest without a break.
const AT_REST: Duration = Duration::from_secs(2);

/// Waits until the cluster is quiescent: every node says it is up, Redis and `JetStream` answer, the outbox is empty,
/// every node has a consumer with nothing pending and nothing unacknowledged; all of that for 2 s without a break; and
/// one `lease` has passed since `last_heal_us`, so that every row of a node that died has been claimable.
///
/// Writes nothing. `healthy` in the result means that services and nodes were verified healthy without a break for
/// long enough to come to rest (2 s and a lease) before the wait ended: less than that is no ground to call an order
/// stranded. `last_seen` says what the last look found.
pub async fn wait_for_quiescence(
    cluster: &Cluster,
    recorder: &Recorder,
    deadline: Duration,
    last_heal_us: Option<u64>,
    lease: Duration,
) -> Quiescence {
    let began = Instant::now();
    let ends = began + deadline;
    let mut streaks = Streaks::default();
    let mut lookout = match Lookout::new(cluster).await {
        Ok(lookout) => lookout,
        Err(error) => {
            return quiescence(
                recorder,
                began,
                Ending {
                    reached: false,
                    healthy: false,
                },
                error.to_string(),
            );
        }
    };
    loop {
        let begins = Instant::now();
        // Its questions have deadlines of their own: cutting it off here would leave the last word to an older look.
        let look = lookout.look().await;
        streaks.note(&look, begins, Instant::now());
        let lease_is_over = last_heal_us.is_none_or(|heal_us| waited_out(recorder, heal_us, lease));
        if streaks.at_rest_for() >= AT_REST && lease_is_over {
            return quiescence(
                recorder,
                began,
                Ending {
                    reached: true,
                    healthy: true,
                },
                look.to_string(),
            );
        }
        if Instant::now() + PERIOD >= ends {
            let healthy = look.is_healthy() && streaks.healthy_for() >= AT_REST + lease;
            let last_seen = format!(
                "{look}; healthy for {} ms",
                streaks.healthy_for().as_millis()
            );
            return quiescence(
                recorder,
                began,
                Ending {
                    reached: false,
                    healthy,
                },
                last_seen,
            );
        }
        sleep_until(begins + PERIOD).await;
    }
}

#[derive(Clone, Copy)]
struct Ending {
    reached: bool,
    healthy: bool,
}

fn quiescence(
    recorder: &Recorder,
    began: Instant,
    ending: Ending,
    last_seen: String,
) -> Quiescence {
    let waited_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let Ending { reached, healthy } = ending;
    Quiescence {
        t_us: recorder.now_us(),
        reached,
        healthy,
        waited_ms,
        last_seen,
    }
}

fn waited_out(recorder: &Recorder, heal_us: u64, lease: Duration) -> bool {
    recorder.now_us().saturating_sub(heal_us)
        >= u64::try_from(lease.as_micros()).unwrap_or(u64::MAX)
}

/// Since when looks have found the cluster healthy, and at rest, without a break.
///
/// A streak reaches from the end of its first look to the beginning of its last: what a look found was true at some
/// moment between its own ends.
#[derive(Debug, Default)]
struct Streaks {
    healthy_since: Option<Instant>,
    resting_since: Option<Instant>,
    last_look: Option<Instant>,
}

impl Streaks {
    fn note(&mut self, look: &Look, began: Instant, ended: Instant) {
        let healthy = look.is_healthy();
        self.healthy_since = healthy.then(|| self.healthy_since.unwrap_or(ended));
        self.resting_since =
            (healthy && look.is_at_rest()).then(|| self.resting_since.unwrap_or(ended));
        self.last_look = Some(began);
    }

    fn at_rest_for(&self) -> Duration {
        self.lasts(self.resting_since)
    }

    fn healthy_for(&self) -> Duration {
        self.lasts(self.healthy_since)
    }

    fn lasts(&self, since: Option<Instant>) -> Duration {
        match (since, self.last_look) {
            (Some(since), Some(last)) => last.saturating_duration_since(since),
            _ => Duration::ZERO,
        }
    }
}

struct Lookout<'a> {
    nodes: &'a [Node],
    client: Client,
    redis: Redis,
    jetstream: JetStream,
}

impl<'a> Lookout<'a> {
    async fn new(cluster: &'a Cluster) -> Result<Self, StoreError> {
        Ok(Self {
            nodes: &cluster.nodes,
            client: http::client(PATIENCE),
            redis: Redis::new(&cluster.redis, PATIENCE)?,
            jetstream: JetStream::connect(&cluster.nats, PATIENCE).await?,
        })
    }

    async fn look(&mut self) -> Look {
        let nodes =
            futures_util::future::join_all(self.nodes.iter().map(|node| say(&self.client, node)));
        let outbox = async {
            let mut pipeline = redis::pipe();
            pipeline
                .cmd("PING")
                .ignore()
                .cmd("ZCARD")
                .arg(keys::OUTBOX_INDEX);
            self.redis
                .ask("looking at the outbox", &pipeline)
                .await
                .map(|(depth,): (u64,)| depth)
        };
        let stream =
            async { tokio::try_join!(self.jetstream.stream(), self.jetstream.consumers()) };
        let (nodes, outbox, stream) = tokio::join!(nodes, outbox, stream);
        let ids = self.nodes.iter().map(|node| node.id.clone()).collect();
        Look {
            nodes,
            outbox,
            stream,
            ids,
        }
    }
}

/// A node's name, and `Ok` if it says that it is up, else what it said.
async fn say(client: &Client, node: &Node) -> (String, Result<(), String>) {
    let said = match http::get(client, &format!("{}/health", node.url)).await {
        Err(error) => Err(error.to_string()),
        Ok(reply) => match wire::health::health(&reply.body) {
            Ok(health) if reply.status == 200 && health.status == "up" => Ok(()),
            Ok(health) => Err(format!(
                "{} {} (nats {}, redis {})",
                reply.status, health.status, health.checks.nats, health.checks.redis
            )),
            Err(error) => Err(format!("{}, {error}", reply.status)),
        },
    };
    (node.name.clone(), said)
}

/// What one look found.
struct Look {
    nodes: Vec<(String, Result<(), String>)>,
    outbox: Result<u64, StoreError>,
    stream: Result<(StreamState, BTreeMap<String, ConsumerState>), StoreError>,
    /// The consumers that must exist.
    ids: Vec<String>,
}

impl Look {
    fn is_healthy(&self) -> bool {
        self.nodes.iter().all(|(_, said)| said.is_ok())
            && self.outbox.is_ok()
            && self.stream.is_ok()
    }

    fn is_at_rest(&self) -> bool {
        let Ok((_, consumers)) = &self.stream else {
            return false;
        };
        let idle = |id| {
            consumers
                .get(id)
                .is_some_and(|state| state.pending == 0 && state.ack_pending == 0)
        };
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
                Some(ConsumerState {
                    pending,
                    ack_pending,
                    ..
                }) => {
                    write!(out, "; {id} pending {pending}, ack pending {ack_pending}")?;
                }
                None => write!(out, "; {id} has no consumer")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look() -> Look {
        let state = ConsumerState {
            pending: 0,
            ack_pending: 0,
            redelivered: 3,
        };
        Look {
            nodes: vec![("cluster-node-1".into(), Ok(()))],
            outbox: Ok(0),
            stream: Ok((
                StreamState::default(),
                BTreeMap::from([("n1".to_owned(), state)]),
            )),
            ids: vec!["n1".into()],
        }
    }

    fn failed() -> StoreError {
        StoreError::Nats {
            what: "asking",
            address: "127.0.0.1:4222".into(),
            detail: "not connected".into(),
        }
    }

    #[test]
    fn a_cluster_is_at_rest_only_when_nothing_is_left_to_do() {
        assert!(look().is_healthy() && look().is_at_rest());
        let with = |change: fn(&mut Look)| {
            let mut look = look();
            change(&mut look);
            (look.is_healthy(), look.is_at_rest())
        };
        let consumer = |pending, ack_pending| ConsumerState {
            pending,
            ack_pending,
            redelivered: 0,
        };
        assert_eq!(with(|look| look.outbox = Ok(1)), (true, false));
        assert_eq!(
            with(|look| look.ids.push("n2".into())),
            (true, false),
            "a missing consumer has seen nothing"
        );
        assert_eq!(
            with(|look| look.nodes[0].1 = Err("503 down".into())),
            (false, true)
        );
        assert_eq!(with(|look| look.stream = Err(failed())), (false, false));
        assert_eq!(with(|look| look.outbox = Err(failed())), (false, false));
        for state in [consumer(1, 0), consumer(0, 1)] {
            let mut look = look();
            look.stream = Ok((
                StreamState::default(),
                BTreeMap::from([("n1".to_owned(), state)]),
            ));
            assert!(look.is_healthy() && !look.is_at_rest());
        }
    }

    #[test]
    fn the_last_look_is_told_in_full() {
        let mut look = look();
        look.nodes.push((
            "cluster-node-2".into(),
            Err("503 down (nats up, redis down)".into()),
        ));
        look.ids.push("n2".into());
        look.outbox = Ok(4);
        assert_eq!(
            look.to_string(),
            "cluster-node-1 up; cluster-node-2 503 down (nats up, redis down); outbox 4; stream up to 0; \
             n1 pending 0, ack pending 0; n2 has no consumer"
        );
        look.stream = Err(failed());
        assert!(
            look.to_string()
                .ends_with("stream unreadable: asking on NATS at 127.0.0.1:4222: not connected")
        );
    }

    #[test]
    fn one_look_that_finds_work_breaks_the_rest() {
        let began = Instant::now();
        let mut streaks = Streaks::default();
        let mut busy = look();
        busy.outbox = Ok(1);
        let mut down = look();
        down.outbox = Err(failed());
        // When a look begins, what it finds, and how long rest and health have then lasted; each look takes 10 ms.
        for (at, seen, at_rest, healthy) in [
            (0, &look(), 0, 0),
            (1_910, &look(), 1_900, 1_900),
            (2_010, &look(), 2_000, 2_000),
            (2_110, &busy, 0, 2_100),
            (2_210, &look(), 0, 2_200),
            (4_320, &look(), 2_100, 4_310),
            (4_420, &down, 0, 0),
            (4_520, &busy, 0, 0),
            (4_630, &look(), 0, 100),
        ] {
            let begins = began + Duration::from_millis(at);
            streaks.note(seen, begins, begins + Duration::from_millis(10));
            let lasted = (
                streaks.at_rest_for().as_millis(),
                streaks.healthy_for().as_millis(),
            );
            assert_eq!(lasted, (at_rest, healthy), "at {at} ms");
        }
    }
}
