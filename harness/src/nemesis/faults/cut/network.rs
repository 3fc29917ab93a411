//! A whole cut from NATS or Redis: the engine takes the node off the network that the two share, and puts it back with
//! its names.
//!
//! It is proven by the engine's own list of the node's networks, and, where the run has helpers, by a connection from the
//! node's namespace that fails.

use judge::plan::Link;

use super::probe::{self, Route};
use crate::engine::Attachment;
use crate::nemesis::fault::{Before, FaultError, Seen, Target};
use crate::nemesis::helper::{self, Beside};
use crate::nemesis::site::Site;

#[derive(Debug, Clone)]
pub(super) struct OffNetwork {
    /// As in the compose file.
    pub(super) network: &'static str,
    /// Who else is on it.
    pub(super) peer: Link,
}

impl OffNetwork {
    pub(super) async fn before(&self, site: &Site, target: &Target) -> Result<Before, FaultError> {
        let network = site.engine.network(&site.cluster.project, self.network).await?;
        let attachments = site.engine.attachments(&target.container).await?;
        let attachment = attachments.into_iter().find(|attachment| attachment.network == network);
        let attachment =
            attachment.ok_or_else(|| FaultError::Other(format!("{} is not on network {network}", target.service)))?;
        // A probe that fails before the cut proves nothing afterwards.
        if self.connects(site, target).await? == Some(false) {
            let why = format!("no connection from {} to {} even before the cut", target.service, self.peer.word());
            return Err(FaultError::Other(why));
        }
        Before::of(&attachment)
    }

    pub(super) async fn inject(&self, site: &Site, target: &Target, before: &Before) -> Result<(), FaultError> {
        Ok(site.engine.leave_network(&target.container, &before.read::<Attachment>()?.network).await?)
    }

    pub(super) async fn effect(&self, site: &Site, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        let before: Attachment = before.read()?;
        if let Some(now) = attached(site, target, &before.network).await? {
            return Ok(Seen::NotYet(format!("still on network {} as {}", before.network, words(&now))));
        }
        let off = format!("off network {}", before.network);
        Ok(match self.connects(site, target).await? {
            None => Seen::Yes(off),
            Some(true) => Seen::NotYet(format!("{off}, yet {} takes a connection from it", self.peer.word())),
            Some(false) => Seen::Yes(format!("{off}, no connection from it to {}", self.peer.word())),
        })
    }

    pub(super) async fn heal(&self, site: &Site, target: &Target, before: &Before) -> Result<(), FaultError> {
        let before: Attachment = before.read()?;
        match attached(site, target, &before.network).await? {
            Some(now) if now == before => return Ok(()),
            // On it, and not as it was: a name is only given together with the connection.
            Some(_) => site.engine.leave_network(&target.container, &before.network).await?,
            None => {}
        }
        Ok(site.engine.join_network(&target.container, &before).await?)
    }

    pub(super) async fn healed(&self, site: &Site, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        let before: Attachment = before.read()?;
        let Some(now) = attached(site, target, &before.network).await? else {
            return Ok(Seen::NotYet(format!("off network {}", before.network)));
        };
        if now != before {
            return Ok(Seen::NotYet(format!("on network {} as {} instead of {}", now.network, words(&now), words(&before))));
        }
        let on = format!("on network {} as {}", now.network, words(&now));
        match self.connects(site, target).await? {
            None => Ok(Seen::Yes(on)),
            Some(false) => Ok(Seen::NotYet(format!("{on}, no connection from it to {}", self.peer.word()))),
            Some(true) => Ok(Seen::Yes(format!("{on}, a connection from it to {}", self.peer.word()))),
        }
    }

    pub(super) fn by_hand(&self, target: &Target) -> String {
        format!("docker network connect --alias {} PROJECT_{} {}", target.service, self.network, target.container)
    }

    /// `None` where it cannot be asked: the run has no helpers, or the target does not run.
    async fn connects(&self, site: &Site, target: &Target) -> Result<Option<bool>, FaultError> {
        if site.cluster.helper.is_none() || !helper::has_namespaces(&site.inspect(target).await?) {
            return Ok(None);
        }
        let helper = site.helper(target, Beside::Network).await?;
        probe::connects(&helper, probe::peer(self.peer, Route::of(site))).await.map(Some)
    }
}

async fn attached(site: &Site, target: &Target, network: &str) -> Result<Option<Attachment>, FaultError> {
    let attachments = site.engine.attachments(&target.container).await?;
    Ok(attachments.into_iter().find(|attachment| attachment.network == network))
}

fn words(attachment: &Attachment) -> String {
    let names: Vec<&str> = attachment.aliases.iter().map(String::as_str).collect();
    names.join(", ")
}
