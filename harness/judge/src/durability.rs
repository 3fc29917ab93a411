//! What a fault destroyed from below, and which orders that excuses.
//!
//! A scenario that declares `durability_limit` accepts what no node can prevent: Redis or the stream lose what they had
//! promised to keep. Excused is an order only where the evidence says that its last stage lay in what was destroyed:
//!
//! - **Redis rolled back** to a snapshot that was taken after the fault's `inject`: an order acknowledged between that step
//!   and the moment at which Redis was up again, of which there is no trace at all. What is in the stream comes again
//!   from there, so an order with a message, a record or a row is not excused.
//! - **The stream purged, deleted or rolled back**: an order that had been published before the fault's end (it was seen on
//!   a node, or its record is there without an outbox row) and is gone from the stream, on nodes that had no chance to
//!   take it before: at most one lease had passed, or a fault held them, NATS or Redis. Rolled back keeps what was
//!   published before the snapshot.
//!
//! After a rollback of Redis a node may take an order in anew that was acknowledged in the time that is gone; what it applies
//! and shows again is [`crate::resets`]' to tell.

use crate::case::{Case, Claim, Class};
use crate::figures::backlog::{Backlog, Window};
use crate::history::{History, NodeIx, Op, Order, Outcome, reads};
use crate::plan::{FaultKind, Plan};
use crate::timeline::FaultSpan;

/// A row that is still there is published by some node when its lease has ended: 5 s, by the contract.
const LEASE_US: u64 = 5_000_000;

/// What was destroyed, with what is needed to tell which orders that concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Destruction {
    /// Index into the plan's faults.
    fault: usize,
    what: Destroyed,
    /// A snapshot is taken from here on, or the destruction begins.
    inject_us: u64,
    /// The service is up again.
    up_us: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Destroyed {
    /// What Redis took in since the snapshot.
    Redis,
    /// All messages of the stream.
    Stream,
    /// The messages that came since the snapshot.
    NewMessages,
}

/// The destructions of a run that its scenario declared; empty without that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Limits {
    destructions: Vec<Destruction>,
    /// When something other than a destruction held a node; `None` for NATS and Redis, which all nodes lean on.
    held: Vec<(Option<NodeIx>, Window)>,
}

impl Limits {
    pub(crate) fn of(plan: &Plan, history: &History, spans: &[FaultSpan], backlog: &Backlog) -> Self {
        if !plan.durability_limit {
            return Self::default();
        }
        let mut limits = Self::default();
        for (number, ((fault, span), window)) in plan.faults.iter().zip(spans).zip(&backlog.windows).enumerate() {
            let Some(window) = *window else { continue };
            if fault.kind.destroys() {
                let on_redis = span.services.iter().any(|service| service == "redis");
                let what = match fault.kind {
                    FaultKind::RollBack { .. } if on_redis => Destroyed::Redis,
                    FaultKind::RollBack { .. } => Destroyed::NewMessages,
                    _ => Destroyed::Stream,
                };
                // One that was never shown to be over has no end to judge by, and excuses nothing.
                let Some(up_us) = span.healed_us.filter(|_| span.effect_verified && span.heal_verified) else { continue };
                limits.destructions.push(Destruction { fault: number, what, inject_us: window.from_us, up_us });
            } else {
                limits.held.extend(span.services.iter().map(|service| (history.node(service), window)));
            }
        }
        limits
    }

    /// The fault that excuses that an acknowledged or traced claim is missing on some nodes.
    pub(crate) fn excuses_loss(&self, case: &Case<'_>, claim: &Claim, missing: &[NodeIx]) -> Option<usize> {
        let history = case.history;
        let order = history.order(claim.order);
        let begun_us = begun_us(case, claim)?;
        let all_read = [reads::STREAM, reads::OUTBOX, reads::RECORDS].iter().all(|what| history.has_read(what));
        if !all_read || !order.published().is_empty() || !order.rows().is_empty() {
            return None;
        }
        let was_seen = !order.seen().is_empty() || !order.projected().is_empty();
        let excuses = |destruction: &&Destruction| {
            let within = begun_us >= destruction.inject_us && begun_us <= destruction.up_us;
            match destruction.what {
                Destroyed::Redis => claim.class == Class::Acknowledged && within && !was_seen && order.records().is_empty(),
                Destroyed::Stream | Destroyed::NewMessages => {
                    let published = was_seen || !order.records().is_empty();
                    published
                        && begun_us <= destruction.up_us
                        && missing.iter().all(|node| self.had_no_chance(destruction, *node, begun_us))
                        && (destruction.what == Destroyed::Stream || is_newer(order, begun_us, destruction.inject_us))
                }
            }
        };
        self.destructions.iter().find(excuses).map(|destruction| destruction.fault)
    }

    /// Could the node not have applied the order before the messages were gone?
    fn had_no_chance(&self, destruction: &Destruction, node: NodeIx, begun_us: u64) -> bool {
        let just_before = begun_us + LEASE_US >= destruction.inject_us;
        let held = self.held.iter().filter(|(held, _)| held.is_none_or(|held| held == node));
        just_before || held.map(|(_, window)| window).any(|window| window.meets(begun_us, destruction.inject_us))
    }

    /// May the order be taken in as new by an operation that was sent then? It was acknowledged in the time that is gone.
    pub(crate) fn excuses_taking_again(&self, acknowledged_us: u64, sent_us: u64) -> bool {
        let mut rollbacks = self.destructions.iter().filter(|destruction| destruction.what == Destroyed::Redis);
        rollbacks.any(|destruction| {
            (destruction.inject_us..=destruction.up_us).contains(&acknowledged_us) && sent_us >= acknowledged_us
        })
    }
}

/// When the claim was first acknowledged, or else first sent.
fn begun_us(case: &Case<'_>, claim: &Claim) -> Option<u64> {
    let ops = || case.ops(claim);
    let acknowledged = |op: &&Op| op.outcome() == Outcome::Ok;
    let first_ok = ops().filter(acknowledged).filter_map(|op| op.end).map(|end| end.t_us).min();
    first_ok.or_else(|| ops().map(|op| op.sent_us).min())
}

/// Was the message published only after the snapshot, as far as is known? One that a node had seen before is older, and so
/// is one that some node had a whole lease's time to publish.
fn is_newer(order: Order<'_>, begun_us: u64, snapshot_us: u64) -> bool {
    let first_seen_us = order.seen().iter().map(|seen| seen.t_us).min();
    first_seen_us.map_or(begun_us + LEASE_US >= snapshot_us, |seen_us| seen_us >= snapshot_us)
}

#[cfg(test)]
mod tests;
