//! The store in memory answers as Redis would, in the contract's keys.

use bytes::Bytes;
use clap::Parser as _;
use node::cli::Cli;
use node::memory::MemoryStore;
use node::order::{CustomerId, MessageId, NodeId, OrderId, PlacedOrder};
use node::ports::{Acceptance, Accepted, ApplyItem, ItemKind, RowKey, Store as _};
use node::settings::Settings;

use super::*;
use crate::embedded::Condition;

const PAYLOAD: &str = r#"{"orderId":"o-1","customerId":"c-1","amount":12.5,"messageId":"m-1","acceptedBy":"n","acceptedAt":"2026-01-01T00:00:00.000000Z"}"#;
const TOKEN: &str = "t";

fn settings() -> Settings {
    Cli::try_parse_from(["node"]).expect("defaults").settings
}

fn node() -> NodeId {
    NodeId::new("n").expect("a name")
}

fn placed() -> PlacedOrder {
    PlacedOrder::from_json(PAYLOAD.as_bytes()).expect("an order")
}

/// Services whose store has one accepted order.
async fn accepted() -> (Services, MemoryStore<SystemClock>) {
    let services = Services::new();
    let store = services.memory().store.attach(&settings(), &node());
    let (placed, payload) = (placed(), Bytes::from_static(PAYLOAD.as_bytes()));
    let accepted = store.accept(Acceptance { placed: &placed, payload: &payload, token: TOKEN }).await;
    assert!(matches!(accepted, Ok(Accepted::New)), "{accepted:?}");
    (services, store)
}

async fn ask<T: redis::FromRedisValue>(services: &Services, words: &[&str]) -> Result<T, RedisError> {
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(word);
    }
    command.query_async(&mut Keyspace::of(services)).await
}

async fn ttl(services: &Services, key: &str) -> i64 {
    ask(services, &["PTTL", key]).await.expect("an answer")
}

#[tokio::test]
async fn an_accepted_order_is_a_record_without_an_end_a_row_and_an_index_entry() {
    let (services, _) = accepted().await;
    let depth: u64 = ask(&services, &["ZCARD", keys::OUTBOX_INDEX]).await.expect("an answer");
    assert_eq!(depth, 1);
    let ids: Vec<String> = ask(&services, &["ZRANGE", keys::OUTBOX_INDEX, "0", "-1"]).await.expect("an answer");
    assert_eq!(ids, ["m-1"]);
    let row: HashMap<String, Vec<u8>> = ask(&services, &["HGETALL", "catga:outbox:pending:m-1"]).await.expect("an answer");
    assert_eq!((row[keys::ROW_PAYLOAD].as_slice(), row[keys::ROW_LEASE_OWNER].as_slice()), (PAYLOAD.as_bytes(), &b"n"[..]));
    let (record,): (Option<String>,) = ask(&services, &["MGET", "catga:idempotency:o-1"]).await.expect("an answer");
    assert_eq!(record, Some(format!("c-1 1250\n{PAYLOAD}")));
    assert_eq!(ttl(&services, "catga:idempotency:o-1").await, -1);
    assert_eq!(ttl(&services, "catga:idempotency:o-2").await, -2);
}

#[tokio::test]
async fn an_index_tells_when_its_first_and_last_entry_are_due() {
    let (services, store) = accepted().await;
    services.memory().store.index_without_row(&MessageId::new("m-0").expect("an id"));
    let entry = async |rank: &str| -> Vec<(String, f64)> {
        ask(&services, &["ZRANGE", keys::OUTBOX_INDEX, rank, rank, "WITHSCORES"]).await.expect("an answer")
    };
    assert_eq!(entry("0").await, [("m-0".to_owned(), 1.0)]);
    let due = services.memory().store.rows()[0].due_ms.expect("it is indexed");
    assert_eq!(entry("-1").await, [("m-1".to_owned(), due as f64)]);
    drop(store);
    assert_eq!(entry("7").await, []);
}

#[tokio::test]
async fn a_record_ends_a_day_after_its_row_and_a_mark_a_day_after_its_order() {
    const DAY_MS: i64 = 86_400_000;
    let (services, store) = accepted().await;
    let row = RowKey {
        message_id: MessageId::new("m-1").expect("an id"),
        order_id: Some(OrderId::new("o-1").expect("an id")),
        token: TOKEN.to_owned(),
    };
    store.remove(&[row]).await.expect("removed");
    let left = ttl(&services, "catga:idempotency:o-1").await;
    assert!((DAY_MS - 60_000..=DAY_MS).contains(&left), "{left}");

    assert_eq!(ttl(&services, "catga:inbox:n:m-1").await, -2);
    store.follow("s", 0).await.expect("it follows");
    let kind = ItemKind::Order { placed: Box::new(placed()), unguarded: false };
    store.apply("s", &[ApplyItem { sequence: 1, settles_from: 1, kind }]).await.expect("applied");
    let left = ttl(&services, "catga:inbox:n:m-1").await;
    assert!((DAY_MS - 60_000..=DAY_MS).contains(&left), "{left}");
    assert_eq!(ttl(&services, "catga:inbox:other:m-1").await, -2, "only that node has applied it");
    assert_eq!(store.customer(&CustomerId::new("c-1").expect("an id")).await.expect("read").expect("known").orders, 1);
}

#[tokio::test]
async fn a_question_that_the_harness_does_not_ask_is_refused_and_a_stopped_store_answers_none() {
    let (services, _) = accepted().await;
    let refused = ask::<Value>(&services, &["FLUSHALL"]).await.expect_err("it only reads");
    assert!(refused.to_string().contains("FLUSHALL"), "{refused}");
    services.set(Link::Redis, Condition::Down);
    assert!(ask::<Value>(&services, &["PING"]).await.is_err());
}
