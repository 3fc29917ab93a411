//! Crowds: thousands of clients that say nothing or speak slowly must not keep the others from being served.
//!
//! All of it is on loopback: each client has one of a few source addresses, so that ports do not run out. Not covered: a
//! crowd that opens new connections faster than the kernel's queue of them is emptied.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

use crate::space::{Node, Space, authority, eventually, order};

const CROWD: usize = 10_000;
/// Descriptors that this process needs beside them: the other tests' nodes, pipes and clients.
const OTHERS: u64 = 1_000;
/// What a connection may cost, in KiB: the buffer for its request's head (8 KiB) and the state around it.
const CONNECTION_KIB: u64 = 18;

fn make_room() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let needed = CROWD as u64 + OTHERS;
    assert!(
        maximum.is_none_or(|hard| hard >= needed),
        "this test needs {needed} open files: raise the hard limit, see ulimit -Hn"
    );
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("the soft limit can be raised");
}

async fn connect(address: &str, index: usize, says: &[u8]) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let source = Ipv4Addr::new(127, 0, 1, u8::try_from(index % 8 + 1).expect("small"));
    socket.bind((source, 0).into())?;
    let mut stream = socket.connect(address.parse().expect("an address")).await?;
    stream.write_all(says).await?;
    Ok(stream)
}

/// Opens many connections, some of them silent and some that have begun to speak.
async fn crowd(node: &Node, count: usize) -> Vec<TcpStream> {
    let address = authority(&node.url);
    let says: [&[u8]; 2] = [b"", b"POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: app"];
    let mut crowd = Vec::with_capacity(count);
    for first in (0..count).step_by(500) {
        let some = (first..count.min(first + 500)).map(|index| connect(&address, index, says[index % 2]));
        for stream in futures_util::future::join_all(some).await {
            crowd.push(stream.expect("a connection"));
        }
        // What waits to be accepted must not be more than the kernel lets wait.
        eventually("the node has taken them", async || {
            let taken = node.metric("catga_http_connections").await + node.metric("catga_http_connections_refused_total").await;
            if taken >= crowd.len() as u64 { Ok(()) } else { Err(format!("{taken} of {}", crowd.len())) }
        })
        .await;
    }
    crowd
}

fn resident_kib(node: &Node) -> u64 {
    let id = node.child.id().expect("the node runs");
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

#[tokio::test]
async fn ten_thousand_silent_and_slow_clients_do_not_stop_an_order_and_are_let_go() {
    make_room();
    let space = Space::new().await;
    let header_timeout = Duration::from_secs(20);
    let node = space.node("n1").set("CATGA_MAX_CONNECTIONS", "10500").set("CATGA_HEADER_TIMEOUT", "20s").ready().await;
    let alone = resident_kib(&node);
    let begun = Instant::now();
    let crowd = crowd(&node, CROWD).await;
    node.wait_metric("catga_http_connections", CROWD as u64).await;
    assert!(begun.elapsed() < header_timeout, "the first left before the last came: {:?}", begun.elapsed());
    for index in 0..50 {
        node.place(&format!("order-{index}")).await;
    }
    node.wait_metric("catga_apply_total", 50).await;
    let crowded = resident_kib(&node);
    let bound = alone + CROWD as u64 * CONNECTION_KIB;
    assert!(crowded < bound, "{alone} KiB alone, {crowded} KiB with {CROWD} connections: more than {bound}");
    assert_eq!(node.metric("catga_http_connections_refused_total").await, 0);
    let let_go = Instant::now();
    let left = loop {
        let left = node.metric("catga_http_connections").await;
        if left < 10 || let_go.elapsed() > header_timeout * 2 {
            break left;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert!(left < 10, "{left} are still there after {:?}", let_go.elapsed());
    node.wait_metric("catga_http_connections_timed_out_total", CROWD as u64).await;
    drop(crowd);
    node.place("after").await;
    space.clean().await;
}

#[tokio::test]
async fn the_surplus_over_the_default_limit_is_refused_while_health_answers() {
    make_room();
    let space = Space::new().await;
    let node = space.node("n1").set("CATGA_HEADER_TIMEOUT", "6s").ready().await;
    let crowd = crowd(&node, 2_000).await;
    eventually("the surplus is refused", async || {
        // A client that keeps no connection: its places are the few beyond the limit.
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client");
        let get = async |path: &str| client.get(format!("{}{path}", node.url)).send().await.map_err(|error| error.to_string());
        let (health, order) = (get("/health").await?, get("/api/orders").await?);
        let statuses = (health.status().as_u16(), order.status().as_u16());
        if statuses == (200, 503) { Ok(()) } else { Err(format!("{statuses:?}")) }
    })
    .await;
    // Those who hold the places are let go, whether they hang up or not.
    eventually("an order is taken again", async || {
        let request = space.client.post(format!("{}/api/orders", node.url)).header("content-type", "application/json");
        match request.body(order("after").to_string()).send().await {
            Ok(response) if response.status().as_u16() == 201 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    drop(crowd);
    space.clean().await;
}
