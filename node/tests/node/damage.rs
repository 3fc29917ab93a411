//! Keys that something else has written to: what is damaged is set aside or told of, and harms nothing beside it.

use node::order::{Amount, CustomerId, MessageId, NewOrder, NodeId, OrderId, PlacedOrder};
use node::ports::{ApplyItem, Effect, ItemKind, Store as _};

use crate::outbox::store;
use crate::space::{Space, eventually, redis_url};

fn placed(id: &str, customer: &str) -> PlacedOrder {
    PlacedOrder {
        order: NewOrder {
            order_id: OrderId::new(id).expect("an id"),
            customer_id: CustomerId::new(customer).expect("an id"),
            amount: Amount::from_minor(100).expect("an amount"),
        },
        message_id: MessageId::new(&format!("message-{id}")).expect("an id"),
        accepted_by: NodeId::new("n1").expect("an id"),
        accepted_at: "2026-01-01T00:00:00Z".parse().expect("a time"),
    }
}

fn deliveries(orders: &[(&str, &str)]) -> Vec<ApplyItem> {
    let item = |(sequence, (id, customer)): (u64, &(&str, &str))| ApplyItem {
        sequence,
        settles_from: sequence,
        kind: ItemKind::Order { placed: Box::new(placed(id, customer)), unguarded: false },
    };
    (1..).zip(orders).map(item).collect()
}

#[tokio::test]
async fn a_damaged_entry_or_ledger_is_parked_and_holds_up_no_other_order() {
    let space = Space::new().await;
    let store = store(&space, "n1");
    store.link().wait_up().await.expect("the link lives");
    store.follow("stream", 0).await.expect("followed");
    let _: i64 = space.query(&["HSET", &space.key("projection:n1:orders"), "damaged", "hello"]).await;
    let _: i64 = space.query(&["HSET", &space.key("projection:n1:totals"), "no-total", "hello"]).await;
    let _: i64 = space.query(&["HSET", &space.key("projection:n1:counts"), "no-count", "hello"]).await;
    let orders = deliveries(&[("good", "c"), ("damaged", "c"), ("one", "no-total"), ("two", "no-count"), ("better", "c")]);
    let batch = store.apply("stream", &orders).await.expect("applied");
    assert!(
        matches!(
            batch.effects.as_slice(),
            [
                Effect::Applied { position: 1 },
                Effect::Parked(_),
                Effect::Parked(_),
                Effect::Parked(_),
                Effect::Applied { position: 2 }
            ]
        ),
        "{:?}",
        batch.effects
    );
    assert_eq!((batch.newly_parked, space.query::<u64>(&["HLEN", &space.key("projection:n1:parked")]).await), (3, 3));
    assert_eq!(store.progress().await.expect("read").floor, 5, "none of them comes again");
    space.clean().await;
}

#[tokio::test]
async fn a_number_that_is_none_fails_its_own_reader_alone() {
    let space = Space::new().await;
    let node = space.node("n1").ready().await;
    node.place("good").await;
    node.wait_applied("good").await;
    let _: i64 = space.query(&["HSET", &space.key("projection:n1:counts"), "damaged", "hello"]).await;
    for _ in 0..20 {
        assert_eq!(node.get("/api/customers/damaged").await.0.as_u16(), 503);
        assert_eq!(node.get("/api/customers/customer-123").await.0.as_u16(), 200);
    }
    let outages = node.lines().iter().filter(|line| line.contains("redis is down")).count();
    assert_eq!(outages, 0, "the connection to Redis is as good as ever");
    space.clean().await;
}

#[tokio::test]
async fn a_key_whose_name_is_no_text_does_not_stop_the_search_for_lost_rows() {
    let space = Space::new().await;
    let node = space.node("n1").set("CATGA_SWEEP_INTERVAL", "10ms").ready().await;
    let client = redis::Client::open(redis_url()).expect("a url");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a connection");
    let mut name = space.key("outbox:pending:").into_bytes();
    name.push(0xff);
    let mut command = redis::cmd("HSET");
    command.arg(&name).arg("payload").arg("x");
    let _: i64 = command.query_async(&mut connection).await.expect("written");
    let row = space.key("outbox:pending:found");
    let _: i64 = space.query(&["HSET", &row, "payload", "no order", "subject", "x", "createdAt", "1", "leaseToken", "t"]).await;
    eventually("the row without an index entry is found", async || match space.query::<i64>(&["EXISTS", &row]).await {
        0 => Ok(()),
        count => Err(count.to_string()),
    })
    .await;
    let outages = node.lines().iter().filter(|line| line.contains("redis is down")).count();
    assert_eq!(outages, 0, "the connection to Redis is as good as ever");
    let _: i64 = redis::cmd("DEL").arg(&name).query_async(&mut connection).await.expect("removed");
    space.clean().await;
}
