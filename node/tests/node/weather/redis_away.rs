//! Redis slow, gone, restarted, loading, locked, or without its scripts and connections.

use std::time::Duration;

use reqwest::StatusCode;

use super::service::Service;
use super::{REDIS_DOWN, assert_backed_off, attempts, outages, told, wait_check};
use crate::books::Books;
use crate::proxy::{Mode, Proxy};
use crate::space::{Space, authority, nats_url, redis_url};

#[tokio::test]
async fn a_slow_redis_only_takes_time_and_one_slower_than_a_probe_counts_as_gone() {
    let space = Space::new().await;
    let redis = Proxy::to(&authority(&redis_url()), Mode::Open).await;
    let node = space.node("n1").set("CATGA_REDIS_URL", format!("redis://{}", redis.address)).ready().await;
    let mut books = Books::default();
    redis.set(Mode::Slow(Duration::from_millis(60)));
    books.place(&node, 5).await;
    assert_eq!((node.get("/health").await.1["status"].as_str(), told(&node, REDIS_DOWN)), (Some("up"), 0));
    // Each way takes longer than a probe may.
    redis.set(Mode::Slow(Duration::from_millis(900)));
    wait_check(&node, "redis", "down").await;
    let (_, health) = node.get("/health").await;
    assert!(health["detail"].as_str().is_some_and(|detail| detail.starts_with("redis: ")), "{health}");
    books.refused(&node).await;
    assert_eq!(node.get("/api/orders/order-0").await.0, StatusCode::SERVICE_UNAVAILABLE);
    redis.set(Mode::Open);
    wait_check(&node, "redis", "up").await;
    outages(&node, "redis", 1).await;
    books.place(&node, 1).await;
    books.agree(&space, &[&node]).await;
    space.clean().await;
}

#[tokio::test]
async fn a_redis_that_is_gone_is_asked_for_again_with_growing_pauses_and_without_end() {
    let redis = Service::redis(&[]).await;
    let space = Space::on(&redis.url, &nats_url()).await;
    let node = space.node("n1").set("CATGA_LOG", "info,node=debug").ready().await;
    let mut books = Books::default();
    books.place(&node, 3).await;
    redis.stop().await;
    node.wait_status("down").await;
    books.refused(&node).await;
    assert_eq!(node.get("/api/orders/order-0").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(node.get("/health/live").await.0, StatusCode::OK);
    let (status, health) = node.get("/health/ready").await;
    assert_eq!((status, &health["checks"]["redis"]), (StatusCode::SERVICE_UNAVAILABLE, &"down".into()), "{health}");
    assert_eq!(health["checks"]["nats"], "up", "{health}");
    assert_backed_off(&attempts(&node, "redis is tried again after a pause", 8).await, 50, 500);
    redis.start().await;
    node.wait_status("up").await;
    outages(&node, "redis", 1).await;
    books.place(&node, 1).await;
    books.agree(&space, &[&node]).await;
    space.clean().await;
}

#[tokio::test]
async fn a_redis_restarted_or_killed_under_load_loses_nothing_that_was_acknowledged() {
    let redis = Service::redis(&[]).await;
    let space = Space::on(&redis.url, &nats_url()).await;
    let (one, two) = tokio::join!(space.node("n1").ready(), space.node("n2").ready());
    let mut books = Books::default();
    for round in 1..=2 {
        let broken = async {
            if round == 1 {
                redis.stop().await;
            } else {
                redis.kill().await;
            }
            one.wait_status("down").await;
            redis.start().await;
            one.wait_status("up").await;
        };
        let before = books.acknowledged();
        books.place(&one, 5).await;
        books.load(&one, broken).await;
        books.place(&one, 5).await;
        assert!(books.acknowledged() >= before + 10);
        outages(&one, "redis", round).await;
    }
    two.wait_status("up").await;
    books.agree(&space, &[&one, &two]).await;
    space.clean().await;
}

#[tokio::test]
async fn a_redis_that_loads_its_data_counts_as_down_until_it_has_it() {
    // Slow to load, as one with gigabytes is: a pause for each command, and an answer to whoever asks after every 1024.
    let redis = Service::redis(&["--key-load-delay", "50"]).await;
    let space = Space::on(&redis.url, &nats_url()).await;
    let node = space.node("n1").ready().await;
    let mut books = Books::default();
    books.place(&node, 3).await;
    books.agree(&space, &[&node]).await;
    let fill = "for i = 1, 30000 do redis.call('SET', 'filler:' .. i, i) end";
    let _: Option<String> = redis.query(&["EVAL", fill, "0"]).await;
    redis.kill().await;
    redis.start().await;
    node.wait_detail("loading the dataset").await;
    books.refused(&node).await;
    node.wait_status("up").await;
    outages(&node, "redis", 1).await;
    books.place(&node, 1).await;
    books.agree(&space, &[&node]).await;
    space.clean().await;
}

#[tokio::test]
async fn a_redis_that_asks_for_a_password_at_run_time_takes_no_order_until_it_stops_asking() {
    let redis = Service::redis(&[]).await;
    let space = Space::on(&redis.url, &nats_url()).await;
    let node = space.node("n1").set("CATGA_LOG", "info,node=debug").ready().await;
    let mut books = Books::default();
    books.place(&node, 3).await;
    // Connections that were let in stay in; this one is needed to take the password away again.
    let client = redis::Client::open(redis.url.as_str()).expect("a url");
    let mut inside = client.get_multiplexed_async_connection().await.expect("redis answers");
    let set = |password: &'static str| redis::cmd("CONFIG").arg("SET").arg("requirepass").arg(password).clone();
    set("secret").query_async::<String>(&mut inside).await.expect("set");
    redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").query_async::<i64>(&mut inside).await.expect("killed");
    attempts(&node, "redis is tried again after a pause", 4).await;
    let health = node.wait_detail("NOAUTH").await;
    assert_eq!(health["status"], "down", "{health}");
    books.refused(&node).await;
    set("").query_async::<String>(&mut inside).await.expect("set");
    node.wait_status("up").await;
    outages(&node, "redis", 1).await;
    books.place(&node, 1).await;
    books.agree(&space, &[&node]).await;
    space.clean().await;
}

#[tokio::test]
async fn flushed_scripts_and_killed_connections_are_made_up_for() {
    let redis = Service::redis(&[]).await;
    let space = Space::on(&redis.url, &nats_url()).await;
    let node = space.node("n1").ready().await;
    let mut books = Books::default();
    books.place(&node, 3).await;
    for _ in 0..3 {
        let _: String = redis.query(&["SCRIPT", "FLUSH", "SYNC"]).await;
        books.place(&node, 2).await;
    }
    books.agree(&space, &[&node]).await;
    assert_eq!(told(&node, REDIS_DOWN), 0, "scripts are loaded again without a word");
    let killed: i64 = redis.query(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    assert!(killed >= 1, "{killed}");
    outages(&node, "redis", 1).await;
    books.place(&node, 3).await;
    books.agree(&space, &[&node]).await;
    space.clean().await;
}
