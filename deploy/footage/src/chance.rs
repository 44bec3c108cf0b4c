//! Chance that follows from a seed alone.
//!
//! SplitMix64 (Steele, Lea, Flood 2014): ten lines that give the same numbers on every machine and in
//! every release, which no general-purpose generator of a library promises. A film must not change
//! because a dependency did.

/// A stream of numbers that seem random.
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

/// The odd number nearest to 2^64 divided by the golden ratio: SplitMix64's step.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl Chance {
    /// One of the streams that belong to a seed; different streams do not resemble each other.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut chance = Self(seed);
        Self(chance.next() ^ stream.wrapping_mul(STEP))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` up to, but without, `high`.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        // 53 bits are what an f64 holds exactly.
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        low + unit * (high - low)
    }

    /// A whole number below `bound`, which must not be 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// True as often as false.
    pub(super) fn coin(&mut self) -> bool {
        self.next() >> 63 == 1
    }

    /// Brings `items` into a random order.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_from_seed_and_stream() {
        let draw = |seed, stream| {
            let mut chance = Chance::new(seed, stream);
            (chance.next(), chance.below(7), chance.between(-1.0, 1.0))
        };
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0).0, draw(1, 1).0);
        assert_ne!(draw(1, 0).0, draw(2, 0).0);
    }

    #[test]
    fn the_reference_sequence_of_splitmix64_is_met() {
        let mut chance = Chance(1_234_567);
        assert_eq!(chance.next(), 6_457_827_717_110_365_317);
        assert_eq!(chance.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..50).collect();
        Chance::new(3, 0).shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
