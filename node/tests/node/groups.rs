//! Orders that are accepted together: each keeps its own answer, and one strange key harms no neighbour.
//!
//! The tests run on one thread, so that orders which are placed at once are all queued before the first is sent:
//! they are one group, or as many as the test says.

use std::time::Instant;

use clap::Parser as _;
use futures_util::future::join_all;
use node::cli::Cli;
use node::order::{Amount, CustomerId, MessageId, NewOrder, NodeId, OrderId, PlacedOrder};
use node::ports::{Acceptance, Accepted, ApplyItem, ItemKind, Store as _, StoreError};
use node::redis_store::RedisStore;

use crate::proxy::{Mode, Proxy};
use crate::space::{Space, authority, eventually, redis_url};

async fn store(space: &Space, redis: &str, more: &[&str]) -> RedisStore {
    let arguments = ["node", "--redis-url", redis, "--key-prefix", &space.name];
    let settings = Cli::parse_from(arguments.iter().chain(more)).settings;
    let store = RedisStore::open(&settings, &NodeId::new("n1").expect("a node id")).expect("a store");
    assert!(store.link().wait_up().await.is_some());
    store
}

fn placed(order: &str, minor: u64) -> PlacedOrder {
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    PlacedOrder {
        order: NewOrder {
            order_id: OrderId::new(order).expect("an order id"),
            customer_id: CustomerId::new("customer-123").expect("a customer id"),
            amount: Amount::from_minor(minor).expect("an amount"),
        },
        message_id: MessageId::from_random(u64::from(std::process::id()), number),
        accepted_by: NodeId::new("n1").expect("a node id"),
        accepted_at: jiff::Timestamp::from_second(1_764_000_000).expect("a time"),
    }
}

async fn accept(store: &RedisStore, placed: &PlacedOrder) -> Result<Accepted, StoreError> {
    store.accept(Acceptance { placed, payload: &placed.to_json(), token: "t" }).await
}

async fn accept_all(store: &RedisStore, orders: &[PlacedOrder]) -> Vec<Result<Accepted, StoreError>> {
    join_all(orders.iter().map(|placed| accept(store, placed))).await
}

