//! Every random choice of a plan comes from its seed, through a stream of its own for each subsystem: a draw more
//! in one of them changes nothing in the others.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A named stream of random numbers; the same seed and name give the same numbers on every machine.
#[derive(Debug, Clone)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream `name` of `seed`.
    #[must_use]
    pub fn new(seed: u64, name: &str) -> Self {
        let mut key = [0_u8; 32];
        let mut state = seed ^ fnv1a(FNV1A, name.as_bytes());
        for chunk in key.chunks_exact_mut(8) {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            chunk.copy_from_slice(&mix(state).to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in `0..bound`; 0 when `bound` is 0. The bias of the widening multiplication is below 2^-32 here.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.0.next_u64()) * u128::from(bound);
        (wide >> 64) as u64
    }

    /// Uniform in `0.0..1.0`, with 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Puts `items` into an order of its own choice (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).unwrap_or(0);
            items.swap(last, other);
        }
    }
}

/// A well-mixed function of one number: what an order is can be told from its number, without remembering it.
#[must_use]
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// What [`fnv1a`] begins with.
pub(crate) const FNV1A: u64 = 0xCBF2_9CE4_8422_2325;

/// FNV-1a in 64 bits, going on from a hash: the same everywhere and for ever, which the standard library does not promise.
pub(crate) fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(seed: u64, name: &str) -> Vec<u64> {
        let mut stream = Stream::new(seed, name);
        (0..4).map(|_| stream.below(1_000_000)).collect()
    }

    #[test]
    fn streams_are_fixed_for_all_time() {
        assert_eq!(draws(7, "keys"), draws(7, "keys"));
        assert_ne!(draws(7, "keys"), draws(7, "nodes"));
        assert_ne!(draws(7, "keys"), draws(8, "keys"));
    }

    #[test]
    fn shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..50).collect();
        Stream::new(1, "test").shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
