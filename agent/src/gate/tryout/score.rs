//! What a gate has sent of a film, compared with who passes in it.

use std::time::Duration;

use airside_core::Timestamp;

use crate::{
    capture::Picture,
    gate::{settings::Settings, truth::Passage},
};

/// A passage begins with the first picture that shows a whole face. Whoever walks into the picture is seen in part for about
/// so long before, and after it ends.
const IN_PART: Duration = Duration::from_secs(1);

/// Counts what a gate sends.
#[derive(Clone, Debug)]
pub(super) struct Score {
    pre: Duration,
    post: Duration,
    heartbeat: Duration,
    passages: Vec<(Passage, u64)>,
    last: Option<Duration>,
    /// Pictures sent.
    pub(super) pictures: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Pictures sent for nothing.
    pub(super) needless: u64,
}

/// Time of a film's picture since the film began.
pub(super) fn time(picture: &Picture) -> Duration {
    picture.captured_at.distance(Timestamp::from_micros(0))
}

impl Score {
    pub(super) fn new(settings: &Settings, passages: &[Passage]) -> Self {
        Self {
            pre: settings.pre_roll + IN_PART,
            post: settings.post_roll + IN_PART,
            heartbeat: settings.heartbeat,
            passages: passages.iter().map(|passage| (*passage, 0)).collect(),
            last: None,
            pictures: 0,
            bytes: 0,
            needless: 0,
        }
    }

    /// These were sent, in the order of their times.
    pub(super) fn sent(&mut self, pictures: &[Picture]) {
        for picture in pictures {
            let at = time(picture);
            self.pictures += 1;
            self.bytes += picture.jpeg.len() as u64;
            let mut wanted = self.is_heartbeat(at);
            for (passage, shown) in &mut self.passages {
                *shown += u64::from((passage.from..=passage.to).contains(&at));
                let around = passage.from.saturating_sub(self.pre)..=passage.to + self.post;
                wanted |= around.contains(&at);
            }
            self.needless += u64::from(!wanted);
            self.last = Some(at);
        }
    }

    /// Whether a picture is sent for no other reason than that none was for long.
    fn is_heartbeat(&self, at: Duration) -> bool {
        let overdue = |last: Duration| at.saturating_sub(last) >= self.heartbeat;
        !self.heartbeat.is_zero() && self.last.is_none_or(overdue)
    }

    /// Numbers, from 1, of the passages of which nothing was sent.
    pub(super) fn missed(&self) -> Vec<usize> {
        let numbered = (1..).zip(&self.passages);
        let missed = numbered.filter(|(_, (_, shown))| *shown == 0);
        missed.map(|(number, _)| number).collect()
    }

    /// Of the passages that are not missed, the fewest pictures of one.
    pub(super) fn fewest(&self) -> u64 {
        let shown = self.passages.iter().map(|(_, shown)| *shown);
        shown.filter(|shown| *shown > 0).min().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn picture(millis: u64) -> Picture {
        Picture {
            captured_at: Timestamp::from_micros(0).after(Duration::from_millis(millis)),
            jpeg: Bytes::from_static(b"jpeg"),
            luma: None,
        }
    }

    #[test]
    fn each_picture_is_of_a_passage_around_one_a_heartbeat_or_needless() {
        let settings = Settings {
            pre_roll: Duration::from_secs(1),
            post_roll: Duration::from_secs(2),
            heartbeat: Duration::from_secs(10),
            ..Settings::default()
        };
        let passage = |from, to| Passage {
            from: Duration::from_secs(from),
            to: Duration::from_secs(to),
        };
        let mut score = Score::new(&settings, &[passage(20, 22), passage(40, 41)]);
        // A heartbeat, one needless, rolls and two of the first passage, one needless, a heartbeat.
        let times = [0, 9_900, 18_000, 20_000, 22_000, 25_000, 25_100, 35_100];
        score.sent(&times.map(picture));
        assert_eq!((score.pictures, score.bytes, score.needless), (8, 32, 2));
        assert_eq!((score.missed(), score.fewest()), (vec![2], 2));
        score.sent(&[picture(40_500)]);
        assert_eq!((score.missed(), score.fewest()), (vec![], 1));
    }
}
