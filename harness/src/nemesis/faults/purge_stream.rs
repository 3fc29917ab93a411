//! Purge: every message of the stream is removed. It cannot be undone; for when it counts as healed see [`stream`].

use async_trait::async_trait;

use super::stream;
use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::site::Site;

#[derive(Debug)]
pub(super) struct PurgeStream;

#[async_trait]
impl Fault for PurgeStream {
    async fn before(&self, site: &Site, _: &Target) -> Result<Before, FaultError> {
        let before = stream::before(site).await?;
        match before.read::<stream::Stream>()?.messages {
            0 => Err(FaultError::Other(String::from("the stream holds no message that could be removed"))),
            _ => Ok(before),
        }
    }

    async fn inject(&self, site: &Site, _: &Target, _: &Before) -> Result<(), FaultError> {
        match site.jetstream().await?.purge().await? {
            0 => Err(FaultError::Other(String::from("the purge removed no message"))),
            _ => Ok(()),
        }
    }

    /// The same stream, which begins behind all that it held.
    async fn effect(&self, site: &Site, _: &Target, before: &Before) -> Result<Seen, FaultError> {
        let before: stream::Stream = before.read()?;
        let Some(now) = site.jetstream().await?.stream_setup().await? else {
            return Ok(Seen::NotYet(String::from("there is no stream")));
        };
        let seen = format!(
            "the stream of {} begins at {}, and ended at {} when it was that of {}",
            now.created, now.state.first_sequence, before.last_sequence, before.created
        );
        Ok(Seen::when(now.created == before.created && now.state.first_sequence > before.last_sequence, seen))
    }

    async fn heal(&self, _: &Site, _: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(())
    }

    async fn healed(&self, site: &Site, _: &Target, before: &Before) -> Result<Seen, FaultError> {
        stream::healed(site, before).await
    }
}
