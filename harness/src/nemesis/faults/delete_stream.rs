//! Delete stream: the stream goes with all its messages and consumers, and the nodes make another. It cannot be undone; for
//! when it counts as healed see [`stream`].

use async_trait::async_trait;

use super::stream;
use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::site::Site;

#[derive(Debug)]
pub(super) struct DeleteStream;

#[async_trait]
impl Fault for DeleteStream {
    async fn before(&self, site: &Site, _: &Target) -> Result<Before, FaultError> {
        stream::before(site).await
    }

    async fn inject(&self, site: &Site, _: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(site.jetstream().await?.delete_stream().await?)
    }

    /// None, or one that was made at another time.
    async fn effect(&self, site: &Site, _: &Target, before: &Before) -> Result<Seen, FaultError> {
        let before: stream::Stream = before.read()?;
        Ok(match site.jetstream().await?.stream_setup().await? {
            None => Seen::Yes(String::from("there is no stream")),
            Some(now) => {
                let seen = format!("there is the stream of {}, and it was that of {}", now.created, before.created);
                Seen::when(now.created != before.created, seen)
            }
        })
    }

    async fn heal(&self, _: &Site, _: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(())
    }

    async fn healed(&self, site: &Site, _: &Target, before: &Before) -> Result<Seen, FaultError> {
        stream::healed(site, before).await
    }
}
