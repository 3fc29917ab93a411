//! What the faults on the stream have in common: what they read of it before, and when it counts as healed.
//!
//! What was in it is gone for good. Healed means that the nodes can go on: the stream is there, set up as before, and
//! every node of the cluster that had a consumer has one. All of that is the nodes' own work; this only looks.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::nemesis::fault::{Before, FaultError, Seen};
use crate::nemesis::site::Site;
use crate::stores::{JetStream, StoreError};
use crate::wire::jetstream::STREAM;

/// The stream and its consumers before.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Stream {
    pub(super) created: String,
    pub(super) config: Map<String, Value>,
    pub(super) messages: u64,
    pub(super) last_sequence: u64,
    /// Those of the cluster's nodes.
    pub(super) consumers: Vec<String>,
}

pub(super) async fn before(site: &Site) -> Result<Before, FaultError> {
    let jetstream = site.jetstream().await?;
    let setup = jetstream.stream_setup().await?;
    let setup = setup.ok_or_else(|| FaultError::Other(format!("there is no stream {STREAM}")))?;
    let consumers = consumers(site, &jetstream).await?;
    Before::of(&Stream {
        created: setup.created,
        config: setup.config,
        messages: setup.state.messages,
        last_sequence: setup.state.last_sequence,
        consumers,
    })
}

pub(super) async fn healed(site: &Site, before: &Before) -> Result<Seen, FaultError> {
    let before: Stream = before.read()?;
    let jetstream = site.jetstream().await?;
    let Some(setup) = jetstream.stream_setup().await? else {
        return Ok(Seen::NotYet(format!("there is no stream {STREAM}")));
    };
    if setup.config != before.config {
        let (now, then) = (Value::from(setup.config), Value::from(before.config));
        return Ok(Seen::NotYet(format!("the stream is set up as {now}, and was as {then}")));
    }
    let there = consumers(site, &jetstream).await?;
    let missing: Vec<String> = before.consumers.into_iter().filter(|name| !there.contains(name)).collect();
    let seen = format!("the stream of {} is set up as before, with consumers {}", setup.created, there.join(", "));
    Ok(if missing.is_empty() { Seen::Yes(seen) } else { Seen::NotYet(format!("{seen}; missing: {}", missing.join(", "))) })
}

/// Which nodes of the cluster have a consumer, by node id.
async fn consumers(site: &Site, jetstream: &JetStream) -> Result<Vec<String>, StoreError> {
    let durable = jetstream.consumers().await?;
    Ok(site.cluster.nodes.iter().map(|node| node.id.clone()).filter(|id| durable.contains_key(id)).collect())
}
