//! The node's name: given, or that of its container, or that of its host.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::ptr;
use crate::order::{IdError, NodeId};

/// How long the container engine's resolver may take.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How long to ask it again, and how often: the network of a container may be late.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(250);
/// The engine's own resolver. No other is trusted to name a container: it would name the host, or all alike.
const ENGINE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11));

#[derive(Debug, thiserror::Error)]
pub enum NameError {
    #[error("node id {id:?} {source}; set CATGA_NODE_ID to 1 to 32 of A-Z a-z 0-9 _ -")]
    Given { id: String, source: IdError },
    #[error("there is neither a container name nor a host name to derive a node id from; set CATGA_NODE_ID")]
    Nameless,
    #[error(
        "the container's name was asked of its engine at {resolver} for {patience:?} in vain, last {seen}; start again, or set CATGA_NODE_ID"
    )]
    Unnamed { resolver: SocketAddr, patience: Duration, seen: String },
}

/// The node's id.
pub async fn node_id(given: Option<&str>) -> Result<NodeId, NameError> {
    // A variable that is set to nothing is how compose files spell "not set".
    if let Some(id) = given.filter(|id| !id.is_empty()) {
        return NodeId::new(id).map_err(|source| NameError::Given { id: id.to_owned(), source });
    }
    if let Some(resolver) = engine_resolver() {
        let container = container_name(resolver, own_addresses, PATIENCE).await?;
        let id = fitting(&container).ok_or(NameError::Nameless)?;
        tracing::info!(node = %id, %container, "the node is named after its container");
        return Ok(id);
    }
    let host = hostname().and_then(|host| fitting(&host)).ok_or(NameError::Nameless)?;
    tracing::warn!(node = %host, "the node is named after its host, because no container name was found; set CATGA_NODE_ID to choose");
    Ok(host)
}

/// The name itself where it is valid, else a shortened one that ends with a hash of all of it.
fn fitting(name: &str) -> Option<NodeId> {
    if let Ok(id) = NodeId::new(name) {
        return Some(id);
    }
    let readable: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    let tail = readable.len().saturating_sub(23);
    // The end of a container's name is what tells it from its siblings.
    NodeId::new(&format!("{}-{:08x}", &readable[tail..], fnv(name))).ok()
}

