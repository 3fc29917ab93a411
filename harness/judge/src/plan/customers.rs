//! Whose an order is: a function of its number, so that whoever comes back to it names the same customer.

use std::sync::Arc;

use super::Plan;
use crate::seed::{Stream, mix};

/// The customers of one plan.
#[derive(Debug, Clone)]
pub(super) struct Customers {
    count: u64,
    seed: u64,
    /// Under a skew: the share of orders that the first customers have together, by how many they are.
    shares: Option<Arc<[f64]>>,
}

impl Customers {
    pub(super) fn new(plan: &Plan) -> Self {
        let (count, skew) = (plan.load.customers.max(1), plan.load.customer_skew);
        let shares = (skew > 0.0).then(|| shares(count, skew));
        Self { count: u64::from(count), seed: Stream::new(plan.seed, "customers").below(u64::MAX), shares }
    }

    /// The number of the order's customer, from 1; under a skew the first customer has the most orders.
    pub(super) fn of(&self, order: u64) -> u64 {
        let drawn = mix(self.seed ^ mix(order));
        let Some(shares) = &self.shares else { return 1 + drawn % self.count };
        let unit = (drawn >> 11) as f64 / (1_u64 << 53) as f64;
        1 + (shares.partition_point(|share| *share <= unit) as u64).min(self.count - 1)
    }
}

/// Zipf: the k-th customer has 1 / k^skew as many orders as the first.
fn shares(count: u32, skew: f64) -> Arc<[f64]> {
    let weights = || (1..=count).map(|rank| f64::from(rank).powf(-skew));
    let all: f64 = weights().sum();
    let mut so_far = 0.0;
    weights()
        .map(|weight| {
            so_far += weight / all;
            so_far
        })
        .collect()
}
