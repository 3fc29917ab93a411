//! Finds an operation by its number.

use std::collections::HashMap;

/// Where an operation stands in the history's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Op(u32),
    ReadBack(u32),
}

impl Place {
    /// Both lists in one number: there are never so many operations that the lowest bit is needed otherwise.
    fn packed(self) -> u32 {
        match self {
            Self::Op(at) => at << 1,
            Self::ReadBack(at) => at << 1 | 1,
        }
    }

    fn unpacked(packed: u32) -> Self {
        if packed & 1 == 0 { Self::Op(packed >> 1) } else { Self::ReadBack(packed >> 1) }
    }
}

/// Operations are numbered from 0 by the recorder, so nearly all are found by their place; any other number is found as well.
#[derive(Debug, Default)]
pub(super) struct OpNumbers {
    /// By number: the packed place plus 1, or 0.
    close: Vec<u32>,
    far: HashMap<u64, u32>,
    count: usize,
}

impl OpNumbers {
    /// Remembers where an operation is; where another of this number was before, if one was.
    pub(super) fn insert(&mut self, number: u64, place: Place) -> Option<Place> {
        let before = self.get(number);
        self.count += 1;
        match usize::try_from(number).ok().filter(|at| *at < 2 * self.count + 1_024) {
            Some(at) if !self.far.contains_key(&number) => {
                if self.close.len() <= at {
                    self.close.resize(at + 1, 0);
                }
                self.close[at] = place.packed() + 1;
            }
            _ => {
                self.far.insert(number, place.packed());
            }
        }
        before
    }

    pub(super) fn get(&self, number: u64) -> Option<Place> {
        let close = usize::try_from(number).ok().and_then(|at| self.close.get(at)).and_then(|index| index.checked_sub(1));
        close.or_else(|| self.far.get(&number).copied()).map(Place::unpacked)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn operation_is_found_whatever_its_number(numbers in prop::collection::vec(prop_oneof![0..40_u64, 900..3_000_u64, any::<u64>()], 0..200)) {
            let (mut held, mut wanted) = (OpNumbers::default(), HashMap::new());
            for (index, number) in (0..).zip(numbers) {
                let place = if index % 3 == 0 { Place::ReadBack(index) } else { Place::Op(index) };
                prop_assert_eq!(held.insert(number, place), wanted.insert(number, place));
                prop_assert_eq!(held.get(number), Some(place));
            }
            for number in 0..3_000 {
                prop_assert_eq!(held.get(number), wanted.get(&number).copied());
            }
        }
    }
}
