//! Descriptors: the node's process may open so many files; what it opens beyond is refused, be it a file or a connection.
//! What is open stays open. Healed by giving it back what it had; a restart does that, too, and ends the fault early.
//!
//! Only the soft limit changes, from a helper that runs as the node's user beside its process: no right is needed for it.

use async_trait::async_trait;

use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::helper::{self, Beside};
use crate::nemesis::site::Site;

#[derive(Debug)]
pub(super) struct Descriptors {
    pub(super) limit: u64,
}

#[async_trait]
impl Fault for Descriptors {
    async fn before(&self, site: &Site, target: &Target) -> Result<Before, FaultError> {
        let soft = soft_limit(site, target).await?;
        if self.limit >= soft {
            let why = format!("{} may open {soft} files: a limit of {} changes nothing", target.service, self.limit);
            return Err(FaultError::Other(why));
        }
        Before::of(&soft)
    }

    async fn inject(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        set(site, target, self.limit).await
    }

    async fn effect(&self, site: &Site, target: &Target, _: &Before) -> Result<Seen, FaultError> {
        let soft = soft_limit(site, target).await?;
        Ok(Seen::when(soft == self.limit, format!("its process may open {soft} files")))
    }

    async fn heal(&self, site: &Site, target: &Target, before: &Before) -> Result<(), FaultError> {
        if !helper::has_namespaces(&site.inspect(target).await?) {
            return Ok(());
        }
        set(site, target, before.read()?).await
    }

    async fn healed(&self, site: &Site, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        let state = site.inspect(target).await?;
        if !helper::has_namespaces(&state) {
            return Ok(Seen::Yes(format!("{}: its limit went with it", state.summary())));
        }
        let soft = soft_limit(site, target).await?;
        Ok(Seen::when(soft == before.read::<u64>()?, format!("its process may open {soft} files")))
    }

    fn works_on(&self) -> bool {
        false
    }

    fn by_hand(&self, target: &Target) -> String {
        format!("docker restart {}", target.container)
    }
}

/// Of the container's first process.
async fn soft_limit(site: &Site, target: &Target) -> Result<u64, FaultError> {
    let helper = site.helper(target, Beside::Processes).await?;
    let said = helper.run(&["prlimit", "--pid", "1", "--nofile", "--noheadings", "--raw", "--output", "SOFT"]).await?;
    said.trim().parse().map_err(|_| FaultError::Other(format!("the limit of {} is {:?}, no number", target.service, said.trim())))
}

async fn set(site: &Site, target: &Target, limit: u64) -> Result<(), FaultError> {
    let helper = site.helper(target, Beside::Processes).await?;
    helper.run(&["prlimit", "--pid", "1", &format!("--nofile={limit}:")]).await.map(drop)
}
