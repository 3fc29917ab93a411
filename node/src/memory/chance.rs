//! Chance that comes from a seed.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::ports::Rng;

/// The steps of splitmix64: the golden ratio in 64 bits, and the mixing constants of its finaliser.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
const MIX: [u64; 2] = [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb];

/// The same numbers for the same seed, in the order in which they are asked for.
#[derive(Debug)]
pub struct SeededRng(AtomicU64);

impl SeededRng {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Rng for SeededRng {
    fn next_u64(&self) -> u64 {
        let mut mixed = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(MIX[0]);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(MIX[1]);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_from_the_seed() {
        let numbers = |seed| {
            let rng = SeededRng::new(seed);
            [rng.next_u64(), rng.next_u64()]
        };
        // The published test vector of splitmix64.
        assert_eq!(numbers(1_234_567), [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
        assert_ne!(numbers(1), numbers(2));
    }
}
