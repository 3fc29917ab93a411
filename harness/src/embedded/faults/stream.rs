//! Faults on the stream and its consumers. None can be undone: each is healed once every node has a consumer again.

use std::collections::BTreeMap;

use async_trait::async_trait;
use node::order::NodeId;
use serde::{Deserialize, Serialize};

use crate::embedded::Embedded;
use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};

/// What the stream was like.
#[derive(Debug, Serialize, Deserialize)]
struct Was {
    identity: String,
    last: u64,
    consumers: BTreeMap<String, u64>,
}

fn look(site: &Embedded) -> Result<Was, FaultError> {
    let stream = site.services().stream();
    let (identity, _, last) = stream.bounds().ok_or_else(|| FaultError::Other("there is no stream".to_owned()))?;
    Ok(Was { identity, last, consumers: stream.consumers().into_iter().map(|(name, view)| (name, view.number)).collect() })
}

fn all_have_consumers(site: &Embedded) -> Seen {
    let consumers = site.services().stream().consumers();
    let missing: Vec<&str> =
        site.cluster().nodes.iter().map(|node| node.id.as_str()).filter(|id| !consumers.contains_key(*id)).collect();
    Seen::when(missing.is_empty(), format!("nodes without a consumer: {missing:?}"))
}

#[derive(Debug)]
pub(super) struct PurgeStream;

#[async_trait]
impl Fault<Embedded> for PurgeStream {
    async fn before(&self, site: &Embedded, _: &Target) -> Result<Before, FaultError> {
        Before::of(&look(site)?)
    }

    async fn inject(&self, site: &Embedded, _: &Target, _: &Before) -> Result<(), FaultError> {
        site.services().stream().purge();
        Ok(())
    }

    async fn effect(&self, site: &Embedded, _: &Target, before: &Before) -> Result<Seen, FaultError> {
        let last = before.read::<Was>()?.last;
        let first = site.services().stream().bounds().map_or(0, |(_, first, _)| first);
        Ok(Seen::when(first > last, format!("the stream begins at {first}, and went up to {last} before")))
    }

    async fn heal(&self, _: &Embedded, _: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(())
    }

    async fn healed(&self, site: &Embedded, _: &Target, _: &Before) -> Result<Seen, FaultError> {
        Ok(all_have_consumers(site))
    }
}

#[derive(Debug)]
pub(super) struct DeleteStream;

#[async_trait]
impl Fault<Embedded> for DeleteStream {
    async fn before(&self, site: &Embedded, _: &Target) -> Result<Before, FaultError> {
        Before::of(&look(site)?)
    }

    async fn inject(&self, site: &Embedded, _: &Target, _: &Before) -> Result<(), FaultError> {
        site.services().stream().delete();
        Ok(())
    }

    async fn effect(&self, site: &Embedded, _: &Target, before: &Before) -> Result<Seen, FaultError> {
        let (was, now) = (before.read::<Was>()?.identity, look(site)?.identity);
        Ok(Seen::when(was != now, format!("there is the stream of {now}, and it was that of {was}")))
    }

    async fn heal(&self, _: &Embedded, _: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(())
    }

    async fn healed(&self, site: &Embedded, _: &Target, _: &Before) -> Result<Seen, FaultError> {
        Ok(all_have_consumers(site))
    }
}

/// Of the target node.
#[derive(Debug)]
pub(super) struct DeleteConsumer;

impl DeleteConsumer {
    fn id(site: &Embedded, target: &Target) -> Result<NodeId, FaultError> {
        Ok(site.slot(&target.service)?.id().clone())
    }
}

#[async_trait]
impl Fault<Embedded> for DeleteConsumer {
    async fn before(&self, site: &Embedded, _: &Target) -> Result<Before, FaultError> {
        Before::of(&look(site)?)
    }

    async fn inject(&self, site: &Embedded, target: &Target, _: &Before) -> Result<(), FaultError> {
        site.services().stream().delete_consumer(&Self::id(site, target)?);
        Ok(())
    }

    async fn effect(&self, site: &Embedded, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        let id = Self::id(site, target)?;
        let (was, now) = (before.read::<Was>()?, look(site)?);
        let (was, now) = (was.consumers.get(id.as_str()), now.consumers.get(id.as_str()));
        Ok(Seen::when(was != now, format!("the consumer of {id} is number {now:?}, and was {was:?}")))
    }

    async fn heal(&self, _: &Embedded, _: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(())
    }

    async fn healed(&self, site: &Embedded, _: &Target, _: &Before) -> Result<Seen, FaultError> {
        Ok(all_have_consumers(site))
    }
}
