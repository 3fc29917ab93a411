//! Cut: no packet passes between a node and a peer, in one or both directions. Connections hear nothing of it, not even
//! a reset.
//!
//! NATS and Redis are each on a network of their own with the nodes, so a whole cut takes the node off it ([`network`]).
//! Everything else drops packets in the node's own namespace ([`filter`]).

mod filter;
mod network;
pub(super) mod probe;

use async_trait::async_trait;
use judge::plan::{Direction, Link, Peer};

use filter::Filter;
use network::OffNetwork;

use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::site::Site;

#[derive(Debug, Clone)]
pub(super) struct Cut(Way);

#[derive(Debug, Clone)]
enum Way {
    Network(OffNetwork),
    Filter(Filter),
}

impl Cut {
    pub(super) fn new(from: Peer, direction: Direction) -> Self {
        Self(match (from, direction) {
            (Peer::Nats, Direction::Both) => Way::Network(OffNetwork { network: "bus", peer: Link::Nats }),
            (Peer::Redis, Direction::Both) => Way::Network(OffNetwork { network: "store", peer: Link::Redis }),
            (from, direction) => Way::Filter(Filter { from, direction }),
        })
    }
}

#[async_trait]
impl Fault for Cut {
    async fn before(&self, site: &Site, target: &Target) -> Result<Before, FaultError> {
        match &self.0 {
            Way::Network(network) => network.before(site, target).await,
            Way::Filter(filter) => filter.before(site, target).await,
        }
    }

    async fn inject(&self, site: &Site, target: &Target, before: &Before) -> Result<(), FaultError> {
        match &self.0 {
            Way::Network(network) => network.inject(site, target, before).await,
            Way::Filter(filter) => filter.inject(site, target).await,
        }
    }

    async fn effect(&self, site: &Site, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        match &self.0 {
            Way::Network(network) => network.effect(site, target, before).await,
            Way::Filter(filter) => filter.effect(site, target).await,
        }
    }

    async fn heal(&self, site: &Site, target: &Target, before: &Before) -> Result<(), FaultError> {
        match &self.0 {
            Way::Network(network) => network.heal(site, target, before).await,
            Way::Filter(filter) => filter.heal(site, target).await,
        }
    }

    async fn healed(&self, site: &Site, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        match &self.0 {
            Way::Network(network) => network.healed(site, target, before).await,
            Way::Filter(filter) => filter.healed(site, target).await,
        }
    }

    fn works_on(&self) -> bool {
        false
    }

    fn by_hand(&self, target: &Target) -> String {
        match &self.0 {
            Way::Network(network) => network.by_hand(target),
            // The filters are gone with the life that they were set in.
            Way::Filter(_) => format!("docker restart {}", target.container),
        }
    }
}
