//! From the stream into projection and ledger.

use async_nats::HeaderMap;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::proxy::{Mode, Proxy};
use crate::space::{Space, authority, eventually, nats_url};

#[tokio::test]
async fn an_accepted_order_is_applied_on_every_node() {
    let space = Space::new().await;
    let (one, two) = tokio::join!(space.node("n1").ready(), space.node("n2").ready());
    let amounts = [99.99, 0.1, 0.2, 1_000_000_000.0];
    for (index, amount) in amounts.iter().enumerate() {
        let order = json!({"orderId": format!("order-{index}"), "customerId": "customer-123", "amount": amount});
        assert_eq!(one.post(&order).await.status(), StatusCode::CREATED);
    }
    for node in [&one, &two] {
        let applied = node.wait_applied("order-3").await;
        assert_eq!((&applied["applied"], &applied["acceptedBy"]), (&json!(1), &json!("n1")));
        node.wait_metric("catga_apply_total", 4).await;
        let (status, customer) = node.get("/api/customers/customer-123").await;
        assert_eq!((status, &customer["orders"]), (StatusCode::OK, &json!(4)));
        assert_eq!(customer["total"].to_string(), "1000000100.29", "exact to the cent");

        let (_, list) = node.get("/api/orders?limit=3").await;
        assert_eq!((list["orders"].as_array().map(Vec::len), &list["next"]), (Some(3), &json!(3)));
        let (_, rest) = node.get("/api/orders?after=3&limit=5000").await;
        assert_eq!((rest["orders"].as_array().map(Vec::len), &rest["next"]), (Some(1), &Value::Null));

        let line = node.wait_line(&["order applied", "order-0"]).await;
        for field in ["orderId", "messageId", "sequence", "position"] {
            assert!(!line[field].is_null(), "{field} in {line}");
        }
    }
    space.clean().await;
}

#[tokio::test]
async fn a_redelivered_message_is_applied_once() {
    let space = Space::new().await;
    let nats = Proxy::to(&authority(&nats_url()), Mode::Open).await;
    let cut = space.node("n1").set("CATGA_NATS_URL", format!("nats://{}", nats.address)).ready().await;
    let other = space.node("n2").ready().await;
    other.place("before").await;
    cut.wait_applied("before").await;
    // From now on deliveries arrive, and their acknowledgements vanish.
    nats.set(Mode::DropRequests);
    other.place("again").await;
    cut.wait_applied("again").await;
    nats.set(Mode::Open);
    cut.wait_metric("catga_apply_redelivered_total", 1).await;
    cut.wait_metric("catga_apply_skipped_total", 1).await;
    assert_eq!(cut.wait_applied("again").await["applied"], 1);
    let (_, customer) = cut.get("/api/customers/customer-123").await;
    assert_eq!((&customer["orders"], customer["total"].to_string()), (&json!(2), "25".to_owned()));
    assert_eq!(cut.metric("catga_apply_position").await, 2);
    space.clean().await;
}

#[tokio::test]
async fn messages_that_are_no_orders_are_parked_and_not_looped_on() {
    let space = Space::new().await;
    let node = space.node("n1").ready().await;
    node.place("good").await;
    let good = node.wait_applied("good").await;
    let twisted = |amount: i64| {
        json!({"orderId": "good", "customerId": "customer-123", "amount": amount, "messageId": "other-id",
            "acceptedBy": "n9", "acceptedAt": good["acceptedAt"]})
    };
    let publish = async |subject: String, id: Option<&str>, payload: String| {
        let mut headers = HeaderMap::new();
        if let Some(id) = id {
            headers.insert("Nats-Msg-Id", id);
        }
        let sent = space.jetstream.publish_with_headers(subject, headers, payload.into()).await;
        sent.expect("sent").await.expect("acknowledged");
    };
    publish(space.subject(), Some("garbage"), "hello".to_owned()).await;
    publish(space.subject(), None, twisted(12).to_string()).await;
    publish(space.subject(), Some("not-its-id"), twisted(12).to_string()).await;
    publish(space.subject(), Some("other-id"), twisted(13).to_string()).await;
    publish(format!("{}.elsewhere", space.name), Some("x"), "{}".to_owned()).await;
    node.place("after").await;
    node.wait_applied("after").await;
    node.wait_metric("catga_parked_total", 5).await;
    assert_eq!(node.metric("catga_apply_total").await, 2);
    assert_eq!(space.query::<u64>(&["HLEN", &space.key("projection:n1:parked")]).await, 5);
    eventually("all is acknowledged", async || {
        let info = space.stream().await.consumer_info("n1").await.expect("the consumer exists");
        if info.num_ack_pending == 0 && info.ack_floor.stream_sequence == 7 { Ok(()) } else { Err(format!("{info:?}")) }
    })
    .await;
    assert_eq!(node.get("/api/orders/good").await.1, good, "the order is as it was");
    space.clean().await;
}

