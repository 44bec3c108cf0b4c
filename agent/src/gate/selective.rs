//! A gate that watches, and sends what lies around what matters.

use super::{Gate, Verdict, View, Watch, rolls::Rolls, settings::Settings};
use crate::capture::Picture;

/// See the module.
pub(super) struct Selective {
    watch: Box<dyn Watch>,
    rolls: Rolls,
    view: View,
}

impl Selective {
    pub(super) fn new(watch: Box<dyn Watch>, settings: &Settings) -> Self {
        Self {
            rolls: Rolls::new(settings, watch.lag()),
            watch,
            view: View::default(),
        }
    }
}

impl Gate for Selective {
    fn judge(&mut self, mut picture: Picture) -> Verdict {
        let (at, given_up) = self.rolls.time(picture.captured_at);
        let sight = self.watch.look(&picture, at);
        // Seen; what is held need not keep it.
        picture.luma = None;
        let mut verdict = self.rolls.take(picture, at, sight.mattered_at);
        verdict.gated += given_up;
        self.view = View {
            open: self.rolls.is_open(at),
            sight,
        };
        verdict
    }

    fn finish(&mut self) -> u64 {
        self.view.open = false;
        self.rolls.finish()
    }

    fn view(&self) -> Option<View> {
        Some(self.view)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use airside_core::Timestamp;
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::gate::{Sight, settings::Mode};

    /// Something matters in pictures whose first byte is not zero; it is told so many pictures later.
    struct Marked {
        late: usize,
        past: Vec<Option<Timestamp>>,
        known: Option<Timestamp>,
    }

    impl Watch for Marked {
        fn look(&mut self, picture: &Picture, at: Timestamp) -> Sight {
            self.past.push((picture.jpeg[0] != 0).then_some(at));
            let index = self.past.len().checked_sub(self.late + 1);
            self.known = index.and_then(|index| self.past[index]).or(self.known);
            Sight {
                mattered_at: self.known,
                ..Sight::default()
            }
        }

        fn lag(&self) -> Duration {
            Duration::from_millis(200) * self.late as u32
        }
    }

    /// From one picture to the next: mostly ahead, at times far, at times back.
    fn millis() -> impl Strategy<Value = i64> {
        prop_oneof![20 => 10_i64..600, 1 => 600_i64..60_000, 2 => -100_i64..0, 1 => -3_600_000_i64..-1_000]
    }

    proptest! {
        /// Whatever happens, each picture comes out once: admitted in its order, or gated.
        #[test]
        fn the_ledger_holds_at_every_picture(
            pictures in prop::collection::vec((millis(), prop::bool::weighted(0.2)), 1..120),
            finishes in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
            rolls in (0_u64..3_000, 0_u64..3_000, 0_u64..20_000),
            fps in 0.2_f64..20.0,
            late in 0_usize..4,
        ) {
            let settings = Settings {
                mode: Mode::Motion,
                pre_roll: Duration::from_millis(rolls.0),
                post_roll: Duration::from_millis(rolls.1),
                heartbeat: Duration::from_millis(rolls.2),
                fps,
                ..Settings::default()
            };
            let watch = Marked { late, past: Vec::new(), known: None };
            let mut gate = Selective::new(Box::new(watch), &settings);
            let finishes: Vec<usize> = finishes.iter().map(|index| index.index(pictures.len())).collect();
            let (mut time, mut admitted, mut gated) = (1_700_000_000_000_000, Vec::new(), 0);
            for (number, (step, matters)) in pictures.iter().enumerate() {
                time += step * 1_000;
                let mut jpeg = vec![u8::from(*matters)];
                jpeg.extend((number as u32).to_be_bytes());
                let verdict = gate.judge(Picture {
                    captured_at: Timestamp::from_micros(time),
                    jpeg: Bytes::from(jpeg),
                    luma: None,
                });
                let numbers = verdict.admitted.iter().map(|picture| picture.jpeg.slice(1..));
                admitted.extend(numbers);
                gated += verdict.gated;
                prop_assert!(admitted.len() as u64 + gated <= number as u64 + 1);
                if finishes.contains(&number) {
                    gated += gate.finish();
                    prop_assert_eq!(admitted.len() as u64 + gated, number as u64 + 1);
                }
            }
            gated += gate.finish();
            prop_assert_eq!(admitted.len() as u64 + gated, pictures.len() as u64);
            prop_assert!(admitted.is_sorted_by(|a, b| a < b), "in order, and none twice");
        }
    }
}
