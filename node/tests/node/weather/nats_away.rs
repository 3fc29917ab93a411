//! NATS slow, gone, restarted, set back, without its `JetStream`, or about to leave: orders are accepted, and propagation
//! waits.

use std::time::Duration;

use reqwest::StatusCode;

use super::service::Service;
use super::{NATS_DOWN, assert_backed_off, attempts, outages, told, wait_check};
use crate::books::Books;
use crate::proxy::{Mode, Proxy};
use crate::space::{Node, Space, authority, nats_url, redis_url};

/// While NATS is away.
async fn degraded(node: &Node, books: &mut Books) {
    let health = node.wait_status("degraded").await;
    assert_eq!((&health["checks"]["nats"], &health["checks"]["redis"]), (&"down".into(), &"up".into()), "{health}");
    assert!(health["detail"].as_str().is_some_and(|detail| detail.starts_with("nats: ")), "{health}");
    assert_eq!(node.get("/health/ready").await.0, StatusCode::OK, "degraded is ready");
    books.place(node, 3).await;
}

#[tokio::test]
async fn a_slow_nats_only_takes_time_and_one_slower_than_a_probe_counts_as_gone() {
    let space = Space::new().await;
    let nats = Proxy::to(&authority(&nats_url()), Mode::Open).await;
    let node = space.node("n1").set("CATGA_NATS_URL", format!("nats://{}", nats.address)).ready().await;
    let mut books = Books::default();
    nats.set(Mode::Slow(Duration::from_millis(60)));
    books.place(&node, 5).await;
    books.agree(&space, &[&node]).await;
    assert_eq!(told(&node, NATS_DOWN), 0);
    nats.set(Mode::Slow(Duration::from_millis(900)));
    wait_check(&node, "nats", "down").await;
    degraded(&node, &mut books).await;
    nats.set(Mode::Open);
    wait_check(&node, "nats", "up").await;
    outages(&node, "nats", 1).await;
    books.agree(&space, &[&node]).await;
    space.clean().await;
}

#[tokio::test]
async fn a_nats_that_is_gone_is_asked_for_again_with_growing_pauses_and_the_backlog_drains() {
    let nats = Service::nats().await;
    let space = Space::on(&redis_url(), &nats.url).await;
    let node = space.node("n1").set("CATGA_LOG", "info,node=debug,async_nats=off").ready().await;
    let mut books = Books::default();
    books.place(&node, 3).await;
    nats.stop().await;
    degraded(&node, &mut books).await;
    assert_backed_off(&attempts(&node, "nats is tried again after a pause", 8).await, 50, 500);
    assert_eq!(node.get("/api/orders/order-5").await.0, StatusCode::NOT_FOUND);
    nats.start().await;
    node.wait_status("up").await;
    outages(&node, "nats", 1).await;
    books.agree(&space, &[&node]).await;
    space.clean().await;
}

#[tokio::test]
async fn a_nats_restarted_or_killed_under_load_loses_nothing_and_applies_nothing_twice() {
    let nats = Service::nats().await;
    let space = Space::on(&redis_url(), &nats.url).await;
    let (one, two) = tokio::join!(space.node("n1").ready(), space.node("n2").ready());
    let mut books = Books::default();
    for round in 1..=2 {
        let broken = async {
            if round == 1 {
                nats.stop().await;
            } else {
                nats.kill().await;
            }
            one.wait_status("degraded").await;
            nats.start().await;
            one.wait_status("up").await;
        };
        books.load(&one, broken).await;
        assert_eq!(books.acknowledged(), books.attempted(), "NATS is none of a client's concern");
        outages(&one, "nats", round).await;
        assert!(one.told("publishing fails; trying on") <= round, "and so is what it did to publishing");
    }
    two.wait_status("up").await;
    books.agree(&space, &[&one, &two]).await;
    let failed = one.told("publishing fails; trying on");
    one.wait_told_times(&[("publishing succeeds again", failed)]).await;
    space.clean().await;
}

#[tokio::test]
async fn a_nats_without_jetstream_counts_as_gone_until_it_has_it_again() {
    let nats = Service::nats().await;
    let space = Space::on(&redis_url(), &nats.url).await;
    let node = space.node("n1").set("CATGA_LOG", "info,node=debug,async_nats=off").ready().await;
    let mut books = Books::default();
    books.place(&node, 3).await;
    nats.stop().await;
    {
        let _without = Service::nats_on(nats.port, &[]).await;
        node.wait_detail("could not be read").await;
        degraded(&node, &mut books).await;
        attempts(&node, "nats is tried again after a pause", 6).await;
    }
    nats.start().await;
    node.wait_status("up").await;
    outages(&node, "nats", 1).await;
    books.agree(&space, &[&node]).await;
    space.clean().await;
}

#[tokio::test]
async fn a_nats_that_is_about_to_leave_is_told_of_and_come_back_to() {
    let nats = Service::nats().await;
    let space = Space::on(&redis_url(), &nats.url).await;
    let node = space.node("n1").ready().await;
    let mut books = Books::default();
    books.place(&node, 3).await;
    // Lame duck mode: it takes no new clients, and lets the present ones go one by one.
    nats.signal("SIGUSR2").await;
    node.wait_told("the nats server is about to shut down").await;
    degraded(&node, &mut books).await;
    node.wait_told_times(&[("the nats server is about to shut down", 1)]).await;
    nats.kill().await;
    nats.start().await;
    node.wait_status("up").await;
    outages(&node, "nats", 1).await;
    books.agree(&space, &[&node]).await;
    space.clean().await;
}

#[tokio::test]
async fn a_nats_set_back_to_an_older_state_is_told_of_and_what_was_applied_stays() {
    const LOST: &str = "the stream lost messages that this node has applied";
    let nats = Service::nats().await;
    let space = Space::on(&redis_url(), &nats.url).await;
    let node = space.node("n1").ready().await;
    let mut books = Books::default();
    books.place(&node, 5).await;
    books.agree(&space, &[&node]).await;
    let folder = tempfile::tempdir().expect("a folder");
    nats.stop().await;
    nats.save("jetstream", folder.path()).await;
    nats.start().await;
    node.wait_status("up").await;
    books.place(&node, 5).await;
    books.agree(&space, &[&node]).await;
    nats.kill().await;
    node.wait_status("degraded").await;
    nats.restore("jetstream", folder.path()).await;
    nats.start().await;
    node.wait_status("up").await;
    let line = node.wait_told(LOST).await;
    assert_eq!((&line["applied"], &line["last"]), (&10.into(), &5.into()), "{line}");
    // Their sequences are given out again.
    books.place(&node, 5).await;
    books.agree(&space, &[&node]).await;
    node.wait_told_times(&[(LOST, 1)]).await;
    assert_eq!((node.metric("catga_apply_rewinds_total").await, node.metric("catga_parked_total").await), (0, 0));
    space.clean().await;
}
