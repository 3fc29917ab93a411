//! Final reads: complete, or saying why not.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use harness::cluster::Cluster;
use harness::final_reads::read_all;
use judge::history::{Entry, Record, Row, RowState};

use crate::scripted::{ScriptedNode, id};
use crate::services;
use crate::stage::{NONCE, Stage, cluster, nowhere, order};

const DEADLINE: Duration = Duration::from_secs(20);

fn applied(number: u64, amount: &str) -> String {
    let place = format!(r#","sequence":{number},"position":{number},"applied":1,"appliedAt":"2026-01-01T00:00:01Z"}}"#);
    order(number, amount).replacen('}', &place, 1)
}

fn page(rows: &[String], next: Option<u64>) -> String {
    let next = next.map_or("null".to_owned(), |next| next.to_string());
    format!(r#"{{"orders":[{}],"next":{next}}}"#, rows.join(","))
}

async fn read(stage: &Stage, cluster: &Cluster, customers: &[String]) {
    read_all(cluster, &stage.recorder, NONCE, customers, DEADLINE).await;
}

#[tokio::test]
async fn a_node_is_read_page_by_page_and_customer_by_customer() {
    let (stage, node) = (Stage::new(), ScriptedNode::start().await);
    let foreign = applied(3, "1").replace(NONCE, "another");
    node.answer("/api/orders?after=0&limit=1000", 200, page(&[applied(1, "99.99"), applied(2, "1e2")], Some(2)));
    node.answer("/api/orders?after=2&limit=1000", 200, page(&[foreign, applied(4, "0.125")], None));
    node.answer("/api/customers/c-1", 200, r#"{"customerId":"c-1","orders":2,"total":199.98}"#);
    node.answer("/api/customers/c-2", 200, r#"{"customerId":"c-2","orders":1,"total":0.1250001}"#);
    node.answer("/metrics", 200, "catga_parked_total 2\n");
    // Each question is refused once: asking again is reading, not an operation.
    node.change(|script| script.hiccups = 1);
    let customers = ["c-1", "c-2", "c-3"].map(str::to_owned);
    read(&stage, &cluster(&[&node.url], &nowhere(), &nowhere()), &customers).await;
    let entries = stage.entries();
    let projected = entries.iter().filter_map(|entry| match entry {
        Entry::Projection(read) => Some((read.order_id.clone(), read.amount_minor, read.position, read.applied)),
        _ => None,
    });
    let expected = [(id(1), Some(9_999), 1, 1), (id(2), Some(10_000), 2, 1), (id(4), None, 4, 1)];
    assert_eq!(projected.collect::<Vec<_>>(), expected);
    let ledgers = entries.iter().filter_map(|entry| match entry {
        Entry::Ledger { customer_id, orders, total_minor, .. } => Some((customer_id.as_str(), *orders, *total_minor)),
        _ => None,
    });
    assert_eq!(ledgers.collect::<Vec<_>>(), [("c-1", 2, Some(19_998)), ("c-2", 1, None), ("c-3", 0, Some(0))]);
    assert!(entries.contains(&Entry::Parked { node: "cluster-node-1".into(), count: 2 }));
    assert_eq!(stage.read("projection cluster-node-1"), (3, None));
    assert_eq!(stage.read("foreign projection cluster-node-1"), (1, None));
    assert_eq!(stage.read("ledger cluster-node-1"), (3, None));
    assert_eq!(stage.read("parked cluster-node-1"), (1, None));
}

#[tokio::test]
async fn what_cannot_be_read_is_said_and_holds_nobody_up() {
    let (stage, node) = (Stage::new(), ScriptedNode::start().await);
    node.answer("/api/orders?after=0&limit=1000", 200, page(&[applied(1, "1")], Some(1)));
    node.answer("/api/orders?after=1&limit=1000", 200, page(&[applied(1, "1")], Some(1)));
    node.answer("/api/customers/c-1", 200, "{}");
    node.answer("/metrics", 200, "else 1\n");
    let cluster = cluster(&[&node.url, "http://127.0.0.1:1"], &nowhere(), &nowhere());
    let began = Instant::now();
    read(&stage, &cluster, &["c-1".to_owned()]).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    for (source, entries, part) in [
        ("projection cluster-node-1", 2, "no way forward"),
        ("ledger cluster-node-1", 0, "a ledger"),
        ("parked cluster-node-1", 0, "nothing of catga_parked_total"),
        ("projection cluster-node-2", 0, "connecting to"),
        ("ledger cluster-node-2", 0, "connecting to"),
        ("parked cluster-node-2", 0, "connecting to"),
        ("stream", 0, "not connected"),
        ("records", 0, "on Redis at 127.0.0.1:1"),
        ("outbox", 0, "on Redis at 127.0.0.1:1"),
    ] {
        let (read, error) = stage.read(source);
        assert_eq!(read, entries, "{source}");
        assert!(error.as_ref().is_some_and(|error| error.contains(part)), "{source}: {error:?}");
    }
}

#[tokio::test]
async fn a_read_cut_off_by_the_deadline_says_so() {
    let (stage, node) = (Stage::new(), ScriptedNode::start().await);
    node.change(|script| script.refusing = true);
    let cluster = cluster(&[&node.url], &nowhere(), &nowhere());
    read_all(&cluster, &stage.recorder, NONCE, &["c".to_owned()], Duration::from_millis(300)).await;
    for source in ["projection cluster-node-1", "stream", "records"] {
        let (_, error) = stage.read(source);
        assert!(error.is_some(), "{source}");
    }
}

fn record(number: u64) -> String {
    format!("{NONCE}-c{} 9999\n{}", number % 3, order(number, "99.99"))
}

#[tokio::test]
async fn records_of_the_run_are_read_and_broken_ones_are_told_of() {
    let (stage, mut services) = (Stage::new(), services::empty().await);
    for number in 1..=1_200 {
        services.run(redis::cmd("SET").arg(format!("catga:idempotency:{}", id(number))).arg(record(number))).await;
    }
    services.run(redis::cmd("SET").arg("catga:idempotency:another-1").arg("whatever")).await;
    let cluster = cluster(&[], &services.redis_address, &nowhere());
    read(&stage, &cluster, &[]).await;
    let records = stage.entries().into_iter().filter_map(|entry| match entry {
        Entry::Record(Record { order_id, customer_id, amount_minor, message_id }) => {
            Some((order_id, customer_id, amount_minor, message_id))
        }
        _ => None,
    });
    let records: Vec<_> = records.collect();
    assert_eq!(records.len(), 1_200);
    assert!(records.contains(&(id(7), format!("{NONCE}-c1"), Some(9_999), "m-7".into())));
    assert_eq!(stage.read("records"), (1_200, None));
    assert_eq!(stage.read("foreign records"), (1, None));

    let stage = Stage::new();
    services.run(redis::cmd("SET").arg(format!("catga:idempotency:{}", id(1))).arg(record(2))).await;
    services.run(redis::cmd("DEL").arg(format!("catga:idempotency:{}", id(2)))).await;
    services.run(redis::cmd("HSET").arg(format!("catga:idempotency:{}", id(2))).arg("a").arg("b")).await;
    read(&stage, &cluster, &[]).await;
    let (read, error) = stage.read("records");
    assert_eq!(read, 1_198);
    assert!(error.expect("an error").starts_with("2 could not be read"));
}

#[tokio::test]
async fn what_is_left_in_the_outbox_is_classified() {
    let (stage, mut services) = (Stage::new(), services::empty().await);
    services.add_row("m-1", &order(1, "1"), 1, 2).await;
    services.add_row("m-2", "no order", 1, 2).await;
    services.run(redis::cmd("ZREM").arg("catga:outbox:pending").arg("m-2")).await;
    services.index("m-3", 5).await;
    services.run(redis::cmd("HSET").arg("catga:outbox:dead:m-4").arg("payload").arg(order(4, "1")).arg("attempts").arg(9)).await;
    read(&stage, &cluster(&[], &services.redis_address, &nowhere()), &[]).await;
    let rows = stage.entries().into_iter().filter_map(|entry| match entry {
        Entry::Row(row) => Some(row),
        _ => None,
    });
    let row = |message_id: &str, state, order_id: Option<String>, attempts, last_error: Option<&str>| Row {
        message_id: message_id.into(),
        state,
        order_id,
        attempts,
        last_error: last_error.map(str::to_owned),
    };
    let expected = [
        row("m-1", RowState::Pending, Some(id(1)), Some(2), Some("no answer")),
        row("m-2", RowState::Unindexed, None, Some(2), Some("no answer")),
        row("m-3", RowState::IndexOnly, None, None, None),
        row("m-4", RowState::Dead, Some(id(4)), Some(9), None),
    ];
    assert_eq!(rows.collect::<Vec<_>>(), expected);
    assert_eq!(stage.read("outbox"), (4, None));
}

fn published(stage: &Stage) -> Vec<(u64, String, Option<u64>)> {
    let published = stage.entries().into_iter().filter_map(|entry| match entry {
        Entry::Published(read) => Some((read.sequence, read.message_id, read.answer.and_then(|answer| answer.amount_minor))),
        _ => None,
    });
    published.collect()
}

#[tokio::test]
async fn the_whole_stream_is_read_with_ids_and_amounts() {
    let (stage, services) = (Stage::new(), services::empty().await);
    let cluster = cluster(&[], &nowhere(), &services.nats_address);
    read(&stage, &cluster, &[]).await;
    let (_, error) = stage.read("stream");
    assert!(error.expect("no stream").contains("stream not found"));

    let stream = services.create_stream().await;
    let stage = Stage::new();
    read(&stage, &cluster, &[]).await;
    assert_eq!(stage.read("stream"), (0, None), "an empty stream is read completely");

    for number in 1..=2_500 {
        services.publish(&format!("m-{number}"), order(number, "12.34")).await;
    }
    services.publish("m-odd", "no order".into()).await;
    stream.delete_message(3).await.expect("deleted");
    let stage = Stage::new();
    read(&stage, &cluster, &[]).await;
    assert_eq!(stage.read("stream"), (2_500, None));
    let read_back = published(&stage);
    assert_eq!(read_back[1], (2, "m-2".into(), Some(1_234)));
    assert_eq!(read_back[2], (4, "m-4".into(), Some(1_234)));
    assert_eq!(read_back[2_499], (2_501, "m-odd".into(), None));
    let stored = stage.entries().into_iter().find_map(|entry| match entry {
        Entry::Published(read) => Some(read.stored_at),
        _ => None,
    });
    assert!(stored.expect("a time").ends_with('Z'));

    stream.purge().sequence(2_000).await.expect("purged");
    stream.delete_message(2_501).await.expect("deleted");
    let stage = Stage::new();
    read(&stage, &cluster, &[]).await;
    assert_eq!(stage.read("stream"), (501, None), "a stream that ends with deleted messages is read completely");
    assert_eq!(published(&stage).first().map(|read| read.0), Some(2_000));
    let info = stream.get_info().await.expect("info");
    assert_eq!(info.state.consumer_count, 0, "the reader leaves no consumer behind");
}

#[tokio::test]
async fn a_large_run_is_read_within_ten_seconds() {
    const ORDERS: u64 = 20_000;
    let (stage, mut services) = (Stage::new(), services::empty().await);
    services.create_stream().await;
    let node = ScriptedNode::start().await;
    let mut pipeline = redis::pipe();
    let mut acks = Vec::new();
    for number in 1..=ORDERS {
        pipeline.cmd("SET").arg(format!("catga:idempotency:{}", id(number))).arg(record(number)).ignore();
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Msg-Id", format!("m-{number}"));
        let payload = order(number, "99.99").into();
        let subject = "catga.cluster.order.placed";
        acks.push(services.jetstream.publish_with_headers(subject, headers, payload).await.expect("published"));
        if acks.len() == 256 {
            for ack in acks.drain(..) {
                ack.await.expect("acknowledged");
            }
        }
    }
    for ack in acks {
        ack.await.expect("acknowledged");
    }
    let () = pipeline.query_async(&mut services.redis).await.expect("records");
    for first in (1..=ORDERS).step_by(1_000) {
        let rows: Vec<String> = (first..first + 1_000).map(|number| applied(number, "99.99")).collect();
        let (after, last) = (first - 1, first + 999);
        let mut path = String::from("/api/orders?");
        write!(path, "after={after}&limit=1000").expect("written");
        node.answer(&path, 200, page(&rows, (last < ORDERS).then_some(last)));
    }
    node.answer("/metrics", 200, "catga_parked_total 0\n");
    let urls = [node.url.as_str(); 3];
    let began = Instant::now();
    read(&stage, &cluster(&urls, &services.redis_address, &services.nats_address), &[]).await;
    let took = began.elapsed();
    for source in ["stream", "records", "projection cluster-node-1", "projection cluster-node-3"] {
        assert_eq!(stage.read(source), (ORDERS, None), "{source}");
    }
    assert!(took < Duration::from_secs(10), "reading {ORDERS} orders took {took:?}");
}
