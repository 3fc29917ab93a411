//! Which of the history's lines tell of an order: for all orders together, in two long lists instead of millions of short ones.

use super::OrderIx;
use crate::numbers::fit;

/// Indices into one of the history's lists, by order.
#[derive(Debug, Clone, Default)]
pub(super) struct ByOrder {
    /// By order, where its indices begin; and at last, where all end.
    starts: Vec<u32>,
    indices: Vec<u32>,
}

impl ByOrder {
    /// From the order that each item of the list tells, if it tells any; the indices of one order stay in the list's order.
    pub(super) fn of(orders: usize, told: impl Iterator<Item = Option<OrderIx>> + Clone) -> Self {
        let mut starts = vec![0_u32; orders + 1];
        for order in told.clone().flatten() {
            starts[order as usize + 1] += 1;
        }
        for order in 0..orders {
            starts[order + 1] += starts[order];
        }
        let mut indices = vec![0; starts.last().map_or(0, |end| *end as usize)];
        // Each order's start moves on as its indices are put down, and so ends as the next one's.
        for (at, order) in told.enumerate().filter_map(|(at, order)| Some((at, order?))) {
            let next = &mut starts[order as usize];
            indices[*next as usize] = fit(at);
            *next += 1;
        }
        starts.rotate_right(1);
        if let Some(first) = starts.first_mut() {
            *first = 0;
        }
        Self { starts, indices }
    }

    pub(super) fn found<'h, T>(&'h self, order: OrderIx, all: &'h [T]) -> Found<'h, T> {
        Found { indices: self.get(order), all }
    }

    fn get(&self, order: OrderIx) -> &[u32] {
        let order = order as usize;
        let bounds = self.starts.get(order).zip(self.starts.get(order + 1));
        bounds.and_then(|(from, until)| self.indices.get(*from as usize..*until as usize)).unwrap_or_default()
    }
}

/// The items of one order, in the order in which the history tells them.
#[derive(Debug)]
pub struct Found<'h, T> {
    indices: &'h [u32],
    all: &'h [T],
}

impl<T> Clone for Found<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Found<'_, T> {}

impl<'h, T> Found<'h, T> {
    #[must_use]
    pub fn len(self) -> usize {
        self.indices.len()
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.indices.is_empty()
    }

    #[must_use]
    pub fn first(self) -> Option<&'h T> {
        self.iter().next()
    }

    pub fn iter(self) -> impl Iterator<Item = &'h T> + Clone {
        self.numbered().map(|(_, item)| item)
    }

    /// With the index that each has in the history's own list.
    pub fn numbered(self) -> impl Iterator<Item = (usize, &'h T)> + Clone {
        self.indices.iter().filter_map(move |at| Some((*at as usize, self.all.get(*at as usize)?)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_item_is_found_under_its_order_in_the_order_of_the_list(
            told in prop::collection::vec(prop::option::weighted(0.9, 0..7_u32), 0..60),
        ) {
            let lists = ByOrder::of(7, told.iter().copied());
            for order in 0..7 {
                let wanted: Vec<u32> = (0..).zip(&told).filter(|(_, of)| **of == Some(order)).map(|(at, _)| at).collect();
                prop_assert_eq!(lists.get(order), wanted);
            }
            prop_assert!(lists.get(7).is_empty());
        }
    }
}