fn recorded(first: &PlacedOrder) -> Accepted {
    Accepted::Recorded { content: first.order.canonical(), answer: first.to_json() }
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn orders_of_one_group_keep_their_own_answers() {
    let space = Space::new().await;
    let store = store(&space, &redis_url(), &[]).await;
    let (known, applied) = (placed("known", 100), placed("applied", 100));
    assert_eq!(accept(&store, &known).await.expect("an answer"), Accepted::New);
    store.follow("s", 0).await.expect("followed");
    let kind = ItemKind::Order { placed: Box::new(applied.clone()), unguarded: false };
    store.apply("s", &[ApplyItem { sequence: 1, settles_from: 1, kind }]).await.expect("applied");
    let _: i64 = space.query(&["LPUSH", &space.key("idempotency:strange-record"), "x"]).await;
    let strange_row = placed("strange-row", 100);
    let row = space.key(&format!("outbox:pending:{}", strange_row.message_id));
    let _: String = space.query(&["SET", &row, "x"]).await;

    let group = [
        placed("fresh", 100),
        placed("strange-record", 100),
        placed("fresh", 100),
        strange_row,
        placed("fresh", 200),
        placed("known", 100),
        placed("applied", 100),
        placed("last", 100),
    ];
    let answers = accept_all(&store, &group).await;
    assert_eq!(answers[0].as_ref().expect("an answer"), &Accepted::New);
    for replay in [&answers[2], &answers[4]] {
        assert_eq!(replay.as_ref().expect("an answer"), &recorded(&group[0]), "the first's content and answer");
    }
    for strange in [&answers[1], &answers[3]] {
        let error = strange.as_ref().expect_err("a key is in the way");
        assert!(matches!(error, StoreError::Failed(text) if text.contains("of order strange-r")), "{error}");
    }
    assert_eq!(answers[5].as_ref().expect("an answer"), &recorded(&known));
    assert_eq!(answers[6].as_ref().expect("an answer"), &Accepted::Applied(Box::new(applied)));
    assert_eq!(answers[7].as_ref().expect("an answer"), &Accepted::New);

    let rows = [&known, &group[0], &group[7]].map(|placed| placed.message_id.to_string());
    assert_eq!(sorted(space.pending().await), sorted(rows.to_vec()), "a row for each new order, and no other");
    for (placed, count) in [(&group[0], 1), (&group[3], 0), (&group[4], 0), (&group[7], 1)] {
        let row = space.key(&format!("outbox:pending:{}", placed.message_id));
        let payload = placed.to_json();
        let payload = std::str::from_utf8(&payload).expect("text");
        if count == 1 {
            assert_eq!(space.query::<String>(&["HGET", &row, "payload"]).await, payload);
            let record: String = space.query(&["GET", &space.key(&format!("idempotency:{}", placed.order.order_id))]).await;
            assert_eq!(record, format!("{}\n{payload}", placed.order.canonical()));
        }
    }
    assert_eq!(space.query::<i64>(&["EXISTS", &space.key("idempotency:strange-row")]).await, 0);
    assert_eq!(space.query::<String>(&["GET", &row]).await, "x", "what was in the way is as it was");
    assert_eq!(space.query::<i64>(&["LLEN", &space.key("idempotency:strange-record")]).await, 1);
    space.clean().await;
}

#[tokio::test]
async fn the_backlog_limit_holds_in_the_middle_of_a_group() {
    let space = Space::new().await;
    let store = store(&space, &redis_url(), &["--outbox-limit", "3"]).await;
    let group: Vec<PlacedOrder> = ["a", "b", "a", "c", "d", "e", "b"].iter().map(|id| placed(id, 100)).collect();
    let answers: Vec<Accepted> = accept_all(&store, &group).await.into_iter().map(|answer| answer.expect("an answer")).collect();
    let full = Accepted::BacklogFull(3);
    let new = Accepted::New;
    assert_eq!(answers, [new.clone(), new.clone(), recorded(&group[0]), new, full.clone(), full, recorded(&group[1])]);
    assert_eq!(space.pending().await.len(), 3);
    for id in ["d", "e"] {
        assert_eq!(space.query::<i64>(&["EXISTS", &space.key(&format!("idempotency:{id}"))]).await, 0, "{id} left a record");
    }
    space.clean().await;
}

#[tokio::test]
async fn more_orders_than_one_script_takes_are_all_accepted_once() {
    let space = Space::new().await;
    let store = store(&space, &redis_url(), &[]).await;
    let crowd: Vec<PlacedOrder> = (0..1500).map(|number| placed(&format!("order-{}", number % 1000), 100)).collect();
    let answers = accept_all(&store, &crowd).await;
    for number in 0..1000 {
        let same = (number..1500).step_by(1000).map(|place| (&crowd[place], answers[place].as_ref().expect("an answer")));
        let (firsts, others): (Vec<_>, Vec<_>) = same.partition(|(_, answer)| **answer == Accepted::New);
        let [(first, _)] = firsts.as_slice() else { panic!("order-{number} is new {} times", firsts.len()) };
        assert!(others.iter().all(|(_, answer)| **answer == recorded(first)), "{others:?}");
    }
    assert_eq!(space.pending().await.len(), 1000);
    space.clean().await;
}

#[tokio::test]
async fn a_group_cut_off_in_flight_is_lost_and_one_that_waits_behind_it_is_proven_unsent() {
    let space = Space::new().await;
    let redis = Proxy::to(&authority(&redis_url()), Mode::Open).await;
    let store = store(&space, &format!("redis://{}", redis.address), &["--redis-timeout", "6s"]).await;
    let group = |name: &str| -> Vec<PlacedOrder> { (0..5).map(|number| placed(&format!("{name}-{number}"), 100)).collect() };
    let (one, two, waiting) = (group("one"), group("two"), group("waiting"));
    // From here on the server knows the script.
    assert_eq!(accept(&store, &placed("before", 100)).await.expect("an answer"), Accepted::New);
    redis.set(Mode::DropAnswers);
    // Each group comes when those before it were executed, so that the groups do not become one.
    let after = async |before: &[PlacedOrder], orders: &[PlacedOrder]| {
        for placed in before {
            let record = space.key(&format!("idempotency:{}", placed.order.order_id));
            eventually(&format!("{record} is written"), async || match space.query::<i64>(&["EXISTS", &record]).await {
                1 => Ok(()),
                count => Err(count.to_string()),
            })
            .await;
        }
        (accept_all(&store, orders).await, Instant::now())
    };
    // The watch finds the silence long before a command's own time is over.
    let back = async {
        store.link().wait_end_of(store.link().epoch()).await;
        redis.set(Mode::Open);
        store.link().wait_up().await.expect("the link lives");
        assert_eq!(accept(&store, &placed("afterwards", 100)).await.expect("an answer"), Accepted::New);
        Instant::now()
    };
    let (first, second, third, afterwards) = tokio::join!(after(&[], &one), after(&one, &two), after(&two, &waiting), back);
    for answer in first.0.iter().chain(&second.0) {
        assert!(matches!(answer, Err(StoreError::Lost(_))), "it may have been executed: {answer:?}");
    }
    for answer in &third.0 {
        assert!(matches!(answer, Err(StoreError::Unsent(_))), "it was never sent: {answer:?}");
    }
    assert!(third.1 < first.1, "the proof had to wait for the hung scripts");
    assert!(afterwards < first.1, "the hung scripts held up a new order");
    for placed in one.iter().chain(&two) {
        let record = space.key(&format!("idempotency:{}", placed.order.order_id));
        assert_eq!(space.query::<i64>(&["EXISTS", &record]).await, 1, "what was lost on the way back was executed");
    }
    for placed in &waiting {
        let record = space.key(&format!("idempotency:{}", placed.order.order_id));
        assert_eq!(space.query::<i64>(&["EXISTS", &record]).await, 0, "what was called unsent was not executed");
    }

    redis.set(Mode::Refuse);
    store.link().wait_end_of(store.link().epoch()).await;
    for answer in accept_all(&store, &group("refused")).await {
        assert!(matches!(answer, Err(StoreError::Unsent(_))), "{answer:?}");
    }
    space.clean().await;
}
