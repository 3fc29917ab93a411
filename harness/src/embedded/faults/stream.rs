//! Faults on the stream and its consumers. None can be undone: each is healed once every node has a consumer again.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::embedded::Embedded;
use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};

/// What is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnStream {
    Purge,
    Delete,
    /// The consumer of the target node.
    DeleteConsumer,
}

/// What the stream was like.
#[derive(Debug, Serialize, Deserialize)]
struct Was {
    identity: String,
    last: u64,
    /// The number of each node's consumer.
    consumers: BTreeMap<String, u64>,
}

fn look(site: &Embedded) -> Result<Was, FaultError> {
    let stream = site.services().stream();
    let (identity, _, last) = stream.bounds().ok_or_else(|| FaultError::Other("there is no stream".to_owned()))?;
    Ok(Was { identity, last, consumers: stream.consumers().into_iter().map(|(name, view)| (name, view.number)).collect() })
}

#[async_trait]
impl Fault<Embedded> for OnStream {
    async fn before(&self, site: &Embedded, _: &Target) -> Result<Before, FaultError> {
        Before::of(&look(site)?)
    }

    async fn inject(&self, site: &Embedded, target: &Target, _: &Before) -> Result<(), FaultError> {
        let stream = site.services().stream();
        match self {
            Self::Purge => stream.purge(),
            Self::Delete => stream.delete(),
            Self::DeleteConsumer => stream.delete_consumer(site.slot(&target.service)?.id()),
        }
        Ok(())
    }

    async fn effect(&self, site: &Embedded, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        let (was, now) = (before.read::<Was>()?, look(site)?);
        Ok(match self {
            Self::Purge => {
                let first = site.services().stream().bounds().map_or(0, |(_, first, _)| first);
                Seen::when(first > was.last, format!("the stream begins at {first}, and went up to {} before", was.last))
            }
            Self::Delete => {
                let words = format!("there is the stream of {}, and it was that of {}", now.identity, was.identity);
                Seen::when(was.identity != now.identity, words)
            }
            Self::DeleteConsumer => {
                let id = site.slot(&target.service)?.id().as_str();
                let (was, now) = (was.consumers.get(id), now.consumers.get(id));
                Seen::when(was != now, format!("the consumer of {id} is number {now:?}, and was {was:?}"))
            }
        })
    }

    async fn heal(&self, _: &Embedded, _: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(())
    }

    async fn healed(&self, site: &Embedded, _: &Target, _: &Before) -> Result<Seen, FaultError> {
        let consumers = site.services().stream().consumers();
        let ids = site.cluster().nodes.iter().map(|node| node.id.as_str());
        let missing: Vec<&str> = ids.filter(|id| !consumers.contains_key(*id)).collect();
        Ok(Seen::when(missing.is_empty(), format!("nodes without a consumer: {missing:?}")))
    }
}
