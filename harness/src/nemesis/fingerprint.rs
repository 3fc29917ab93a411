//! What a cluster is like: taken before the first fault, and compared when the last one is healed.
//!
//! It holds what faults change and healing must bring back, as the engine, the nodes and the stores tell it. Each part
//! is one function that adds its facts under the service that they are about; what a new kind of fault changes is added
//! to one of them, or as one more.

mod inside;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proxy::LinkState;
use serde::{Deserialize, Serialize};

use super::fault::FaultError;
use super::site::Site;
use crate::cluster::{Node, service_name};
use crate::http;
use crate::links::Links;
use crate::poll::{self, Expired};
use crate::wire;

/// How long a node may take to answer.
const NODE_ANSWERS: Duration = Duration::from_secs(2);
const ASK_EVERY: Duration = Duration::from_millis(200);
/// A node that was just started has its consumer a moment after it is ready.
const SETTLES_WITHIN: Duration = Duration::from_secs(15);
const HEALTHY: [&str; 2] = ["running, healthy", "running"];
const PRESENT: &str = "present";
/// What faults may change of Redis.
const REDIS_SETTINGS: [&str; 12] = [
    "appendfsync",
    "appendonly",
    "busy-reply-threshold",
    "maxclients",
    "maxmemory",
    "maxmemory-policy",
    "min-replicas-max-lag",
    "min-replicas-to-write",
    "replica-read-only",
    "save",
    "stop-writes-on-bgsave-error",
    "timeout",
];

/// Facts by the service that they are about: what, and its value.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint {
    facts: BTreeMap<String, BTreeMap<String, String>>,
}

impl Fingerprint {
    /// Asks everybody once. Changes nothing.
    ///
    /// # Errors
    /// Somebody does not answer: that is no difference, and no equality either.
    pub async fn take(site: &Site) -> Result<Self, FaultError> {
        let mut facts: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (service, what, value) in everything(site).await?.into_iter().flatten() {
            facts.entry(service).or_default().insert(what, value);
        }
        Ok(Self { facts })
    }

    /// Waits until the cluster is as it shall be before a run: every container healthy, every node with its consumer.
    ///
    /// # Errors
    /// It is not so in time.
    pub async fn take_settled(site: &Site) -> Result<Self, Expired> {
        poll::until(SETTLES_WITHIN, ASK_EVERY, || async {
            let taken = Self::take(site).await.map_err(|error| error.to_string())?;
            let unsettled = taken.unsettled(&site.cluster.nodes);
            if unsettled.is_empty() { Ok(taken) } else { Err(unsettled.join("; ")) }
        })
        .await
    }

    /// Asks until the cluster is again as this says.
    ///
    /// # Errors
    /// It is not so in time; what was last seen are the differences, in words.
    pub async fn wait_until_equal(&self, site: &Site, within: Duration) -> Result<(), Expired> {
        poll::until(within, ASK_EVERY, || async {
            let differences = match Self::take(site).await {
                Ok(now) => self.differences(&now),
                Err(error) => vec![error.to_string()],
            };
            if differences.is_empty() { Ok(()) } else { Err(differences.join("; ")) }
        })
        .await
    }

    /// What has become different, one sentence each; nothing if all is as it was.
    #[must_use]
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let nothing = BTreeMap::new();
        let services: BTreeSet<&String> = self.facts.keys().chain(now.facts.keys()).collect();
        let mut found = Vec::new();
        for service in services {
            match (self.facts.get(service), now.facts.get(service)) {
                (None, Some(_)) => found.push(format!("{service} was not there before")),
                (before, after) => {
                    let (before, after) = (before.unwrap_or(&nothing), after.unwrap_or(&nothing));
                    // A container that is gone takes all the rest with it.
                    if before.contains_key(CONTAINER) && !after.contains_key(CONTAINER) {
                        found.push(format!("{service}: its container is gone"));
                    } else {
                        found.extend(changes(before, after).iter().map(|change| format!("{service}: {change}")));
                    }
                }
            }
        }
        found
    }

    fn unsettled(&self, nodes: &[Node]) -> Vec<String> {
        let unhealthy = self.facts.iter().filter_map(|(service, facts)| {
            let state = facts.get(STATE).filter(|state| !HEALTHY.contains(&state.as_str()))?;
            Some(format!("{service} is {state}"))
        });
        let no_consumer = nodes.iter().filter_map(|node| {
            let known = self.facts.get(NATS).is_some_and(|facts| facts.contains_key(&consumer(&node.id)));
            (!known).then(|| format!("{} has no consumer {} yet", node.name, node.id))
        });
        unhealthy.chain(no_consumer).collect()
    }
}

