//! Redis and NATS under another address than before: their names are looked up with every attempt to connect.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::Value;

use super::service::{Container, docker, free_port};
use crate::services::image;
use crate::space::{eventually, order};

/// A network of the engine's, with names; removed when dropped, after its containers.
struct Network(String);

impl Drop for Network {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker").args(["network", "rm", &self.0]).output();
    }
}

/// Gives a service another address under the name that it has; returns both addresses.
async fn move_away(network: &Network, service: &Container, name: &str) -> (String, String) {
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let address = async || docker(&["inspect", "-f", format, &service.id]).await;
    let before = address().await;
    // The engine may give the old address again, until somebody else has it.
    let mut squatters = Vec::new();
    for _ in 0..5 {
        docker(&["network", "disconnect", &network.0, &service.id]).await;
        squatters.push(Container::run(&["--network", &network.0, &image("CATGA_NATS_IMAGE"), "nats-server"]).await);
        docker(&["network", "connect", "--alias", name, &network.0, &service.id]).await;
        let after = address().await;
        if after != before {
            return (before, after);
        }
    }
    panic!("{name} keeps its address {before}");
}

#[tokio::test]
async fn a_redis_or_nats_with_another_address_is_found_by_its_name() {
    let port = free_port();
    let network = Network(format!("catga-node-tests-{}-{port}", std::process::id()));
    docker(&["network", "create", "--label", "catga.owner=node-test", &network.0]).await;
    let on = |name: &'static str| ["--network", network.0.as_str(), "--network-alias", name];
    let (redis_image, nats_image, node_image) =
        (image("CATGA_REDIS_IMAGE"), image("CATGA_NATS_IMAGE"), image("CATGA_NODE_IMAGE"));
    let redis =
        [&on("store")[..], &[&redis_image, "redis-server", "--dir", "/data", "--save", "", "--protected-mode", "no"]].concat();
    let nats = [&on("bus")[..], &[&nats_image, "nats-server", "-js", "-sd", "/data"]].concat();
    let publish = format!("127.0.0.1:{port}:8080");
    let settings = ["-e", "CATGA_REDIS_URL=redis://store:6379", "-e", "CATGA_NATS_URL=nats://bus:4222", "-e", "CATGA_NODE_ID=n1"];
    let leases = ["-e", "CATGA_LEASE=1s", "-e", "CATGA_ACK_WAIT=1s"];
    let node = [&on("node")[..], &["-p", &publish], &settings, &leases, &[&node_image]].concat();
    let (redis, nats) = tokio::join!(Container::run(&redis), Container::run(&nats));
    let node = Container::run(&node).await;

    let url = format!("http://127.0.0.1:{port}");
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().expect("a client");
    let status = async |wanted: &str| {
        eventually(&format!("the node is {wanted}"), async || {
            let answer = client.get(format!("{url}/health")).send().await.map_err(|error| error.to_string())?;
            let body: Value = answer.json().await.map_err(|error| error.to_string())?;
            if body["status"] == wanted { Ok(()) } else { Err(body.to_string()) }
        })
        .await;
    };
    let place = async |id: &str| {
        // The first try may meet the old address, and get 504: whoever asks again learns what became of it.
        eventually(&format!("{id} is taken"), async || {
            let request = client.post(format!("{url}/api/orders")).header("content-type", "application/json");
            let answer = request.body(order(id).to_string()).send().await.map_err(|error| error.to_string())?;
            if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string()) }
        })
        .await;
    };
    let applied = async |id: &str| {
        eventually(&format!("{id} is applied"), async || {
            let answer = client.get(format!("{url}/api/orders/{id}")).send().await.map_err(|error| error.to_string())?;
            let status = answer.status();
            let body: Value = answer.json().await.map_err(|error| error.to_string())?;
            if status == StatusCode::OK && body["applied"] == 1 { Ok(()) } else { Err(format!("{status} {body}")) }
        })
        .await;
    };
    status("up").await;
    place("before").await;
    applied("before").await;

    let (before, after) = move_away(&network, &redis, "store").await;
    assert_ne!(before, after);
    status("up").await;
    place("redis-moved").await;
    applied("redis-moved").await;

    let (before, after) = move_away(&network, &nats, "bus").await;
    assert_ne!(before, after);
    place("nats-moved").await;
    applied("nats-moved").await;
    status("up").await;

    for name in ["redis", "nats"] {
        eventually(&format!("outages of {name} and their ends are told of"), async || {
            let log = docker(&["logs", &node.id]).await;
            let count = |what: &str| log.matches(&format!("\"{name} is {what}\"")).count();
            // It may have been moved more than once, see above.
            if (1..=5).contains(&count("down")) && count("up") == count("down") + 1 { Ok(()) } else { Err(log) }
        })
        .await;
    }
    drop((redis, nats, node));
}
