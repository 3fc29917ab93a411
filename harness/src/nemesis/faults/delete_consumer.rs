//! Delete consumer: the target node's own consumer goes, with all that it knew of what was acknowledged.
//!
//! It cannot be undone. Healed means that the node has made another, set up as before but for where it begins.

use async_trait::async_trait;

use serde_json::Value;

use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::site::Site;
use crate::wire::jetstream::ConsumerSetup;

#[derive(Debug)]
pub(super) struct DeleteConsumer;

#[async_trait]
impl Fault for DeleteConsumer {
    async fn before(&self, site: &Site, target: &Target) -> Result<Before, FaultError> {
        let consumer = site.node(target)?.id.clone();
        let setup = site.jetstream().await?.consumer_setup(&consumer).await?;
        Before::of(&setup.ok_or_else(|| FaultError::Other(format!("the stream has no consumer {consumer}")))?)
    }

    async fn inject(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(site.jetstream().await?.delete_consumer(&site.node(target)?.id).await?)
    }

    /// None, or one that was made at another time.
    async fn effect(&self, site: &Site, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        let before: ConsumerSetup = before.read()?;
        let consumer = &site.node(target)?.id;
        Ok(match site.jetstream().await?.consumer_setup(consumer).await? {
            None => Seen::Yes(format!("there is no consumer {consumer}")),
            Some(now) => {
                let seen = format!("there is the consumer {consumer} of {}, and it was that of {}", now.created, before.created);
                Seen::when(now.created != before.created, seen)
            }
        })
    }

    async fn heal(&self, _: &Site, _: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(())
    }

    async fn healed(&self, site: &Site, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        let before: ConsumerSetup = before.read()?;
        let consumer = &site.node(target)?.id;
        Ok(match site.jetstream().await?.consumer_setup(consumer).await? {
            None => Seen::NotYet(format!("there is no consumer {consumer}")),
            Some(now) if now.config == before.config => {
                Seen::Yes(format!("the consumer {consumer} of {} is set up as before", now.created))
            }
            Some(now) => {
                let (now, then) = (Value::from(now.config), Value::from(before.config));
                Seen::NotYet(format!("the consumer {consumer} is set up as {now}, and was as {then}"))
            }
        })
    }
}
