//! Makes less of what a camera shows while its link does not carry it, and more again when it does.
//!
//! The sign is that live frames become backlog because newer ones come before they can go, though the link stands. The steps are
//! [`Step::ALL`], quality first: people are counted over many frames, and a poorer picture of a passage is worth more than none.
//!
//! ```text
//!        second after second a tenth of the live frames become backlog
//! step n ──────────────────────────────────────────────────────────▶ step n + 1
//!    ▲                                                                  │
//!    └──────── none does for a while, longer each time that failed ─────┘
//! ```

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};

use super::{Link, bandwidth::Bandwidth};
use crate::{camera::Camera, capture::Effort, metrics::Metrics};

/// How often it is looked whether the link carries the live lane.
const LOOK: Duration = Duration::from_secs(1);
/// Looks that a step down is decided from: a hiccup of the line is over in less, and the live lane holds a second and a half.
const LOOKS: usize = 5;
/// Share of live frames that become backlog, in most looks, when it is too much. So many fewer are had by the least step.
const TOO_MANY: f64 = 0.1;
/// Time without such frames after which a step up is tried: a try that fails costs some seconds of live frames.
const CALM: Duration = Duration::from_secs(30);
/// Longest such time, after tries that failed. A line that was good for ten minutes may be good again.
const LONGEST_CALM: Duration = Duration::from_secs(600);
/// A step down so soon after a step up means that the try has failed.
const TRIAL: Duration = Duration::from_secs(15);
/// Below this quality the blocks of the JPEG are what one sees of a face of 32 pixels, the smallest that is named.
const LEAST_QUALITY: u8 = 30;

/// How much is made of what a camera shows: shares of its configured quality and rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step(usize);

impl Step {
    /// Quality and rate of each step; the last is a sixteenth to a tenth of the bytes of the first.
    pub const ALL: [(f64, f64); 6] = [
        (1.0, 1.0),
        (0.75, 1.0),
        (0.5, 1.0),
        (0.5, 0.5),
        (0.5, 0.25),
        (0.5, 0.125),
    ];

    /// Its number, 0 for all that is configured.
    #[must_use]
    pub fn number(self) -> usize {
        self.0
    }

    /// What it makes of what is configured.
    #[must_use]
    pub fn of(self, configured: Effort) -> Effort {
        let (quality, rate) = Self::ALL[self.0];
        let jpeg_quality = (f64::from(configured.jpeg_quality) * quality).round() as u8;
        Effort {
            jpeg_quality: jpeg_quality.max(LEAST_QUALITY.min(configured.jpeg_quality)),
            fps: configured.fps * rate,
        }
    }

    /// The next one down that saves anything; pictures that are passed on as the camera made them keep their quality.
    fn down(self, passed_on: bool) -> Option<Self> {
        let rate = |step: usize| Self::ALL[step].1;
        let lower = self.0 + 1..Self::ALL.len();
        let mut lower = lower.filter(|step| !passed_on || rate(*step) < rate(self.0));
        lower.next().map(Self)
    }

    fn up(self, passed_on: bool) -> Option<Self> {
        let rate = |step: usize| Self::ALL[step].1;
        let mut higher = (0..self.0).rev();
        let higher = higher.find(|step| !passed_on || rate(*step) > rate(self.0))?;
        // Where quality does not matter the first of a rate stands for all.
        let first = (0..=higher).find(|step| passed_on && rate(*step) == rate(higher));
        Some(Self(first.unwrap_or(higher)))
    }
}

/// What was seen of a link since the last look.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Frames that were captured to be sent.
    live: u64,
    /// Live frames that became backlog because newer ones came.
    overtaken: u64,
    /// Whether pictures are passed on as the camera made them.
    passed_on: bool,
}

/// Decides on steps.
#[derive(Debug)]
struct Adaptation {
    step: Step,
    looks: VecDeque<Seen>,
    /// When frames last became backlog, or the step changed.
    calm_since: Instant,
    calm: Duration,
    raised: Option<Instant>,
}