/// FNV-1a, 32 bits: the same for ever, which the standard library's hashers do not promise.
fn fnv(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

pub(super) fn hostname() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// The full name of the container that this process is in, by asking the engine's resolver for our own addresses.
/// There is no other name to fall back to: a container's id is another after every new start of the cluster.
async fn container_name(
    resolver: SocketAddr,
    addresses: impl Fn() -> Vec<IpAddr>,
    patience: Duration,
) -> Result<String, NameError> {
    let begun = Instant::now();
    loop {
        let mut seen = "that there is no address beside the host name in /etc/hosts".to_owned();
        for address in addresses() {
            seen = match ask(resolver, address).await {
                Ok(Some(answer)) => return Ok(container_of(&answer).to_owned()),
                Ok(None) => format!("no name for {address}"),
                Err(error) => format!("for {address}: {error}"),
            };
        }
        if begun.elapsed() > patience {
            return Err(NameError::Unnamed { resolver, patience, seen });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The engine answers `<container>.<network>`; a container's own name may have dots.
fn container_of(answer: &str) -> &str {
    answer.rsplit_once('.').map_or(answer, |(container, _)| container)
}

/// The engine's resolver, where this process is in a container that has it.
fn engine_resolver() -> Option<SocketAddr> {
    if !Path::new("/.dockerenv").exists() && !Path::new("/run/.containerenv").exists() {
        return None;
    }
    engine_among(&std::fs::read_to_string("/etc/resolv.conf").ok()?)
}

fn engine_among(resolvers: &str) -> Option<SocketAddr> {
    let address = |line: &str| line.strip_prefix("nameserver")?.trim().parse::<IpAddr>().ok();
    resolvers.lines().find_map(address).filter(|address| *address == ENGINE).map(|address| SocketAddr::new(address, 53))
}

/// The addresses that the engine wrote beside our host name.
fn own_addresses() -> Vec<IpAddr> {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    addresses_of(&hosts, &hostname().unwrap_or_default())
}

fn addresses_of(hosts: &str, name: &str) -> Vec<IpAddr> {
    let line = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.parse::<IpAddr>().ok()?;
        (!address.is_loopback() && words.any(|word| word == name)).then_some(address)
    };
    hosts.lines().filter_map(line).collect()
}

async fn ask(resolver: SocketAddr, address: IpAddr) -> std::io::Result<Option<String>> {
    let any: IpAddr = if resolver.is_ipv4() { [0, 0, 0, 0].into() } else { std::net::Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(resolver).await?;
    let id = u16::try_from(std::process::id() & 0xffff).unwrap_or(0);
    socket.send(&ptr::query(id, address)).await?;
    let mut reply = [0; 512];
    let length = tokio::time::timeout(TIMEOUT, socket.recv(&mut reply)).await??;
    Ok(ptr::answer(id, &reply[..length]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_names_are_kept_or_shortened_recognisably() {
        for kept in ["catga_cluster-node-1_1", "catga-cluster-node-1-1", "catga-chaos_cluster-node-1_1"] {
            assert_eq!(fitting(kept).expect("valid").as_str(), kept);
        }
        let long = fitting("my-company-production-catga_cluster-node-1_1").expect("shortened");
        assert_eq!(long.as_str().len(), 32);
        assert!(
            long.as_str().starts_with("catga_cluster-node-1_1".get(..5).expect("prefix"))
                || long.as_str().contains("cluster-node-1_1")
        );
        assert_ne!(fitting("a.b"), fitting("a-b"));
        assert_eq!(fitting(""), fitting(""));
    }

    #[test]
    fn the_network_is_cut_off_a_container_name() {
        assert_eq!(container_of("catga_cluster-node-1_1.catga_redis"), "catga_cluster-node-1_1");
        assert_eq!(container_of("my.node.net"), "my.node");
        assert_eq!(container_of("bare"), "bare");
    }

    #[test]
    fn own_addresses_stand_beside_the_host_name() {
        let hosts = "127.0.0.1\tlocalhost\n::1 localhost ip6-localhost\n172.18.0.5\tc0ffee\n172.19.0.2\tc0ffee # second\n172.18.0.9 other\n";
        let found = addresses_of(hosts, "c0ffee");
        assert_eq!(found, [IpAddr::from([172, 18, 0, 5]), IpAddr::from([172, 19, 0, 2])]);
    }

    #[test]
    fn only_the_engines_resolver_is_asked() {
        let engine = Some(SocketAddr::new(ENGINE, 53));
        assert_eq!(engine_among("search lan\nnameserver 127.0.0.11\noptions ndots:0\n"), engine);
        for other in ["nameserver 10.0.0.2\n", "nameserver 10.0.0.2\nnameserver 127.0.0.11\n", ""] {
            assert_eq!(engine_among(other), None, "{other:?}");
        }
    }

    /// A resolver that refuses the first `refusals` questions, then answers with a name.
    async fn resolver(refusals: usize) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let address = socket.local_addr().expect("an address");
        tokio::spawn(async move {
            let mut packet = [0; 512];
            for count in 0_usize.. {
                let (length, client) = socket.recv_from(&mut packet).await.expect("a question");
                let mut reply = packet[..length].to_vec();
                (reply[2], reply[3]) = (0x81, 0x80);
                if count < refusals {
                    reply[3] |= 3;
                } else {
                    reply[7] = 1;
                    reply.extend([0xc0, 12, 0, 12, 0, 1, 0, 0, 2, 88, 0, 10]);
                    reply.extend(b"\x04node\x03net\0");
                }
                socket.send_to(&reply, client).await.expect("sent");
            }
        });
        address
    }

    #[tokio::test]
    async fn a_name_that_comes_late_is_waited_for_and_one_that_never_comes_is_an_error() {
        let own = || vec![IpAddr::from([172, 18, 0, 5])];
        let late = container_name(resolver(2).await, own, Duration::from_secs(10)).await;
        assert_eq!(late.expect("a name"), "node");
        let never = container_name(resolver(usize::MAX).await, own, Duration::from_millis(300)).await;
        let error = never.expect_err("no name").to_string();
        assert!(error.contains("no name for 172.18.0.5") && error.contains("CATGA_NODE_ID"), "{error}");
        let nowhere = container_name(resolver(0).await, Vec::new, Duration::from_millis(1)).await;
        assert!(nowhere.is_err(), "without an address there is nothing to ask for");
    }

    #[tokio::test]
    async fn a_given_name_is_checked() {
        assert_eq!(node_id(Some("n-1")).await.expect("valid").as_str(), "n-1");
        assert_eq!(node_id(Some("")).await.ok(), node_id(None).await.ok());
        let error = node_id(Some("no dots.here")).await.expect_err("refused");
        assert!(error.to_string().contains("set CATGA_NODE_ID"), "{error}");
    }
}
