//! The open schedule of the load: when, where and with what each operation arrives, whatever the cluster does.

use super::arrivals::Arrivals;
use super::customers::Customers;
use super::{Keys, Plan, Slot};
use crate::history::OpKind;
use crate::seed::{Stream, mix};

/// The schedule of one plan, as an iterator.
///
/// Nodes come in rounds: each round visits every node as often as its weight says, in an order of its own, so that each
/// gets its exact share.
#[derive(Debug, Clone)]
pub struct Slots {
    arrivals: Arrivals,
    end_us: u64,
    keys: Keys,
    customers: Customers,
    amount_seed: u64,
    nodes: Stream,
    draws: Stream,
    bodies: Stream,
    body_bytes: Option<(u32, u32)>,
    round: Vec<usize>,
    in_round: usize,
    /// How many orders were placed.
    placed: u64,
}

impl Slots {
    pub(super) fn new(plan: &Plan) -> Self {
        let load = &plan.load;
        Self {
            arrivals: Arrivals::new(plan),
            end_us: load.duration_ms.saturating_mul(1_000),
            keys: load.keys,
            customers: Customers::new(plan),
            amount_seed: Stream::new(plan.seed, "amounts").below(u64::MAX),
            nodes: Stream::new(plan.seed, "nodes"),
            draws: Stream::new(plan.seed, "keys"),
            bodies: Stream::new(plan.seed, "bodies"),
            body_bytes: load.body_bytes,
            round: round(&load.weights, plan.roster.len()),
            in_round: 0,
            placed: 0,
        }
    }

    fn next_node(&mut self) -> usize {
        if self.in_round == 0 {
            self.nodes.shuffle(&mut self.round);
        }
        let node = self.round[self.in_round];
        self.in_round = (self.in_round + 1) % self.round.len();
        node
    }

    /// A new order, or one that was there before: half of the time one of the last three, which may still be under
    /// way, else any of them.
    fn next_key(&mut self) -> (OpKind, u64) {
        let draw = self.draws.unit();
        let Keys { repeat, conflict, hot, read } = self.keys;
        let kind = if draw < repeat {
            OpKind::Replay
        } else if draw < repeat + conflict {
            OpKind::Conflict
        } else if draw < repeat + conflict + hot {
            // The first order of all is the hot one, and whatever the seed the same.
            return if self.placed == 0 { self.next_order() } else { (OpKind::Replay, 0) };
        } else if draw < repeat + conflict + hot + read {
            OpKind::Read
        } else {
            return self.next_order();
        };
        if self.placed == 0 {
            return self.next_order();
        }
        let reach = if self.draws.below(2) == 0 { self.placed.min(3) } else { self.placed };
        (kind, self.placed - 1 - self.draws.below(reach))
    }

    fn next_order(&mut self) -> (OpKind, u64) {
        self.placed += 1;
        (OpKind::Place, self.placed - 1)
    }

    fn next_body(&mut self) -> u32 {
        let Some((least, most)) = self.body_bytes else { return 0 };
        let beyond = self.bodies.below(u64::from(most - least) + 1);
        least + u32::try_from(beyond).unwrap_or(0)
    }
}

/// A round: each node as often as its weight says.
fn round(weights: &[u32], nodes: usize) -> Vec<usize> {
    let weight = |node: usize| weights.get(node).map_or(1, |weight| *weight as usize);
    let round: Vec<usize> = (0..nodes).flat_map(|node| std::iter::repeat_n(node, weight(node))).collect();
    if round.is_empty() { vec![0] } else { round }
}

impl Iterator for Slots {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        let at_us = self.arrivals.next().filter(|at_us| *at_us < self.end_us)?;
        let node = self.next_node();
        let (kind, order) = self.next_key();
        Some(Slot {
            at_us,
            node,
            kind,
            order,
            customer_id: customer_id(self.customers.of(order)),
            amount_minor: amount_minor(self.amount_seed, order, kind),
            body_bytes: if kind == OpKind::Read { 0 } else { self.next_body() },
        })
    }
}

/// A customer by its number, from 1.
pub(super) fn customer_id(number: u64) -> String {
    format!("customer-{number}")
}

/// The amounts on which binary floats, rounding and limits are known to break, in minor units.
const AWKWARD: [u64; 6] = [10, 29, 1, 58, 99, 100_000_000_000];

/// Everyday amounts: 1.00 and up, ten million of them, two thirds with cents that no binary float holds.
const SMALL: (u64, u64) = (100, 10_000_000);
/// Large ones: from a million up to just below the limit of the contract.
const LARGE: (u64, u64) = (100_000_000, 99_900_000_000);

/// The amount of an order, in minor units. No two orders below the ten-millionth share one, and the other content
/// that a conflict sends is no order's either.
#[must_use]
pub fn amount_minor(seed: u64, order: u64, kind: OpKind) -> u64 {
    let other_content = matches!(kind, OpKind::Conflict);
    if let Some(awkward) = usize::try_from(order).ok().and_then(|order| AWKWARD.get(order))
        && !other_content
    {
        return *awkward;
    }
    let (half, is_large) = (order / 2, order % 2 == 1);
    let index = half * 2 + u64::from(other_content);
    let (base, count) = if is_large { LARGE } else { SMALL };
    // Odd and no multiple of 5 or 37: coprime to both counts, so that the index is only permuted.
    let scattered = (u128::from(index) * 7_919_871_409 + u128::from(mix(seed) % count)) % u128::from(count);
    base + u64::try_from(scattered).unwrap_or(0)
}

#[cfg(test)]
mod tests;
