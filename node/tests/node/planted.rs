//! The planted bugs do what they say, so that the harness has something to find.

use serde_json::json;

use crate::proxy::{Mode, Proxy};
use crate::space::{Space, authority, eventually, nats_url};

#[tokio::test]
async fn redelivery_skips_inbox_applies_twice() {
    let space = Space::new().await;
    let nats = Proxy::to(&authority(&nats_url()), Mode::Open).await;
    let node =
        space.node("n1").set("CATGA_NATS_URL", format!("nats://{}", nats.address)).set("CATGA_PLANT", "redelivery-skips-inbox");
    let node = node.ready().await;
    let other = space.node("n2").ready().await;
    // What this node asks the stream for has arrived there before the cut.
    other.place("before").await;
    node.wait_applied("before").await;
    // An acknowledgement that the cut takes with it would have this one delivered again, too.
    eventually("it is acknowledged", async || {
        let info = space.stream().await.consumer_info("n1").await.expect("the consumer exists");
        if info.ack_floor.stream_sequence == 1 { Ok(()) } else { Err(format!("{info:?}")) }
    })
    .await;
    nats.set(Mode::DropRequests);
    other.place("twice").await;
    node.wait_applied("twice").await;
    nats.set(Mode::Open);
    node.wait_metric("catga_apply_total", 3).await;
    assert_eq!(node.wait_applied("twice").await["applied"], 2);
    let (_, customer) = node.get("/api/customers/customer-123").await;
    assert_eq!((&customer["orders"], customer["total"].to_string()), (&json!(3), "37.5".to_owned()));
    let (_, list) = node.get("/api/orders").await;
    let positions: Vec<_> = list["orders"].as_array().expect("orders").iter().map(|order| order["position"].clone()).collect();
    assert_eq!(positions, [1, 2, 3]);
    assert_eq!(other.wait_applied("twice").await["applied"], 1);
    space.clean().await;
}

#[tokio::test]
async fn remove_before_ack_loses_what_the_stream_did_not_get() {
    let space = Space::new().await;
    let nats = Proxy::to(&authority(&nats_url()), Mode::Open).await;
    let node = space.node("n1").set("CATGA_NATS_URL", format!("nats://{}", nats.address)).set("CATGA_PLANT", "remove-before-ack");
    let node = node.ready().await;
    node.place("arrives").await;
    node.wait_applied("arrives").await;
    nats.set(Mode::BlackHole);
    node.place("lost").await;
    eventually("the row is gone", async || match space.pending().await.len() {
        0 => Ok(()),
        rows => Err(rows.to_string()),
    })
    .await;
    // The message is on its way into nowhere until the cut is noticed.
    node.wait_status("degraded").await;
    nats.set(Mode::Open);
    node.wait_status("up").await;
    node.place("after").await;
    node.wait_applied("after").await;
    assert_eq!(node.get("/api/orders/lost").await.0.as_u16(), 404);
    space.clean().await;
}

#[tokio::test]
async fn remove_before_ack_loses_what_is_accepted_while_nats_is_down() {
    let space = Space::new().await;
    let nats = Proxy::to(&authority(&nats_url()), Mode::Refuse).await;
    let node = space.node("n1").set("CATGA_NATS_URL", format!("nats://{}", nats.address)).set("CATGA_PLANT", "remove-before-ack");
    let node = node.start().await;
    node.wait_status("degraded").await;
    node.place("lost").await;
    eventually("the row is gone", async || match space.pending().await.len() {
        0 => Ok(()),
        rows => Err(rows.to_string()),
    })
    .await;
    nats.set(Mode::Open);
    node.wait_status("up").await;
    node.place("after").await;
    node.wait_applied("after").await;
    assert_eq!(node.get("/api/orders/lost").await.0.as_u16(), 404);
    space.clean().await;
}