/// Which service, what, and its value.
type Fact = (String, String, String);

const CONTAINER: &str = "container";
const STATE: &str = "state";
const NATS: &str = "nats";
const REDIS: &str = "redis";
const LINKS: &str = "links";

fn consumer(id: &str) -> String {
    format!("consumer {id}")
}

fn changes(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let change = |name: &String| match (before.get(name), after.get(name)) {
        (was, is) if was == is => None,
        (Some(was), None) if was == PRESENT => Some(format!("{name} is missing")),
        (Some(was), None) => Some(format!("{name} is missing, was {was}")),
        (None, Some(is)) if is == PRESENT => Some(format!("{name} was not there before")),
        (None, Some(is)) => Some(format!("{name} is {is}, was not there before")),
        (Some(was), Some(is)) => Some(format!("{name} is {is}, was {was}")),
        (None, None) => None,
    };
    names.into_iter().filter_map(change).collect()
}

async fn everything(site: &Site) -> Result<[Vec<Fact>; 6], FaultError> {
    let (containers, nodes, redis, stream, links, inside) =
        tokio::try_join!(containers(site), nodes(site), redis(site), stream(site), links(site), inside::facts(site))?;
    Ok([containers, nodes, redis, stream, links, inside])
}

/// Identity, state and setup of every container of the project.
async fn containers(site: &Site) -> Result<Vec<Fact>, FaultError> {
    let project = &site.cluster.project;
    let mut facts = Vec::new();
    for container in site.engine.containers(project).await? {
        let setup = site.engine.setup(&container.id).await?;
        let service = service_name(&container);
        let mut add = |what: &str, value: String| facts.push((service.clone(), what.to_owned(), value));
        add(CONTAINER, container.id.clone());
        add(STATE, container.summary());
        add("cpu", format!("{} nano cpus, {} of {} us", setup.nano_cpus, setup.cpu_quota, setup.cpu_period));
        add("memory", format!("{} bytes, with swap {}", setup.memory, setup.memory_swap));
        add("restart policy", setup.restart_policy);
        for (network, aliases) in setup.networks {
            let network = network.strip_prefix(&format!("{project}_")).unwrap_or(&network).to_owned();
            let aliases = aliases.into_iter().collect::<Vec<_>>().join(", ");
            add(
                &format!("network {network}"),
                if aliases.is_empty() { PRESENT.to_owned() } else { format!("known as {aliases}") },
            );
        }
    }
    Ok(facts)
}

/// Whether every node of the run is ready, as it says itself.
async fn nodes(site: &Site) -> Result<Vec<Fact>, FaultError> {
    let client = http::client(NODE_ANSWERS);
    let asked = site.cluster.nodes.iter().map(|node| async {
        let said = match http::get(&client, &format!("{}/health/ready", node.url)).await {
            Ok(reply) => match wire::health::health(&reply.body) {
                Ok(health) => format!("{} {}", reply.status, health.status),
                Err(error) => format!("{}, {error}", reply.status),
            },
            Err(error) => format!("unknown: {error}"),
        };
        (node.name.clone(), "readiness".to_owned(), said)
    });
    Ok(futures_util::future::join_all(asked).await)
}

