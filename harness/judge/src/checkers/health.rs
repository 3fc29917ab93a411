//! Health: what a node says of itself is true, and has the contract's form.
//!
//! - `checks` tell within 2 s that NATS or Redis is cut off, and that it is back. A service counts as cut off only while
//!   a probe from outside had shown it: from the proof of the effect until the heal is called. It counts as there only while no
//!   fault at all is in force, and none has been since.
//! - `status` follows from the checks: `down` with 503 without Redis, no `up` without NATS.
//! - `/health/live` answers 200 whenever it answers.
//!
//! Not judged: a node that a fault holds, one that does not answer, and all that lies within [`SLACK_US`] more than the
//! contract's time, since a busy machine is late. One wrong word is not enough: a node must go on saying it, so that a link
//! which really broke for a moment makes no lie.

use std::collections::BTreeMap;

use super::Desk;
use crate::case::Case;
use crate::history::{NodeIx, Sample, Step};
use crate::numbers::many;
use crate::plan::{Direction, Fault, FaultKind, Link, Peer};
use crate::verdict::Finding;

/// So soon `checks` must be true again, by the contract.
const TRUE_WITHIN_US: u64 = 2_000_000;
/// What a busy machine may add to that.
const SLACK_US: u64 = 1_000_000;
/// How long a node must go on claiming a service that is cut off; samples come twice a second.
const CLAIMED_US: u64 = 1_400_000;
/// How long it must go on denying one that is there: a busy link may break by itself, and then its end must be known in time.
const DENIED_US: u64 = TRUE_WITHIN_US + SLACK_US;
/// Two samples further apart than this are no unbroken word.
const GAP_US: u64 = 2_500_000;

/// What a node said at some moment between asking and answer.
#[derive(Debug, Clone, Copy)]
struct Said<'a> {
    asked_us: u64,
    t_us: u64,
    http: Option<u16>,
    status: Option<&'a str>,
    nats: Option<&'a str>,
    redis: Option<&'a str>,
    live: Option<u16>,
}

impl Said<'_> {
    fn of(&self, service: Link) -> Option<&str> {
        match service {
            Link::Nats => self.nats,
            Link::Redis => self.redis,
        }
    }
}

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "health";
    let case = desk.case;
    let by_node = by_node(case);
    let mut wrong = Vec::new();
    let mut judged = 0_usize;
    for node in &case.required {
        let said = by_node.get(node).map(Vec::as_slice).unwrap_or_default();
        let name = case.history.node_name(*node);
        judged += said.iter().filter(|said| said.status.is_some()).count();
        wrong.extend(said.iter().filter_map(misshapen).take(3).map(|what| format!("{name}: {what}")));
        for service in [Link::Nats, Link::Redis] {
            let cuts = cuts(case, name, service);
            let mut denies = Streak::default();
            let mut claims = Streak::default();
            for said in said {
                let is_cut = cuts.iter().any(|cut| cut.covers(said)) && !is_held_otherwise(case, name, said, service);
                let is_there = is_calm(case, said);
                let word = said.of(service);
                if let Some(us) = claims.note(said, is_cut && word == Some("up"), CLAIMED_US) {
                    wrong.push(told(case, name, service, "up", "though it was proven to be cut off", us));
                }
                if let Some(us) = denies.note(said, is_there && word == Some("down"), DENIED_US) {
                    wrong.push(told(case, name, service, "down", "though no fault was in force", us));
                }
            }
        }
    }
    if !wrong.is_empty() {
        return Finding::invalid(NAME, format!("{} of nodes about themselves are not true", many(wrong.len(), "statement")))
            .counting(wrong.len())
            .with(wrong);
    }
    if judged == 0 {
        return Finding::valid(NAME, "no node was asked for its health");
    }
    Finding::valid(NAME, format!("none of {judged} answers was proven untrue"))
}

fn by_node<'a>(case: &Case<'a>) -> BTreeMap<NodeIx, Vec<Said<'a>>> {
    let mut by_node: BTreeMap<NodeIx, Vec<Said<'a>>> = BTreeMap::new();
    for sample in case.samples {
        let Sample::Health { t_us, node, http, status, nats, redis, asked_us, live } = sample else { continue };
        let Some(node) = case.history.node(node) else { continue };
        by_node.entry(node).or_default().push(Said {
            // Older recordings do not tell: no question took longer than its patience of a second.
            asked_us: asked_us.unwrap_or(t_us.saturating_sub(1_000_000)),
            t_us: *t_us,
            http: *http,
            status: status.as_deref(),
            nats: nats.as_deref(),
            redis: redis.as_deref(),
            live: *live,
        });
    }
    for said in by_node.values_mut() {
        said.sort_by_key(|said| said.t_us);
    }
    by_node
}

