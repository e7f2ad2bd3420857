//! Identifiers and numbers that look random and are the same for the same seed.

use uuid::{Builder, Uuid};

/// Spreads the bits of `value` (splitmix64).
pub(crate) fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A sequence of numbers and version 4 UUIDs, determined by its seed.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    seed: u64,
    count: u64,
}

impl Sequence {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed: mix(seed), count: 0 }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.count += 1;
        mix(self.seed ^ mix(self.count))
    }

    pub(crate) fn id(&mut self) -> Uuid {
        let (high, low) = (self.number(), mix(self.seed.wrapping_add(self.count)));
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&high.to_be_bytes());
        bytes[8..].copy_from_slice(&low.to_be_bytes());
        Builder::from_random_bytes(bytes).into_uuid()
    }

    /// A number below `bound`; zero when `bound` is zero.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("a usize fits into 64 bits").max(1);
        usize::try_from(self.number() % bound).expect("it is below a usize")
    }

    /// True in `chance` of all calls.
    pub(crate) fn happens(&mut self, chance: f64) -> bool {
        let drawn = u32::try_from(self.number() >> 32).expect("32 bits are left");
        f64::from(drawn) / f64::from(u32::MAX) < chance
    }

    /// One of `items`, which must not be empty.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}
