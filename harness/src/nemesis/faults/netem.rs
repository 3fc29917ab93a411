//! Delay by the kernel: netem on the interface over which a node reaches a service, set from a helper beside the node. What
//! the node sends over it is late; what comes to it is not, so an echo takes one latency more.
//!
//! It needs no fault proxy, and acts on packets as a slow line does: making a connection takes longer, too, and jitter may
//! change their order. Many kernels lack it: [`lacking`] asks before a run. A restart of the node, or its coming back to a
//! network, makes it vanish, which ends the fault early.

use std::time::Duration;

use async_trait::async_trait;
use judge::plan::Link;
use serde::{Deserialize, Serialize};

use super::cut::probe::{self, Route};
use super::link::SLACK;
use crate::cluster::OWNER;
use crate::engine::{Engine, EngineError, HelperSpec, Inside};
use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::helper::{self, Beside, Helper};
use crate::nemesis::site::Site;

/// So many packets may wait; the kernel's own limit of 1,000 would lose some of a busy node.
const QUEUE: &str = "100000";
/// How long the kernel is asked.
const ASK: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Netem {
    pub(super) link: Link,
    pub(super) latency_ms: u64,
    pub(super) jitter_ms: u64,
}

/// A node's way to the service before the fault.
#[derive(Debug, Serialize, Deserialize)]
struct Way {
    /// `eth1`
    device: String,
    /// The quickest of three.
    echo_us: u64,
}

/// Why the engine's kernel cannot delay; `None` if it can. Tried in a network that nobody else is in.
///
/// # Errors
/// It could not be tried.
pub(crate) async fn lacking(engine: &Engine, image: &str, project: &str) -> Result<Option<String>, EngineError> {
    let name = format!("{project}-helper-kernel");
    engine.remove_helper(&name).await?;
    let spec = HelperSpec {
        name: &name,
        image,
        project,
        owner: OWNER,
        made_for: "a look at the kernel",
        inside: Inside::Nothing,
        user: None,
        capabilities: &["NET_ADMIN"],
        volumes: &[],
    };
    let id = engine.start_helper(&spec).await?;
    let tried = engine.exec(&id, &["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"], ASK).await;
    engine.remove_helper(&id).await?;
    let tried = tried?;
    let why = || {
        let said = tried.output.trim();
        format!("the engine's kernel refuses it ({said}); write via = \"proxy\" or leave `via` out")
    };
    Ok((tried.code != 0).then(why))
}

impl Netem {
    fn host(&self, site: &Site) -> &'static str {
        probe::peer(self.link, Route::of(site)).host
    }

    /// For `tc qdisc add dev DEVICE root`.
    fn discipline(&self) -> Vec<String> {
        let mut words = vec!["netem".to_owned(), "limit".into(), QUEUE.into(), "delay".into(), format!("{}ms", self.latency_ms)];
        if self.jitter_ms > 0 {
            words.push(format!("{}ms", self.jitter_ms));
        }
        words
    }

    /// Is so quick an echo late enough?
    fn shows(&self, quickest: Duration, before: Duration) -> bool {
        quickest >= Duration::from_millis(self.latency_ms - self.jitter_ms).max(before)
    }
}

#[async_trait]
impl Fault for Netem {
    async fn before(&self, site: &Site, target: &Target) -> Result<Before, FaultError> {
        let helper = site.helper(target, Beside::Network).await?;
        let echo = ping(&helper, self.host(site)).await?;
        let device = device_to(&helper, &echo.address).await?;
        let other = if self.link == Link::Nats { Link::Redis } else { Link::Nats };
        let other = probe::peer(other, Route::of(site)).host;
        let beside = device_to(&helper, &ping(&helper, other).await?.address).await?;
        let outside = device_of(&helper.run(&["ip", "-o", "route", "show", "default"]).await?);
        if device == "lo" || device == beside || Some(&device) == outside.as_ref() {
            let why = format!("{} reaches {} over {device}, and others, too", target.service, self.host(site));
            return Err(FaultError::Other(why));
        }
        let queue = helper.run(&["tc", "qdisc", "show", "dev", &device, "root"]).await?;
        if !queue.trim().is_empty() && !queue.contains("noqueue") {
            return Err(FaultError::Other(format!("{device} of {} has a queue already: {}", target.service, queue.trim())));
        }
        Before::of(&Way { device, echo_us: u64::try_from(echo.quickest.as_micros()).unwrap_or(u64::MAX) })
    }

    async fn inject(&self, site: &Site, target: &Target, before: &Before) -> Result<(), FaultError> {
        let way: Way = before.read()?;
        let helper = site.helper(target, Beside::Network).await?;
        let discipline = self.discipline();
        let mut words = vec!["tc", "qdisc", "add", "dev", &way.device, "root"];
        words.extend(discipline.iter().map(String::as_str));
        helper.run(&words).await.map(drop)
    }

    async fn effect(&self, site: &Site, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        let way: Way = before.read()?;
        let helper = site.helper(target, Beside::Network).await?;
        let queue = helper.run(&["sh", "-c", &queue_of(&way.device)]).await?;
        if !queue.contains("netem") {
            return Ok(Seen::NotYet(format!("{} has no netem but {:?}", way.device, queue.trim())));
        }
        let (echo, was) = (ping(&helper, self.host(site)).await?, Duration::from_micros(way.echo_us));
        let words = format!("echoes from {} take {:.1?} and more, {was:.1?} before", self.host(site), echo.quickest);
        Ok(Seen::when(self.shows(echo.quickest, was), words))
    }

