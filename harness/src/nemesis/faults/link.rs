//! What the faults on links have in common: a rule of the fault proxy, which expires unless it is renewed, and a probe of
//! our own through the same listener, which the service behind it has to answer.
//!
//! The proxy says which rule is in force; whether it has an effect, the probe sees.

use std::time::Duration;

use async_trait::async_trait;
use judge::plan::Link;
use proxy::{Counts, LinkState, Order, Rule};
use serde::{Deserialize, Serialize};

use crate::cluster::SCALED;
use crate::links::{self, Links, LinksError, Met, Probe};
use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::site::Site;

/// So long a rule outlives a harness that died.
const TTL: Duration = Duration::from_secs(5);
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// The service that is the proxy.
const PROXY: &str = "links";
/// A link without a rule answers within a few milliseconds, on a busy machine too.
const PLAIN_ANSWERS: Duration = Duration::from_secs(2);
/// How much longer than before an echo may take on a healed link of a busy machine.
pub(super) const SLACK: Duration = Duration::from_millis(25);
/// The longest that a probe of an effect may take: it has to show within 5 s.
pub(super) const PROBE_WITHIN: Duration = Duration::from_secs(3);

/// One way to make a link worse.
pub(super) trait LinkFault: std::fmt::Debug + Send + Sync {
    fn link(&self) -> Link;

    fn rule(&self) -> Rule;

    /// What is sent through the link to see the effect.
    fn probe(&self) -> Probe;

    /// Is that the effect?
    fn shows(&self, met: Met, base: &Base) -> bool;

    /// How much longer than before an echo may take once it is healed.
    fn slack(&self) -> Duration {
        SLACK
    }
}

/// What an effect is compared with.
#[derive(Debug)]
pub(super) struct Base {
    /// The quickest echo before the fault.
    pub(super) echo: Duration,
    /// What the proxy has counted on the link since then.
    pub(super) since: Counts,
}

/// A link before the fault.
#[derive(Debug, Serialize, Deserialize)]
struct Healthy {
    echo_us: u64,
    counts: Counts,
}

#[derive(Debug)]
pub(super) struct OnLink<F>(pub(super) F);

impl<F: LinkFault> OnLink<F> {
    fn order(&self) -> Order {
        Order { rule: self.0.rule(), ttl_ms: u64::try_from(TTL.as_millis()).unwrap_or(u64::MAX) }
    }

    fn listener(&self, target: &Target) -> String {
        links::listener(&target.service, self.0.link())
    }

    async fn look(&self, site: &Site, target: &Target) -> Result<LinkState, FaultError> {
        Ok(proxy_of(site)?.look(&self.listener(target)).await?)
    }

    /// A probe through the published port of the listener.
    async fn probe(&self, site: &Site, state: &LinkState, probe: Probe) -> Result<Met, FaultError> {
        let unpublished = || FaultError::Other(format!("the fault proxy publishes no port for {}", state.name));
        let container = site.cluster.containers.get(PROXY).ok_or_else(unpublished)?;
        let ports = site.engine.inspect(container).await?.ports;
        let port = ports.get(&state.address.port()).ok_or_else(unpublished)?;
        links::echo(&format!("127.0.0.1:{port}"), self.0.link(), probe).await.map_err(FaultError::Other)
    }

    /// The same bytes as in a probe of the effect, on a link that has no rule.
    fn plain(&self) -> Probe {
        Probe { stays: false, patience: PLAIN_ANSWERS, ..self.0.probe() }
    }
}

#[async_trait]
impl<F: LinkFault> Fault for OnLink<F> {
    async fn before(&self, site: &Site, target: &Target) -> Result<Before, FaultError> {
        refuse_shared(site, target)?;
        let state = self.look(site, target).await?;
        if let Some(in_force) = &state.rule {
            return Err(FaultError::Other(format!("{} has a rule already: {:?}", state.name, in_force.rule)));
        }
        match self.probe(site, &state, self.plain()).await? {
            Met::Answered { quickest, .. } => {
                // The probe's own connection counts among those before.
                let counts = self.look(site, target).await?.counts;
                Before::of(&Healthy { echo_us: u64::try_from(quickest.as_micros()).unwrap_or(u64::MAX), counts })
            }
            met => Err(FaultError::Other(format!("{} is not healthy: {met}", state.name))),
        }
    }

