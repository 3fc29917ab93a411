//! What only a human can mend is told of once, and not each time that it is met.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Names that are remembered; a store with more of them has said enough.
const MOST: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct Told(Mutex<HashSet<String>>);

impl Told {
    /// Is this the first time?
    pub(super) fn first(&self, name: &str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.len() < MOST && told.insert(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_told_of_once_and_only_so_many_are() {
        let told = Told::default();
        assert!(told.first("a") && !told.first("a"));
        assert_eq!((0..5000).filter(|index| told.first(&index.to_string())).count(), MOST - 1);
    }
}