    async fn heal(&self, site: &Site, target: &Target, before: &Before) -> Result<(), FaultError> {
        if !helper::has_namespaces(&site.inspect(target).await?) {
            return Ok(());
        }
        let way: Way = before.read()?;
        let helper = site.helper(target, Beside::Network).await?;
        helper.run(&["sh", "-c", &take_off(&way.device)]).await.map(drop)
    }

    async fn healed(&self, site: &Site, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        let state = site.inspect(target).await?;
        if !helper::has_namespaces(&state) {
            return Ok(Seen::Yes(format!("{}: its delay went with it", state.summary())));
        }
        let way: Way = before.read()?;
        let helper = site.helper(target, Beside::Network).await?;
        let queue = helper.run(&["sh", "-c", &queue_of(&way.device)]).await?;
        if queue.contains("netem") {
            return Ok(Seen::NotYet(format!("{} still has {}", way.device, queue.trim())));
        }
        let (echo, was) = (ping(&helper, self.host(site)).await?, Duration::from_micros(way.echo_us));
        // Else a short latency would pass for none.
        let slack = Duration::from_millis(self.latency_ms).clamp(Duration::from_millis(5), SLACK);
        let words = format!("no netem; echoes from {} take {:.1?}, {was:.1?} before", self.host(site), echo.quickest);
        Ok(Seen::when(echo.quickest <= was + slack, words))
    }

    fn works_on(&self) -> bool {
        false
    }

    fn by_hand(&self, target: &Target) -> String {
        format!("docker restart {}", target.container)
    }
}

/// Three pings.
#[derive(Debug, PartialEq, Eq)]
struct Echo {
    address: String,
    quickest: Duration,
}

async fn ping(helper: &Helper, host: &str) -> Result<Echo, FaultError> {
    let said = helper.run(&["busybox", "ping", "-c", "3", "-i", "0.2", "-W", "3", host]).await?;
    read_echo(&said).ok_or_else(|| FaultError::Other(format!("what ping says of {host} cannot be read: {said:?}")))
}

/// `PING redis (172.20.0.3): 56 data bytes`, ..., `round-trip min/avg/max = 0.044/0.084/0.161 ms`.
fn read_echo(said: &str) -> Option<Echo> {
    let address = said.split_once('(')?.1.split_once(')')?.0.to_owned();
    let quickest: f64 = said.split_once("min/avg/max = ")?.1.split('/').next()?.parse().ok()?;
    Some(Echo { address, quickest: Duration::try_from_secs_f64(quickest / 1_000.0).ok()? })
}

async fn device_to(helper: &Helper, address: &str) -> Result<String, FaultError> {
    let said = helper.run(&["ip", "-o", "route", "get", address]).await?;
    device_of(&said).ok_or_else(|| FaultError::Other(format!("the way to {address} names no interface: {said:?}")))
}

/// `172.20.0.3 dev eth1 src 172.20.0.5 uid 0`, `default via 172.18.0.1 dev eth0`.
fn device_of(route: &str) -> Option<String> {
    route.split_whitespace().skip_while(|word| *word != "dev").nth(1).map(str::to_owned)
}

/// An interface that is gone has none.
fn queue_of(device: &str) -> String {
    format!("ip link show dev {device} >/dev/null 2>&1 || exit 0; tc qdisc show dev {device} root")
}

fn take_off(device: &str) -> String {
    format!("set -e; queue=$({}); case $queue in *netem*) tc qdisc del dev {device} root;; esac", queue_of(device))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_and_jitter_are_told_to_the_kernel_in_milliseconds() {
        let words = |jitter_ms| Netem { link: Link::Redis, latency_ms: 50, jitter_ms }.discipline().join(" ");
        assert_eq!(words(0), "netem limit 100000 delay 50ms");
        assert_eq!(words(5), "netem limit 100000 delay 50ms 5ms");
    }

    #[test]
    fn an_echo_shows_it_from_the_least_latency_on() {
        let netem = Netem { link: Link::Nats, latency_ms: 50, jitter_ms: 10 };
        let shows = |took_ms| netem.shows(Duration::from_millis(took_ms), Duration::from_millis(1));
        assert!(shows(40) && shows(61) && !shows(39));
        assert!(!netem.shows(Duration::from_millis(45), Duration::from_millis(48)), "it was no quicker before");
    }

    #[test]
    fn way_and_time_are_read_from_what_ping_and_ip_say() {
        let ping = "PING redis (172.20.0.3): 56 data bytes\n64 bytes from 172.20.0.3: seq=0 ttl=64 time=0.161 ms\n\n--- redis ping statistics ---\n\
                    3 packets transmitted, 3 packets received, 0% packet loss\nround-trip min/avg/max = 0.044/0.084/0.161 ms\n";
        assert_eq!(read_echo(ping), Some(Echo { address: "172.20.0.3".into(), quickest: Duration::from_micros(44) }));
        assert_eq!(read_echo("ping: bad address 'redis'\n"), None);
        assert_eq!(device_of("172.20.0.3 dev eth1 src 172.20.0.5 uid 0 \\    cache \n").as_deref(), Some("eth1"));
        assert_eq!(device_of("default via 172.18.0.1 dev eth0 \n").as_deref(), Some("eth0"));
        assert_eq!(device_of(""), None);
    }
}
