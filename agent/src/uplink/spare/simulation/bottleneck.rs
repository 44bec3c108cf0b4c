//! Lines and collectors: how long they take for a frame, and how that varies.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::Instant;

/// What lies between a camera and its answers.
#[derive(Clone, Copy)]
pub(super) struct Bottleneck {
    /// A line is one worker and keeps the order; a collector is several.
    pub(super) workers: usize,
    /// A worker's time for a frame.
    pub(super) takes: Takes,
    /// Time that passes besides, whoever waits.
    pub(super) away: Takes,
    /// Frames that are lost and sent again.
    pub(super) stalls: Option<Stalls>,
    /// Other work that comes and goes.
    pub(super) bursts: Option<Bursts>,
}

/// A time that varies.
#[derive(Clone, Copy)]
pub(super) struct Takes {
    pub(super) median: Duration,
    pub(super) spread: Spread,
}

#[derive(Clone, Copy)]
pub(super) enum Spread {
    /// By this share less or more, all alike.
    Even(f64),
    /// With a long tail: log-normal, so that the 99th percentile is so many times the median.
    Tailed(f64),
}

/// What is behind a frame that is lost waits with it.
#[derive(Clone, Copy)]
pub(super) struct Stalls {
    pub(super) share: f64,
    pub(super) from: Duration,
    pub(super) to: Duration,
}

/// Workers that are so many times slower for a while; each pause and burst by half shorter or longer.
#[derive(Clone, Copy)]
pub(super) struct Bursts {
    pub(super) every: Duration,
    pub(super) last: Duration,
    pub(super) slower: f64,
}

/// A bottleneck at work.
pub(super) struct Works {
    bottleneck: Bottleneck,
    chance: StdRng,
    /// Of its own, so that bursts come at the same times with backlog and without.
    weather: StdRng,
    free: Vec<Instant>,
    bursting: bool,
    until: Instant,
}

impl Takes {
    fn draw(self, chance: &mut StdRng) -> Duration {
        let factor = match self.spread {
            Spread::Even(share) => 1.0 + share * chance.random_range(-1.0..1.0),
            Spread::Tailed(times) => {
                // The 99th percentile of a normal distribution is at 2.326; Box and Muller.
                let (one, other) = (chance.random_range(0.0..1.0), chance.random_range(0.0..1.0));
                let radius = (-2.0 * f64::ln(1.0 - one)).sqrt();
                let normal = radius * f64::cos(std::f64::consts::TAU * other);
                f64::exp(normal * f64::ln(times) / 2.326)
            }
        };
        self.median.mul_f64(factor)
    }
}

impl Works {
    pub(super) fn begin(bottleneck: Bottleneck, seed: u64, now: Instant) -> Self {
        Self {
            bottleneck,
            chance: StdRng::seed_from_u64(seed),
            weather: StdRng::seed_from_u64(seed + 1),
            free: vec![now; bottleneck.workers],
            bursting: true,
            until: now,
        }
    }

    /// When a frame that is sent now is answered, if what is before it is answered at `before`.
    pub(super) fn carry(&mut self, now: Instant, before: Instant) -> Instant {
        let slower = self.slower(now);
        let chance = &mut self.chance;
        let takes = self.bottleneck.takes.draw(chance).mul_f64(slower);
        let away = self.bottleneck.away.draw(chance);
        let stall = self.bottleneck.stalls.map_or(Duration::ZERO, |stalls| {
            match chance.random_bool(stalls.share) {
                true => chance.random_range(stalls.from..stalls.to),
                false => Duration::ZERO,
            }
        });
        let worker = self.free.iter_mut().min().expect("there is a worker");
        *worker = now.max(*worker) + takes;
        let answered = *worker + away + stall;
        match self.bottleneck.workers {
            1 => answered.max(before),
            _ => answered,
        }
    }

    fn slower(&mut self, now: Instant) -> f64 {
        let Some(bursts) = self.bottleneck.bursts else {
            return 1.0;
        };
        while self.until <= now {
            self.bursting = !self.bursting;
            let phase = match self.bursting {
                true => bursts.last,
                false => bursts.every,
            };
            self.until += phase.mul_f64(self.weather.random_range(0.5..1.5));
        }
        if self.bursting { bursts.slower } else { 1.0 }
    }
}