    async fn inject(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        proxy_of(site)?.put(&self.listener(target), &self.order()).await?;
        Ok(())
    }

    async fn effect(&self, site: &Site, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        let healthy: Healthy = before.read()?;
        let rule = self.0.rule();
        let in_force = |state: &LinkState| state.rule.as_ref().is_some_and(|in_force| in_force.rule == rule);
        let state = self.look(site, target).await?;
        if !in_force(&state) {
            return Ok(Seen::NotYet(format!("{} has not the rule {rule:?} but {:?}", state.name, state.rule)));
        }
        let met = self.probe(site, &state, self.0.probe()).await?;
        let state = self.look(site, target).await?;
        if !in_force(&state) {
            return Ok(Seen::NotYet(format!("{} has lost the rule {rule:?} during a probe", state.name)));
        }
        let base = Base { echo: Duration::from_micros(healthy.echo_us), since: since(&state.counts, &healthy.counts) };
        let words = format!("{met}; {:.1?} before the fault; {} connections open", base.echo, state.counts.open());
        Ok(Seen::when(self.0.shows(met, &base), words))
    }

    async fn heal(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        proxy_of(site)?.remove(&self.listener(target)).await?;
        Ok(())
    }

    async fn healed(&self, site: &Site, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        let healthy: Healthy = before.read()?;
        let state = self.look(site, target).await?;
        if let Some(in_force) = &state.rule {
            return Ok(Seen::NotYet(format!("{} has the rule {:?}", state.name, in_force.rule)));
        }
        let met = self.probe(site, &state, self.plain()).await?;
        let base = Duration::from_micros(healthy.echo_us);
        let quick = matches!(met, Met::Answered { quickest, .. } if quickest <= base + self.0.slack());
        Ok(Seen::when(quick, format!("no rule; {met}; {base:.1?} before the fault")))
    }

    async fn keep_up(&self, site: &Site, target: &Target, _: &Before) -> FaultError {
        let proxy = match proxy_of(site) {
            Ok(proxy) => proxy,
            Err(error) => return error,
        };
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            // Where the proxy does not answer the next turn comes before the rule ends; whether it did, the probe at the
            // end of the fault sees.
            let _ = proxy.put(&self.listener(target), &self.order()).await;
        }
    }
}

fn proxy_of(site: &Site) -> Result<Links, FaultError> {
    let url = site.cluster.links.as_deref();
    let missing = || FaultError::Other(String::from("the cluster has no fault proxy between nodes and services"));
    url.map(Links::at).ok_or_else(missing)
}

/// Scaled nodes share their links: refuses a node whose links are those of others, too.
fn refuse_shared(site: &Site, target: &Target) -> Result<(), FaultError> {
    let scaled = |service: &str| service.split('.').next() == Some(SCALED);
    let sharing = site.cluster.containers.keys().filter(|service| scaled(service)).count();
    if scaled(&target.service) && sharing > 1 {
        let service = &target.service;
        return Err(FaultError::Other(format!("{service} shares its links with {} other nodes", sharing - 1)));
    }
    Ok(())
}

fn since(now: &Counts, before: &Counts) -> Counts {
    Counts {
        opened: now.opened.saturating_sub(before.opened),
        ended: now.ended.saturating_sub(before.ended),
        unreachable: now.unreachable.saturating_sub(before.unreachable),
        bytes_out: now.bytes_out.saturating_sub(before.bytes_out),
        bytes_in: now.bytes_in.saturating_sub(before.bytes_in),
        late_bytes: now.late_bytes.saturating_sub(before.late_bytes),
        black_holed: now.black_holed.saturating_sub(before.black_holed),
        resets: now.resets.saturating_sub(before.resets),
        half_closed: now.half_closed.saturating_sub(before.half_closed),
        swallowed_bytes: now.swallowed_bytes.saturating_sub(before.swallowed_bytes),
    }
}

impl From<LinksError> for FaultError {
    fn from(error: LinksError) -> Self {
        Self::Other(error.to_string())
    }
}