async fn redis(site: &Site) -> Result<Vec<Fact>, FaultError> {
    let mut redis = site.redis()?;
    let mut pipeline = redis::pipe();
    pipeline.cmd("CONFIG").arg("GET").arg(&REDIS_SETTINGS);
    let (settings,): (BTreeMap<String, String>,) = redis.ask("asking for the settings", &pipeline).await?;
    Ok(settings.into_iter().map(|(name, value)| (REDIS.to_owned(), format!("setting {name}"), value)).collect())
}

/// The rule of every listener of the fault proxy, where there is one.
async fn links(site: &Site) -> Result<Vec<Fact>, FaultError> {
    let Some(url) = &site.cluster.links else { return Ok(Vec::new()) };
    let fact = |link: LinkState| {
        let rule = link.rule.map_or_else(|| "none".to_owned(), |in_force| format!("{:?}", in_force.rule));
        (LINKS.to_owned(), format!("rule of {}", link.name), rule)
    };
    Ok(Links::at(url).all().await?.into_iter().map(fact).collect())
}

async fn stream(site: &Site) -> Result<Vec<Fact>, FaultError> {
    let jetstream = site.jetstream().await?;
    let (config, consumers) = tokio::try_join!(jetstream.stream_config(), jetstream.consumers())?;
    let config = config.into_iter().map(|(name, value)| (format!("stream {name}"), value));
    let consumers = consumers.into_keys().map(|name| (consumer(&name), PRESENT.to_owned()));
    Ok(config.chain(consumers).map(|(what, value)| (NATS.to_owned(), what, value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(facts: &[(&str, &str, &str)]) -> Fingerprint {
        let mut made = Fingerprint::default();
        for (service, what, value) in facts {
            made.facts.entry((*service).into()).or_default().insert((*what).into(), (*value).into());
        }
        made
    }

    #[test]
    fn every_difference_is_told_in_words() {
        let before = of(&[
            ("cluster-node-2", "container", "c2"),
            ("cluster-node-2", "network store", "known as cluster-node-2"),
            ("cluster-node-3", "container", "c3"),
            ("cluster-node-3", "state", "running, healthy"),
            ("nats", "consumer n1", "present"),
            ("redis", "setting maxmemory", "1073741824"),
            ("redis", "setting save", ""),
        ]);
        let after = of(&[
            ("cluster-node", "container", "c9"),
            ("cluster-node-2", "container", "c2"),
            ("nats", "consumer n9", "present"),
            ("redis", "setting maxmemory", "1048576"),
            ("redis", "setting save", ""),
        ]);
        assert_eq!(
            before.differences(&after),
            [
                "cluster-node was not there before",
                "cluster-node-2: network store is missing, was known as cluster-node-2",
                "cluster-node-3: its container is gone",
                "nats: consumer n1 is missing",
                "nats: consumer n9 was not there before",
                "redis: setting maxmemory is 1048576, was 1073741824",
            ]
        );
        assert!(before.differences(&before).is_empty());
    }

    #[test]
    fn a_service_that_is_not_healthy_and_a_node_without_its_consumer_are_not_settled() {
        let node = Node { name: "cluster-node-1".into(), id: "n1".into(), url: String::new(), container: "c1".into() };
        let starting = of(&[("cluster-node-1", "state", "running, unhealthy"), ("redis", "state", "running, healthy")]);
        let told = ["cluster-node-1 is running, unhealthy", "cluster-node-1 has no consumer n1 yet"];
        assert_eq!(starting.unsettled(std::slice::from_ref(&node)), told);
        let settled = of(&[("cluster-node-1", "state", "running, healthy"), ("nats", "consumer n1", "present")]);
        assert!(settled.unsettled(&[node]).is_empty());
    }

    #[test]
    fn a_kept_fingerprint_is_read_as_it_was() {
        let taken = of(&[("redis", "setting maxmemory", "1")]);
        let text = serde_json::to_string(&taken).expect("json");
        assert_eq!(serde_json::from_str::<Fingerprint>(&text).expect("read"), taken);
    }
}