impl Adaptation {
    fn new(now: Instant) -> Self {
        Self {
            step: Step::default(),
            looks: VecDeque::new(),
            calm_since: now,
            calm: CALM,
            raised: None,
        }
    }

    /// The link does not stand, or is not to carry anything: nothing can be told.
    fn rest(&mut self, now: Instant) {
        self.looks.clear();
        self.calm_since = now;
    }

    fn look(&mut self, seen: Seen, now: Instant) {
        self.looks.push_back(seen);
        if self.looks.len() > LOOKS {
            self.looks.pop_front();
        }
        if seen.overtaken > 0 {
            self.calm_since = now;
        }
        let sum = |of: fn(&Seen) -> u64| self.looks.iter().map(of).sum::<u64>() as f64;
        let (live, overtaken) = (sum(|seen| seen.live), sum(|seen| seen.overtaken));
        let often = self.looks.iter().filter(|seen| seen.overtaken > 0).count() > LOOKS / 2;
        if often && overtaken >= live * TOO_MANY && self.looks.len() == LOOKS {
            if let Some(lower) = self.step.down(seen.passed_on) {
                let failed = self
                    .raised
                    .take()
                    .is_some_and(|raised| now < raised + TRIAL);
                if failed {
                    self.calm = (self.calm * 2).min(LONGEST_CALM);
                }
                self.change(lower, now);
            }
        } else if now >= self.calm_since + self.calm {
            if self.raised.is_some_and(|raised| now >= raised + self.calm) {
                self.calm = CALM;
            }
            if let Some(higher) = self.step.up(seen.passed_on) {
                self.change(higher, now);
                self.raised = Some(now);
            }
        }
    }

    fn change(&mut self, step: Step, now: Instant) {
        self.step = step;
        self.rest(now);
    }
}

/// Adapts a camera to its link for as long as that is `wanted`, until dropped.
pub async fn run(
    camera: Arc<Camera>,
    bandwidth: Arc<Bandwidth>,
    mut wanted: watch::Receiver<bool>,
    metrics: Metrics,
) {
    loop {
        camera.set_step(Step::default());
        if wanted.wait_for(|wanted| *wanted).await.is_err() {
            return std::future::pending().await;
        }
        tokio::select! {
            () = adapt(&camera, &bandwidth, &metrics) => {}
            _ = wanted.wait_for(|wanted| !wanted) => {}
        }
    }
}

async fn adapt(camera: &Camera, bandwidth: &Bandwidth, metrics: &Metrics) {
    let mut adaptation = Adaptation::new(Instant::now());
    let mut last = camera.outbox().intake();
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let (now, before) = (Instant::now(), adaptation.step);
        let intake = camera.outbox().intake();
        let seen = Seen {
            live: intake.live - last.live,
            overtaken: intake.overtaken - last.overtaken,
            passed_on: camera.vitals().passed_on,
        };
        last = intake;
        let paused = bandwidth.rate().is_some_and(|rate| rate.is_zero());
        match *camera.link().borrow() == Link::Connected && !paused {
            true => adaptation.look(seen, now),
            false => adaptation.rest(now),
        }
        if adaptation.step != before {
            tell(camera, before, adaptation.step);
            metrics.adapted(adaptation.step > before);
            camera.set_step(adaptation.step);
        }
    }
}

