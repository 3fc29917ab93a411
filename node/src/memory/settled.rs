//! Which sequences of a stream are settled: a contiguous floor, and ranges above gaps.

use std::collections::BTreeMap;

/// What is settled. Ranges may overlap, because a redelivery settles itself alone.
#[derive(Debug, Clone, Default)]
pub(super) struct Settled {
    pub(super) floor: u64,
    /// First to last of what is settled above a gap.
    ahead: BTreeMap<u64, u64>,
}

impl Settled {
    /// All up to `floor`, and nothing above.
    pub(super) fn up_to(floor: u64) -> Self {
        Self { floor, ahead: BTreeMap::new() }
    }

    /// All from `first` to `last` is settled.
    pub(super) fn add(&mut self, first: u64, last: u64) {
        if last > self.floor {
            if first <= self.floor + 1 {
                self.floor = last;
            } else {
                match self.ahead.range_mut(..=first).next_back() {
                    Some((_, high)) if first <= *high + 1 => *high = last.max(*high),
                    _ => {
                        self.ahead.insert(first, last);
                    }
                }
            }
        }
        while let Some(lowest) = self.ahead.first_entry()
            && *lowest.key() <= self.floor + 1
        {
            self.floor = self.floor.max(lowest.remove());
        }
    }

    /// Ranges that wait above a gap.
    pub(super) fn waiting(&self) -> usize {
        self.ahead.len()
    }
}
