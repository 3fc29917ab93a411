//! The open schedule of the load: when, where and with what each operation arrives, whatever the cluster does.

use super::arrivals::Arrivals;
use super::{Plan, Slot};
use crate::history::OpKind;
use crate::seed::{Stream, mix};

/// The schedule of one plan, as an iterator.
///
/// Nodes come in rounds: each round visits every node once, in an order of its own, so that each gets its exact share.
#[derive(Debug, Clone)]
pub struct Slots {
    arrivals: Arrivals,
    end_us: u64,
    repeat: f64,
    conflict: f64,
    customers: u64,
    customer_seed: u64,
    amount_seed: u64,
    nodes: Stream,
    keys: Stream,
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
            repeat: load.keys.repeat,
            conflict: load.keys.conflict,
            customers: u64::from(load.customers.max(1)),
            customer_seed: Stream::new(plan.seed, "customers").below(u64::MAX),
            amount_seed: Stream::new(plan.seed, "amounts").below(u64::MAX),
            nodes: Stream::new(plan.seed, "nodes"),
            keys: Stream::new(plan.seed, "keys"),
            round: (0..plan.roster.len().max(1)).collect(),
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
        let draw = self.keys.unit();
        if self.placed == 0 || draw >= self.repeat + self.conflict {
            self.placed += 1;
            return (OpKind::Place, self.placed - 1);
        }
        let reach = if self.keys.below(2) == 0 { self.placed.min(3) } else { self.placed };
        let order = self.placed - 1 - self.keys.below(reach);
        (if draw < self.repeat { OpKind::Replay } else { OpKind::Conflict }, order)
    }

    fn customer(&self, order: u64) -> String {
        format!("customer-{}", 1 + mix(self.customer_seed ^ mix(order)) % self.customers)
    }
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
            customer_id: self.customer(order),
            amount_minor: amount_minor(self.amount_seed, order, kind),
        })
    }
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
