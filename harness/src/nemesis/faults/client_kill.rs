//! Client kill: every connection of Redis but the harness's own is closed. Heals itself: clients connect again.
//!
//! Healed means that some client is connected again. Which of them have to be is not this fault's to say: a node that
//! another fault holds stays away.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::site::Site;
use crate::stores::StoreError;
use crate::wire::redis::Client;

#[derive(Debug)]
pub(super) struct ClientKill;

/// Ids of the clients before.
#[derive(Debug, Serialize, Deserialize)]
struct Clients {
    ids: Vec<u64>,
}

#[async_trait]
impl Fault for ClientKill {
    async fn before(&self, site: &Site, target: &Target) -> Result<Before, FaultError> {
        let ids = ids(site).await?;
        if ids.is_empty() {
            return Err(FaultError::Other(format!("{} has no client but us", target.service)));
        }
        Before::of(&Clients { ids })
    }

    async fn inject(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        // Some may have come since.
        let ids = ids(site).await?;
        let killed = site.redis()?.kill_clients(&ids).await?;
        let listed = ids.len();
        if killed == 0 {
            return Err(FaultError::Other(format!("of the {listed} clients of {} none was there to be closed", target.service)));
        }
        Ok(())
    }

    async fn effect(&self, site: &Site, _: &Target, before: &Before) -> Result<Seen, FaultError> {
        let before = before.read::<Clients>()?.ids;
        let left = ids(site).await?.into_iter().filter(|id| before.contains(id)).count();
        Ok(Seen::when(left == 0, format!("{left} of {} clients are still there", before.len())))
    }

    async fn heal(&self, _: &Site, _: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(())
    }

    async fn healed(&self, site: &Site, _: &Target, _: &Before) -> Result<Seen, FaultError> {
        let connected = ids(site).await?.len();
        Ok(Seen::when(connected > 0, format!("{connected} clients are connected")))
    }
}

async fn ids(site: &Site) -> Result<Vec<u64>, StoreError> {
    let clients: Vec<Client> = site.redis()?.other_clients().await?;
    Ok(clients.into_iter().map(|client| client.id).collect())
}
