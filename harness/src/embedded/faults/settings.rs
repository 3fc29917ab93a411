//! Faults on the store's settings and connections.

use async_trait::async_trait;
use judge::plan::Link;
use node::memory::Refusal;
use serde::{Deserialize, Serialize};

use crate::embedded::Embedded;
use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};

/// The store refuses writes, as long as it is told to; proven by a write of the harness's own.
#[derive(Debug)]
pub(super) struct Refusing(pub(super) Refusal);

#[async_trait]
impl Fault<Embedded> for Refusing {
    async fn before(&self, _: &Embedded, _: &Target) -> Result<Before, FaultError> {
        Ok(Before::default())
    }

    async fn inject(&self, site: &Embedded, _: &Target, _: &Before) -> Result<(), FaultError> {
        site.services().store().refuse(Some(self.0));
        Ok(())
    }

    async fn effect(&self, site: &Embedded, _: &Target, _: &Before) -> Result<Seen, FaultError> {
        Ok(match site.try_write().await {
            Ok(()) => Seen::NotYet("a write is taken".to_owned()),
            Err(said) => Seen::Yes(format!("a write is refused: {said}")),
        })
    }

    async fn heal(&self, site: &Embedded, _: &Target, _: &Before) -> Result<(), FaultError> {
        site.services().store().refuse(None);
        Ok(())
    }

    async fn healed(&self, site: &Embedded, _: &Target, _: &Before) -> Result<Seen, FaultError> {
        Ok(match site.try_write().await {
            Ok(()) => Seen::Yes("a write is taken".to_owned()),
            Err(said) => Seen::NotYet(format!("a write is refused: {said}")),
        })
    }
}

/// Every node's connection to the store is replaced. Heals itself.
#[derive(Debug)]
pub(super) struct ClientKill;

/// The epoch of each node's link to the store; none where it has no wire.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Epochs(Vec<Option<u64>>);

async fn epochs(site: &Embedded) -> Epochs {
    let mut epochs = Vec::new();
    for node in &site.cluster().nodes {
        epochs.push(site.wire(&node.name, Link::Redis).await.map(|wire| wire.link().epoch()));
    }
    Epochs(epochs)
}

#[async_trait]
impl Fault<Embedded> for ClientKill {
    async fn before(&self, site: &Embedded, _: &Target) -> Result<Before, FaultError> {
        Before::of(&epochs(site).await)
    }

    async fn inject(&self, site: &Embedded, _: &Target, _: &Before) -> Result<(), FaultError> {
        for node in &site.cluster().nodes {
            if let Some(wire) = site.wire(&node.name, Link::Redis).await {
                wire.reset("the connection was closed");
            }
        }
        Ok(())
    }

    async fn effect(&self, site: &Embedded, _: &Target, before: &Before) -> Result<Seen, FaultError> {
        let (before, now) = (before.read::<Epochs>()?, epochs(site).await);
        let same = before.0.iter().zip(&now.0).filter(|(before, now)| before.is_some() && before == now).count();
        Ok(Seen::when(same == 0, format!("{same} connections are those of before: {now:?}")))
    }

    async fn heal(&self, _: &Embedded, _: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(())
    }

    async fn healed(&self, site: &Embedded, _: &Target, _: &Before) -> Result<Seen, FaultError> {
        let mut connected = 0;
        for node in &site.cluster().nodes {
            connected += u32::from(site.wire(&node.name, Link::Redis).await.is_some_and(|wire| wire.link().is_up()));
        }
        Ok(Seen::when(connected > 0, format!("{connected} nodes are connected")))
    }
}
