//! Quiescence, on real Redis and NATS with a scripted node.

use std::time::{Duration, Instant};

use async_nats::jetstream::{self, consumer::pull, stream};
use futures_util::StreamExt as _;
use harness::settle::wait_for_quiescence;
use judge::history::Quiescence;

use crate::scripted::ScriptedNode;
use crate::services::{self, Services};
use crate::stage::{Stage, cluster, order};

const LEASE: Duration = Duration::from_secs(1);

struct Set {
    stage: Stage,
    services: Services,
    node: ScriptedNode,
    stream: stream::Stream,
}

async fn set() -> Set {
    let services = services::empty().await;
    let node = ScriptedNode::start().await;
    node.say_health(200, "up", "up", "up");
    let stream = services.create_stream().await;
    Set { stage: Stage::new(), services, node, stream }
}

impl Set {
    async fn consumer(&self) -> jetstream::consumer::Consumer<pull::Config> {
        let config = pull::Config { durable_name: Some("n1".into()), ..Default::default() };
        self.stream.create_consumer(config).await.expect("a consumer")
    }

    async fn settle(&self, seconds: u64, last_heal_us: Option<u64>) -> Quiescence {
        let cluster = cluster(&[&self.node.url], &self.services.redis_address, &self.services.nats_address);
        wait_for_quiescence(&cluster, &self.stage.recorder, Duration::from_secs(seconds), last_heal_us, LEASE).await
    }
}

#[tokio::test]
async fn a_cluster_at_rest_is_quiescent_after_two_seconds() {
    let set = set().await;
    set.consumer().await;
    let settled = set.settle(10, None).await;
    assert!(settled.reached && settled.healthy, "{settled:?}");
    assert!((2_000..4_000).contains(&settled.waited_ms), "{settled:?}");
}

#[tokio::test]
async fn a_lease_must_pass_since_the_last_heal() {
    let set = set().await;
    set.consumer().await;
    let heal_us = set.stage.recorder.now_us() + 2_500_000;
    let settled = set.settle(10, Some(heal_us)).await;
    assert!(settled.reached, "{settled:?}");
    assert!(settled.t_us >= heal_us + 1_000_000, "{settled:?}");
}

#[tokio::test]
async fn work_left_over_is_named_and_with_all_healthy_it_is_stranded() {
    let mut set = set().await;
    let now = set.services.now_ms().await;
    set.services.add_row("m-1", &order(1, "1"), now, now).await;
    let settled = set.settle(5, None).await;
    assert!(!settled.reached && settled.healthy, "{settled:?}");
    for part in ["cluster-node-1 up", "outbox 1", "n1 has no consumer"] {
        assert!(settled.last_seen.contains(part), "{settled:?}");
    }
}

#[tokio::test]
async fn pending_and_unacknowledged_messages_are_work_left_over() {
    let set = set().await;
    let consumer = set.consumer().await;
    set.services.publish("m-1", order(1, "1")).await;
    set.services.publish("m-2", order(2, "1")).await;
    let mut messages = consumer.fetch().max_messages(1).messages().await.expect("a batch");
    let message = messages.next().await.expect("a message").expect("a message");
    let settled = set.settle(4, None).await;
    assert!(!settled.reached && settled.healthy, "{settled:?}");
    assert!(settled.last_seen.contains("n1 pending 1, ack pending 1"), "{settled:?}");
    drop(message);
}

#[tokio::test]
async fn an_unhealthy_cluster_is_never_called_stranded() {
    let set = set().await;
    set.consumer().await;
    set.node.say_health(503, "down", "up", "down");
    let settled = set.settle(4, None).await;
    assert!(!settled.reached && !settled.healthy, "{settled:?}");
    assert!(settled.last_seen.contains("cluster-node-1 503 down (nats up, redis down)"), "{settled:?}");
    set.node.say_health(200, "degraded", "down", "up");
    assert!(!set.settle(1, None).await.healthy);
}

#[tokio::test]
async fn a_cluster_that_came_back_a_moment_ago_is_not_called_healthy() {
    let set = set().await;
    set.node.say_health(503, "down", "up", "down");
    let node = set.node.clone();
    let came_back = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        node.say_health(200, "up", "up", "up");
    };
    let (settled, ()) = tokio::join!(set.settle(4, None), came_back);
    assert!(!settled.reached && !settled.healthy, "{settled:?}");
    assert!(settled.last_seen.contains("cluster-node-1 up"), "{settled:?}");
}

#[tokio::test]
async fn the_wait_ends_soon_after_its_deadline_whatever_hangs() {
    let set = set().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = silent.local_addr().expect("an address").to_string();
    let cluster = cluster(&[&format!("http://{address}")], &address, &address);
    let began = Instant::now();
    let settled = wait_for_quiescence(&cluster, &set.stage.recorder, Duration::from_secs(1), None, LEASE).await;
    assert!(!settled.reached && !settled.healthy, "{settled:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