/// How an answer breaks the contract by itself, whatever is true.
fn misshapen(said: &Said<'_>) -> Option<String> {
    if let Some(live) = said.live.filter(|live| *live != 200) {
        return Some(format!("/health/live answered {live}"));
    }
    let (http, status) = (said.http?, said.status?);
    let allowed: &[&str] = match (said.redis?, said.nats?) {
        ("down", "up" | "down") => &["down"],
        ("up", "down") => &["down", "degraded"],
        ("up", "up") => &["down", "degraded", "up"],
        (redis, nats) => return Some(format!("checks are `{redis}` and `{nats}`, the contract knows `up` and `down`")),
    };
    if !allowed.contains(&status) {
        return Some(format!("status `{status}` with redis {} and nats {}", said.redis?, said.nats?));
    }
    let wanted = if status == "down" { 503 } else { 200 };
    (http != wanted).then(|| format!("status `{status}` came with {http}"))
}

/// A time in which a node is proven to be cut off from a service.
#[derive(Debug, Clone, Copy)]
struct Cut {
    proven_us: u64,
    heal_us: u64,
}

impl Cut {
    /// Was the answer made when the node must have known?
    fn covers(&self, said: &Said<'_>) -> bool {
        said.asked_us >= self.proven_us + TRUE_WITHIN_US + SLACK_US && said.t_us <= self.heal_us
    }
}

/// When `node` was proven to be cut off from `service`.
fn cuts(case: &Case<'_>, node: &str, service: Link) -> Vec<Cut> {
    let mut cuts = Vec::new();
    for (number, fault) in case.plan.faults.iter().enumerate() {
        let target = match reach(fault, service) {
            Some(Reach::Everybody) => service.word(),
            Some(Reach::Target) => node,
            None => continue,
        };
        let steps = || case.history.faults.iter().filter(|step| step.fault == number && step.target == target);
        // One that did not last as long as it should proves nothing.
        if steps().any(|step| step.step == Step::Ineffective) {
            continue;
        }
        let first = |wanted: Step| steps().filter(|step| step.step == wanted).map(|step| step.t_us).min();
        if let (Some(proven_us), Some(heal_us)) = (first(Step::EffectVerified), first(Step::Heal)) {
            cuts.push(Cut { proven_us, heal_us });
        }
    }
    cuts
}

enum Reach {
    /// The service itself is away.
    Everybody,
    /// The target alone does not reach it.
    Target,
}

/// Whom a fault certainly cuts off from a service, all the time that it is in force.
fn reach(fault: &Fault, service: Link) -> Option<Reach> {
    let is_peer = |peer: Peer| matches!((peer, service), (Peer::Nats, Link::Nats) | (Peer::Redis, Link::Redis));
    match fault.kind {
        FaultKind::Stop | FaultKind::Kill | FaultKind::Pause => Some(Reach::Everybody),
        FaultKind::Cut { from, direction: Direction::Both } if is_peer(from) => Some(Reach::Target),
        FaultKind::BlackHole { link, direction: Direction::Both } if link == service => Some(Reach::Target),
        _ => None,
    }
}

/// Was the node itself held around the answer, or may it have been? One whose other link is broken can still speak.
fn is_held_otherwise(case: &Case<'_>, node: &str, said: &Said<'_>, service: Link) -> bool {
    let from_us = said.asked_us.saturating_sub(TRUE_WITHIN_US + SLACK_US);
    let faults = case.plan.faults.iter().zip(&case.spans);
    faults
        .filter(|(_, span)| span.holds(node, from_us, said.t_us))
        .any(|(fault, _)| !matches!(reach(fault, service), Some(Reach::Target)))
}

/// No fault was in force when the answer was made, nor for so long before that its end must be known.
fn is_calm(case: &Case<'_>, said: &Said<'_>) -> bool {
    let from_us = said.asked_us.saturating_sub(TRUE_WITHIN_US + SLACK_US);
    let since_us = case.edges.load_start_us + TRUE_WITHIN_US;
    // An unhealed fault never ends, and one that was never shown to be healed may not have.
    let is_over =
        case.spans.iter().all(|span| span.inject_us.is_none() || span.heal_verified || span.inject_us > Some(said.t_us));
    from_us >= since_us && is_over && !case.spans.iter().any(|span| span.holds_within(from_us, said.t_us))
}

/// How long a node has been saying something wrong without a break.
#[derive(Debug, Default)]
struct Streak {
    began_us: Option<u64>,
    last_us: u64,
    is_told: bool,
}

impl Streak {
    /// How long it has lasted, once, when that is long enough.
    fn note(&mut self, said: &Said<'_>, is_wrong: bool, held_us: u64) -> Option<(u64, u64)> {
        // No answer breaks the word: what would have been said is not known.
        if !is_wrong || self.began_us.is_some_and(|_| said.asked_us > self.last_us + GAP_US) {
            *self = Self::default();
        }
        if !is_wrong {
            return None;
        }
        self.last_us = said.t_us;
        let began_us = *self.began_us.get_or_insert(said.t_us);
        let is_enough = said.asked_us >= began_us + held_us && !self.is_told;
        self.is_told |= is_enough;
        is_enough.then_some((began_us, said.asked_us))
    }
}

fn told(case: &Case<'_>, node: &str, service: Link, word: &str, why: &str, (from_us, until_us): (u64, u64)) -> String {
    let s = |t_us| case.edges.ms(t_us) / 1_000.0;
    format!(
        "{node}: said that {} is {word} from {:+.1} s until at least {:+.1} s, {why}",
        service.word(),
        s(from_us),
        s(until_us)
    )
}

#[cfg(test)]
mod tests;