fn tell(camera: &Camera, before: Step, step: Step) {
    let Effort { jpeg_quality, fps } = step.of(camera.format().effort());
    let (step, from) = (step.number(), before.number());
    if step > from {
        tracing::warn!(
            step,
            from,
            jpeg_quality,
            fps,
            "the link does not carry the live frames; less is sent"
        );
    } else {
        tracing::info!(
            step,
            from,
            jpeg_quality,
            fps,
            "the link carries the live frames; more is sent"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIGURED: Effort = Effort {
        jpeg_quality: 80,
        fps: 8.0,
    };

    struct Trial {
        adaptation: Adaptation,
        now: Instant,
    }

    impl Trial {
        fn new() -> Self {
            let now = Instant::now();
            Self {
                adaptation: Adaptation::new(now),
                now,
            }
        }

        /// A second with so many of eight live frames overtaken; the number of the step after it.
        fn second(&mut self, overtaken: u64, passed_on: bool) -> usize {
            self.now += LOOK;
            let seen = Seen {
                live: 8,
                overtaken,
                passed_on,
            };
            self.adaptation.look(seen, self.now);
            self.adaptation.step.number()
        }

        fn seconds_until(&mut self, step: usize, overtaken: u64) -> u32 {
            let mut seconds = 0;
            while self.adaptation.step.number() != step {
                self.second(overtaken, false);
                seconds += 1;
                assert!(seconds < 10_000, "step {step} never comes");
            }
            seconds
        }
    }

    #[test]
    fn steps_go_down_by_quality_and_then_by_rate() {
        let efforts = (0..Step::ALL.len()).map(|step| Step(step).of(CONFIGURED));
        let efforts: Vec<_> = efforts.map(|its| (its.jpeg_quality, its.fps)).collect();
        assert_eq!(
            efforts,
            [
                (80, 8.0),
                (60, 8.0),
                (40, 8.0),
                (40, 4.0),
                (40, 2.0),
                (40, 1.0)
            ]
        );
        let poor = Effort {
            jpeg_quality: 20,
            ..CONFIGURED
        };
        assert_eq!(Step(2).of(poor).jpeg_quality, 20);
    }

    #[test]
    fn a_hiccup_changes_nothing() {
        let mut trial = Trial::new();
        for second in 0..60 {
            assert_eq!(trial.second(if second % 10 == 0 { 8 } else { 0 }, false), 0);
        }
    }

    #[test]
    fn what_is_too_much_goes_down_step_by_step_and_comes_back() {
        let mut trial = Trial::new();
        assert_eq!(trial.seconds_until(5, 4), 25);
        assert_eq!(trial.second(8, false), 5, "there is no further step");
        // None is left of those seconds when the calm begins.
        assert_eq!(trial.seconds_until(0, 0), 5 * 30);
    }

    #[test]
    fn a_try_that_fails_is_repeated_ever_later() {
        let mut trial = Trial::new();
        trial.seconds_until(1, 4);
        let mut waits = Vec::new();
        for _ in 0..7 {
            waits.push(trial.seconds_until(0, 0));
            trial.seconds_until(1, 4);
        }
        assert_eq!(waits, [30, 60, 120, 240, 480, 600, 600]);
        // One that lasts makes the next as early as the first.
        trial.seconds_until(0, 0);
        for _ in 0..600 {
            trial.second(0, false);
        }
        trial.seconds_until(2, 4);
        assert_eq!(trial.seconds_until(1, 0), 30);
    }

    #[test]
    fn pictures_that_are_passed_on_change_their_rate_only() {
        let mut trial = Trial::new();
        let mut steps: Vec<_> = (0..25).map(|_| trial.second(8, true)).collect();
        steps.dedup();
        assert_eq!(steps, [0, 3, 4, 5]);
        let mut steps: Vec<_> = (0..120).map(|_| trial.second(0, true)).collect();
        steps.dedup();
        assert_eq!(steps, [5, 4, 3, 0]);
    }

    #[test]
    fn while_the_link_is_down_nothing_is_told_from_it() {
        let mut trial = Trial::new();
        trial.seconds_until(1, 8);
        for _ in 0..100 {
            trial.now += LOOK;
            trial.adaptation.rest(trial.now);
        }
        assert_eq!(trial.second(8, false), 1);
        assert_eq!(trial.seconds_until(0, 0), 30);
    }
}
