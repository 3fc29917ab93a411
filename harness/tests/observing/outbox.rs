//! The outbox gauge and the stream observer, on real Redis and NATS.

use std::time::Duration;

use harness::observe::Observers;
use harness::poll;
use judge::history::{ConsumerState, Sample};

use crate::scripted::ScriptedNode;
use crate::services::{self, Services};
use crate::stage::{NONCE, Stage, cluster, nowhere, order};

/// Depth and age of the newest outbox sample that satisfies the condition.
async fn gauge(stage: &Stage, what: &str, condition: impl Fn(u64, u64) -> bool) -> (u64, u64) {
    let found = poll::until(Duration::from_secs(10), Duration::from_millis(50), || {
        let newest = stage.samples().into_iter().rev().find_map(|sample| match sample {
            Sample::Outbox { depth, oldest_age_ms, .. } => Some((depth, oldest_age_ms)),
            _ => None,
        });
        std::future::ready(match newest {
            Some((depth, age)) if condition(depth, age) => Ok((depth, age)),
            other => Err(format!("{other:?}")),
        })
    });
    found.await.unwrap_or_else(|expired| panic!("{what}: {expired}"))
}

async fn observe(stage: &Stage, services: &Services) -> Observers {
    let node = ScriptedNode::start().await;
    let cluster = cluster(&[&node.url], &services.redis_address, &services.nats_address);
    Observers::start(&cluster, stage.recorder.clone(), NONCE.into()).await.expect("all feeds connect")
}

#[tokio::test]
async fn the_age_is_that_of_the_oldest_row_and_not_of_the_first_one_due() {
    let (stage, mut services) = (Stage::new(), services::empty().await);
    let now = services.now_ms().await;
    let observers = observe(&stage, &services).await;
    assert_eq!(gauge(&stage, "empty", |_, _| true).await, (0, 0));
    services.add_row("old", &order(1, "1"), now - 60_000, now + 9_000).await;
    services.add_row("new", &order(2, "1"), now - 1_000, now + 4_000).await;
    services.index("without-a-row", now).await;
    let (_, age) = gauge(&stage, "three entries", |depth, _| depth == 3).await;
    assert!((60_000..75_000).contains(&age), "{age}");
    services.run(redis::cmd("ZREM").arg("catga:outbox:pending").arg("old")).await;
    let (_, age) = gauge(&stage, "two entries", |depth, _| depth == 2).await;
    assert!((1_000..16_000).contains(&age), "{age}");
    services.run(redis::cmd("DEL").arg("catga:outbox:pending")).await;
    gauge(&stage, "empty again", |depth, age| (depth, age) == (0, 0)).await;
    observers.stop().await;
}

#[tokio::test]
async fn a_deep_outbox_keeps_the_age_of_its_oldest_row() {
    let (stage, mut services) = (Stage::new(), services::empty().await);
    let now = services.now_ms().await;
    let observers = observe(&stage, &services).await;
    services.add_row("old", &order(1, "1"), now - 60_000, now).await;
    gauge(&stage, "the old row", |depth, age| depth == 1 && age >= 60_000).await;
    let mut pipeline = redis::pipe();
    for number in 0..3_000_u64 {
        let row = format!("catga:outbox:pending:m{number}");
        pipeline.cmd("HSET").arg(row).arg("createdAt").arg(now - 10_000).ignore();
        let due = now + number;
        pipeline.cmd("ZADD").arg("catga:outbox:pending").arg(due).arg(format!("m{number}")).ignore();
    }
    // The oldest is now the last one due, far behind what one look reads.
    pipeline.cmd("ZADD").arg("catga:outbox:pending").arg(now + 90_000).arg("old").ignore();
    let () = pipeline.query_async(&mut services.redis).await.expect("rows");
    let (_, age) = gauge(&stage, "deep", |depth, _| depth == 3_001).await;
    assert!((60_000..80_000).contains(&age), "{age}");
    services.run(redis::cmd("ZREM").arg("catga:outbox:pending").arg("old")).await;
    let (_, age) = gauge(&stage, "without the oldest", |depth, _| depth == 3_000).await;
    assert!((10_000..30_000).contains(&age), "{age}");
    observers.stop().await;
}

#[tokio::test]
async fn the_stream_is_sampled_with_the_consumer_of_each_node() {
    let (stage, services) = (Stage::new(), services::empty().await);
    let stream = services.create_stream().await;
    let config = async_nats::jetstream::consumer::pull::Config { durable_name: Some("n1".into()), ..Default::default() };
    stream.create_consumer(config).await.expect("a consumer");
    services.publish("m-1", order(1, "1")).await;
    let observers = observe(&stage, &services).await;
    let found = poll::until(Duration::from_secs(10), Duration::from_millis(50), || {
        let samples = stage.samples();
        let newest = samples.iter().rev().find(|sample| matches!(sample, Sample::Stream { .. })).cloned();
        std::future::ready(newest.ok_or_else(|| format!("{samples:?}")))
    });
    let Sample::Stream { messages, last_sequence, consumers, .. } = found.await.expect("a sample") else {
        unreachable!("asked for a stream")
    };
    assert_eq!((messages, last_sequence), (1, 1));
    let expected = ConsumerState { pending: 1, ack_pending: 0, redelivered: 0 };
    assert_eq!(consumers.into_iter().collect::<Vec<_>>(), [("n1".to_owned(), expected)]);
    observers.stop().await;
}

#[tokio::test]
async fn blindness_is_said_once_and_then_once_a_second() {
    let stage = Stage::new();
    let node = ScriptedNode::start().await;
    let observers = Observers::start(&cluster(&[&node.url], &nowhere(), &nowhere()), stage.recorder.clone(), NONCE.into())
        .await
        .expect("the feed connects");
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    observers.stop().await;
    let samples = stage.samples();
    let said = samples.iter().filter(|sample| matches!(sample, Sample::Blind { observer, .. } if observer == "outbox"));
    assert_eq!(said.count(), 3, "{samples:?}");
}