#[tokio::test]
async fn a_store_behind_the_acknowledged_floor_is_caught_up_from_the_stream() {
    let space = Space::new().await;
    let mut node = space.node("n1").ready().await;
    for index in 0..10 {
        node.place(&format!("order-{index}")).await;
    }
    node.wait_metric("catga_apply_total", 10).await;
    node.signal("-TERM");
    assert!(node.exit().await.success());
    // As if the store had lost its last writes, all of this node's.
    for key in space.query::<Vec<String>>(&["KEYS", &space.key("projection:n1:*")]).await {
        let _: i64 = space.query(&["DEL", &key]).await;
    }
    let node = space.node("n1").ready().await;
    node.wait_metric("catga_apply_total", 10).await;
    assert_eq!(node.metric("catga_apply_rewinds_total").await, 1);
    let (_, customer) = node.get("/api/customers/customer-123").await;
    assert_eq!((&customer["orders"], customer["total"].to_string()), (&json!(10), "125".to_owned()));
    let floor: u64 = space.query(&["HGET", &space.key("projection:n1:progress"), "floor"]).await;
    assert_eq!(floor, 10);
    space.clean().await;
}

#[tokio::test]
async fn a_deleted_stream_or_consumer_is_made_again() {
    let space = Space::new().await;
    let node = space.node("n1").ready().await;
    node.place("one").await;
    node.wait_applied("one").await;
    space.stream().await.delete_consumer("n1").await.expect("the consumer is deleted");
    node.place("two").await;
    node.wait_applied("two").await;
    space.jetstream.delete_stream(&space.name).await.expect("the stream is deleted");
    eventually("the stream is back", async || {
        space.jetstream.get_stream(&space.name).await.map(drop).map_err(|error| error.to_string())
    })
    .await;
    node.wait_status("up").await;
    node.place("three").await;
    assert_eq!(node.wait_applied("three").await["sequence"], 1);
    // The projection is read from the store, and may show an order a moment before the node has heard so.
    node.wait_metric("catga_apply_position", 3).await;
    assert_eq!(node.metric("catga_apply_position").await, 3);
    let made_anew = "the stream was made anew; the projection follows it from its beginning";
    let times = [("nats is down", 1), ("nats does not answer; trying on", 0), ("nats is up", 2), ("made the stream", 2)];
    node.wait_told_times(&times).await;
    node.wait_told_times(&[("made the consumer", 3), (made_anew, 1)]).await;
    space.clean().await;
}

#[tokio::test]
async fn writes_that_the_store_loses_under_a_running_node_are_caught_up_from_the_stream() {
    let space = Space::new().await;
    let node = space.node("n1").ready().await;
    for index in 0..10 {
        node.place(&format!("order-{index}")).await;
    }
    node.wait_metric("catga_apply_total", 10).await;
    eventually("all is acknowledged", async || {
        let info = space.stream().await.consumer_info("n1").await.expect("the consumer exists");
        if info.ack_floor.stream_sequence == 10 { Ok(()) } else { Err(format!("{info:?}")) }
    })
    .await;
    // Nothing more is placed: the loss has to be noticed without another delivery.
    let keys = space.query::<Vec<String>>(&["KEYS", &space.key("projection:n1:*")]).await;
    let command: Vec<&str> = std::iter::once("DEL").chain(keys.iter().map(String::as_str)).collect();
    let _: i64 = space.query(&command).await;
    node.wait_metric("catga_apply_total", 20).await;
    let (_, customer) = node.get("/api/customers/customer-123").await;
    assert_eq!((&customer["orders"], customer["total"].to_string()), (&json!(10), "125".to_owned()));
    assert_eq!(node.metric("catga_apply_rewinds_total").await, 1);
    space.clean().await;
}

#[tokio::test]
async fn messages_larger_than_any_order_are_refused_by_our_stream_and_pass_through_a_foreign_one() {
    let space = Space::new().await;
    let large = |bytes: usize| space.jetstream.publish(format!("{}.elsewhere", space.name), "x".repeat(bytes).into());
    let config = async_nats::jetstream::stream::Config {
        name: space.name.clone(),
        subjects: vec![format!("{}.>", space.name)],
        discard: async_nats::jetstream::stream::DiscardPolicy::New,
        ..Default::default()
    };
    space.jetstream.create_stream(config).await.expect("a stream of another maker");
    for _ in 0..20 {
        large(900_000).await.expect("sent").await.expect("acknowledged");
    }
    let node = space.node("n1").ready().await;
    node.place("behind").await;
    node.wait_applied("behind").await;
    assert_eq!(node.metric("catga_parked_total").await, 20);
    space.jetstream.delete_stream(&space.name).await.expect("the stream is deleted");
    eventually("our stream refuses it", async || match large(70_000).await.expect("sent").await {
        Err(error) if error.to_string().contains("size exceeds") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    space.clean().await;
}
