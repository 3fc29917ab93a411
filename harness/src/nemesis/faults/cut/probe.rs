//! Probes through the network: from a helper in the node's namespace to its peers, and from here to the node's port.

use std::time::Duration;

use judge::plan::Link;

use crate::http;
use crate::nemesis::fault::{FaultError, Target};
use crate::nemesis::helper::Helper;
use crate::nemesis::site::Site;

/// Between containers of one machine an answer takes less than a millisecond; the rest is for a busy one.
const PATIENCE: Duration = Duration::from_millis(500);
const PATIENCE_SECONDS: &str = "0.5";

/// How the nodes of a cluster reach NATS and Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::nemesis::faults) enum Route {
    Direct,
    /// Through the fault proxy, as `deploy/links.yml` says.
    Proxy,
}

impl Route {
    pub(in crate::nemesis::faults) fn of(site: &Site) -> Self {
        if site.cluster.links.is_some() { Self::Proxy } else { Self::Direct }
    }
}

/// Where nodes find a store.
#[derive(Debug, Clone, Copy)]
pub(in crate::nemesis::faults) struct Peer {
    pub(in crate::nemesis::faults) host: &'static str,
    port: &'static str,
    /// All ports that any node uses for it, as packet filters write them.
    pub(super) ports: &'static str,
}

pub(in crate::nemesis::faults) fn peer(link: Link, route: Route) -> Peer {
    match (link, route) {
        (Link::Nats, Route::Direct) => Peer { host: "nats", port: "4222", ports: "4222" },
        (Link::Redis, Route::Direct) => Peer { host: "redis", port: "6379", ports: "6379" },
        (Link::Nats, Route::Proxy) => Peer { host: "links-nats", port: "14220", ports: "14220:14223" },
        (Link::Redis, Route::Proxy) => Peer { host: "links-redis", port: "16370", ports: "16370:16373" },
    }
}

/// Can a TCP connection be made from the helper's network?
pub(super) async fn connects(helper: &Helper, peer: Peer) -> Result<bool, FaultError> {
    // With a program to run for the connection it says nothing and ends as soon as there is one.
    let words = ["timeout", PATIENCE_SECONDS, "busybox", "nc", peer.host, peer.port, "-e", "true"];
    helper.asks(&words).await
}

/// Does anything answer at the node's published port? The engine's own proxy may take the connection, so only an answer
/// counts, whatever it says.
pub(super) async fn answers(site: &Site, target: &Target) -> Result<bool, FaultError> {
    let node = site.cluster.nodes.iter().find(|node| node.name == target.service);
    let node =
        node.ok_or_else(|| FaultError::Other(format!("{} is no node: it has no clients to be cut from", target.service)))?;
    Ok(http::get(&http::client(PATIENCE), &format!("{}/health/live", node.url)).await.is_ok())
}
