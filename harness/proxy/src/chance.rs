//! Seeded chance: the same seed gives the same draws.

/// The generator that its authors call splitmix64: 64 bits of state, and far better than jitter needs.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    /// One stream of many under a seed.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut mixed = Self(seed);
        Self(mixed.draw() ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `most`, both included.
    pub(crate) fn up_to(&mut self, most: u64) -> u64 {
        // The high half of the product: uniform but for 1 in 2^64 / most.
        let wide = u128::from(self.draw()) * (u128::from(most) + 1);
        u64::try_from(wide >> 64).unwrap_or(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_stream_repeat_and_others_differ() {
        let draws = |seed, stream| {
            let mut chance = Chance::new(seed, stream);
            (0..8).map(|_| chance.up_to(1_000_000)).collect::<Vec<_>>()
        };
        assert_eq!(draws(1, 2), draws(1, 2));
        assert_ne!(draws(1, 2), draws(1, 3));
        assert_ne!(draws(1, 2), draws(2, 2));
    }

    #[test]
    fn draws_fill_their_range() {
        let mut chance = Chance::new(7, 0);
        let draws: Vec<u64> = (0..1_000).map(|_| chance.up_to(9)).collect();
        assert!((0..10).all(|value| draws.iter().filter(|draw| **draw == value).count() > 60), "{draws:?}");
        assert_eq!(chance.up_to(0), 0);
    }
}
