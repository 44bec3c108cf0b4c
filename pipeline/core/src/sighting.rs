//! Sightings: which appearances of a person of interest are one alert.
//!
//! A camera that recognises someone does so in many frames. Sightings of one person by one camera that follow each other
//! without a longer pause are one [`Appearance`], and an appearance is one alert. The appearances are a function of the
//! *set* of sightings: one that arrives late extends an appearance, or makes two into one, of which the earlier stays.

use std::time::Duration;

use crate::Timestamp;

/// Longest pause within an appearance.
///
/// Longer than what parts two passages: a face is found in almost every frame of a passage but recognised only when
/// it turns to the camera, and a passage of common length (up to 8 s) shall be one alert even if it was recognised at its two
/// ends alone.
pub const GAP: Duration = Duration::from_secs(8);

/// A person in view of a camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appearance<Id> {
    /// Identifies it, and with it its alert.
    pub id: Id,
    /// Capture time of the earliest sighting.
    pub first: Timestamp,
    /// Capture time of the latest sighting.
    pub last: Timestamp,
}

/// What a sighting is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting<Id> {
    /// The first of a new appearance.
    First,
    /// One more of an appearance.
    Again {
        /// The appearance, extended by the sighting and by what it absorbed.
        appearance: Appearance<Id>,
        /// Later appearances that the sighting showed to be the same one.
        absorbed: Vec<Id>,
    },
}

impl<Id> Appearance<Id> {
    /// Whether a sighting at `at` belongs to it.
    #[must_use]
    pub fn includes(&self, at: Timestamp, gap: Duration) -> bool {
        (self.first.before(gap)..=self.last.after(gap)).contains(&at)
    }
}

/// Says what a sighting at `at` is, given the appearances of the same person before the same camera; those
/// farther off than `gap` do not matter.
#[must_use]
pub fn place<Id: Ord>(
    at: Timestamp,
    appearances: Vec<Appearance<Id>>,
    gap: Duration,
) -> Sighting<Id> {
    let mut near: Vec<_> = appearances
        .into_iter()
        .filter(|appearance| appearance.includes(at, gap))
        .collect();
    near.sort_by(|a, b| (a.first, &a.id).cmp(&(b.first, &b.id)));
    let mut near = near.into_iter();
    let Some(mut appearance) = near.next() else {
        return Sighting::First;
    };
    appearance.first = appearance.first.min(at);
    appearance.last = appearance.last.max(at);
    let mut absorbed = Vec::new();
    for later in near {
        appearance.last = appearance.last.max(later.last);
        absorbed.push(later.id);
    }
    Sighting::Again {
        appearance,
        absorbed,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn second(second: u32) -> Timestamp {
        Timestamp::from_micros(i64::from(second) * 1_000_000)
    }

    /// What a table of appearances becomes by sightings at these seconds; ids ascend.
    fn appearances(seconds: &[u32]) -> Vec<Appearance<usize>> {
        let mut table = BTreeMap::new();
        for (id, &at) in seconds.iter().enumerate() {
            let at = second(at);
            match place(at, table.values().cloned().collect(), GAP) {
                Sighting::First => {
                    let (first, last) = (at, at);
                    table.insert(id, Appearance { id, first, last });
                }
                Sighting::Again {
                    appearance,
                    absorbed,
                } => {
                    for id in absorbed {
                        assert!(table.remove(&id).is_some());
                    }
                    table.insert(appearance.id, appearance);
                }
            }
        }
        let mut all: Vec<_> = table.into_values().collect();
        all.sort_by_key(|appearance| appearance.first);
        all
    }

    #[test]
    fn a_pause_parts_two_appearances() {
        let found = appearances(&[10, 12, 20, 29, 30]);
        let spans: Vec<_> = found.iter().map(|a| (a.first, a.last)).collect();
        let expected = [(second(10), second(20)), (second(29), second(30))];
        assert_eq!(spans, expected);
    }

    #[test]
    fn a_late_sighting_between_two_appearances_withdraws_the_later() {
        let found = appearances(&[30, 18, 24]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].id, found[0].last), (1, second(30)));
    }

    proptest! {
        #[test]
        fn order_and_repeats_change_nothing(
            mut seconds in prop::collection::vec(0_u32..200, 1..40),
            shuffled in any::<prop::sample::Index>(),
        ) {
            let mut mixed = seconds.clone();
            mixed.extend_from_within(..seconds.len() / 2);
            mixed.rotate_left(shuffled.index(seconds.len()));
            mixed.reverse();
            seconds.sort_unstable();
            let span = |found: Vec<Appearance<usize>>| -> Vec<_> {
                found.into_iter().map(|a| (a.first, a.last)).collect()
            };
            prop_assert_eq!(span(appearances(&mixed)), span(appearances(&seconds)));
        }
    }
}
