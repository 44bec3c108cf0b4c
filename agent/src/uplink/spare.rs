//! How much backlog may go beside live frames: spare capacity, found out by what it costs.
//!
//! Wherever the bottleneck is (the line, the collector, a bandwidth in force), backlog in excess shows in the time from a live
//! frame's capture to its answer. That time is compared with what it is without backlog (`latency`), and sets how many
//! frames of backlog may be under way (`window`). Where even one at a time is felt, as where a line carries one frame after the
//! other, backlog goes in the gaps between live frames, which come at a steady pace; and where there is no gap, now and then.
//!
//! ```text
//! some seconds without backlog, now and then: what is usual
//!      │
//! live frame late? ──yes──▶ window halved   … 3, 2, 1 at a time, in gaps, a trickle
//!      └── no ────────────▶ window grows
//! ```
//!
//! All cameras of an agent share the line: so they share the window, and take turns. While none of them streams there is nobody to
//! spare. While they stream and have had no live frame for `IDLE`, because their gates keep all back, at least one frame of
//! backlog is under way, for which the first picture of a passage then waits.

mod gaps;
mod latency;
#[cfg(test)]
mod simulation;
mod window;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use self::{
    gaps::Pace,
    latency::Usual,
    window::{Allowance, Window},
};
use crate::spool::Lane;

/// Without a live frame for so long nobody knows when the next comes. A camera at a usual rate has one five times a second.
const IDLE: Duration = Duration::from_secs(10);
/// How often, and how long, backlog stands back so that what is usual can be seen: ten live frames of a usual camera at the cost
/// of a tenth of the time.
const LOOK_EVERY: Duration = Duration::from_secs(20);
const LOOK_FOR: Duration = Duration::from_secs(2);
/// Where there is no gap, one frame of backlog goes with so many live ones: fewer than one in a hundred notices.
const TRICKLE: u32 = 128;
/// A camera's turn, where fewer frames may be under way than there are cameras with backlog.
const TURN: Duration = Duration::from_secs(1);

/// The spare capacity of an agent.
#[derive(Debug)]
pub struct Spare {
    inner: Mutex<Inner>,
    changed: watch::Sender<()>,
}

/// A camera's place at it.
#[derive(Debug)]
pub struct Seat {
    spare: Arc<Spare>,
    id: u64,
}

/// What a camera has to send.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// Whether there is backlog.
    pub backlog: bool,
    /// Whether live frames may come.
    pub streaming: bool,
}

/// When backlog may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// As much as there is credit for: nobody is disturbed.
    Free,
    /// One frame, from then on.
    From(Instant),
    /// One frame, when something changes, or from then on.
    Wait(Instant),
    /// There is nothing to go.
    Nothing,
}

#[derive(Debug)]
struct Inner {
    began: Instant,
    cameras: BTreeMap<u64, Camera>,
    next_id: u64,
    window: Window,
    /// When backlog was last seen under way.
    beside: Option<Instant>,
    /// When the last look at what is usual began.
    looked: Option<Instant>,
    /// Live frames answered since backlog last went.
    answered: u32,
    /// How long a frame of backlog takes that has the line for itself.
    takes: Option<Duration>,
}

#[derive(Debug, Default)]
struct Camera {
    /// Frames that were captured before say nothing of the link.
    linked: Option<Instant>,
    usual: Usual,
    pace: Pace,
    live: u32,
    backlog: u32,
    /// When the only frame of backlog under way was sent.
    alone_since: Option<Instant>,
    load: Load,
}

impl Spare {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(now: Instant) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                began: now,
                cameras: BTreeMap::new(),
                next_id: 0,
                window: Window::default(),
                beside: None,
                looked: None,
                answered: 0,
                takes: None,
            }),
            changed: watch::Sender::new(()),
        })
    }

    /// A place for one more camera.
    #[must_use]
    pub fn seat(self: &Arc<Self>) -> Seat {
        let mut inner = self.lock();
        let id = inner.next_id;
        inner.next_id += 1;
        inner.cameras.insert(id, Camera::default());
        Seat {
            spare: Arc::clone(self),
            id,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// The camera's link stands.
    pub fn linked(&self, now: Instant) {
        self.with(|inner, id| {
            let camera = inner.camera(id);
            if camera.linked.is_none() {
                camera.linked = Some(now);
            }
        });
    }

    /// The camera's link has ended: nothing of it is under way.
    pub fn unlinked(&self, now: Instant) {
        self.with(|inner, id| {
            inner.note_beside(now);
            let camera = inner.camera(id);
            camera.linked = None;
            (camera.live, camera.backlog, camera.alone_since) = (0, 0, None);
            camera.load = Load::default();
        });
        self.spare.changed.send_replace(());
    }

    /// A frame of the camera was sent.
    pub fn sent(&self, lane: Lane, now: Instant) {
        self.with(|inner, id| inner.sent(id, lane, now));
    }

    /// A frame of the camera was answered; `captured` is when a live one was taken in, if it was recorded.
    pub fn answered(&self, lane: Lane, captured: Option<Instant>, now: Instant) {
        self.with(|inner, id| inner.answer(id, lane, captured, now));
        self.spare.changed.send_replace(());
    }

    /// When the camera may send a frame of its backlog.
    #[must_use]
    pub fn turn(&self, load: Load, now: Instant) -> Turn {
        self.with(|inner, id| {
            inner.camera(id).load = load;
            match load.backlog {
                true => inner.turn(id, now),
                false => Turn::Nothing,
            }
        })
    }

    /// Tells when something changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.spare.changed.subscribe()
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Inner, u64) -> T) -> T {
        use_it(&mut self.spare.lock(), self.id)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.with(|inner, id| inner.cameras.remove(&id));
        self.spare.changed.send_replace(());
    }
}

impl Inner {
    fn camera(&mut self, id: u64) -> &mut Camera {
        self.cameras.entry(id).or_default()
    }

    fn under_way(&self) -> u32 {
        self.cameras.values().map(|camera| camera.backlog).sum()
    }

    fn note_beside(&mut self, now: Instant) {
        if self.under_way() > 0 {
            self.beside = Some(now);
        }
    }

    fn sent(&mut self, id: u64, lane: Lane, now: Instant) {
        let alone = self.under_way() == 0;
        let camera = self.camera(id);
        match lane {
            Lane::Live => {
                camera.live += 1;
                camera.pace.frame(now);
            }
            Lane::Backlog => {
                camera.backlog += 1;
                camera.alone_since = alone.then_some(now);
                self.answered = 0;
                self.beside = Some(now);
            }
        }
    }

    fn answer(&mut self, id: u64, lane: Lane, captured: Option<Instant>, now: Instant) {
        self.note_beside(now);
        let used = match self.window.allowance() {
            Allowance::Frames(most) => self.under_way() >= most,
            _ => true,
        };
        let waits = self.cameras.values().any(|camera| camera.load.backlog);
        let idle = self.is_idle(now);
        let beside = self.beside;
        let camera = self.camera(id);
        if lane == Lane::Backlog {
            camera.backlog = camera.backlog.saturating_sub(1);
            if let Some(sent) = camera.alone_since.take() {
                self.learn(now.saturating_duration_since(sent));
            }
            if idle {
                self.window.good(used);
            }
            return;
        }
        camera.live = camera.live.saturating_sub(1);
        let linked = camera.linked;
        let told = captured.filter(|captured| linked.is_some_and(|linked| *captured >= linked));
        let Some(captured) = told else { return };
        let took = now.saturating_duration_since(captured);
        let clean = beside.is_none_or(|beside| beside < captured);
        let late = camera.usual.is_late(took);
        if clean {
            camera.usual.add(took);
        }
        self.answered = self.answered.saturating_add(1);
        match late {
            Some(true) if !clean => self.window.congested(captured, now),
            Some(false) if waits => self.window.good(used),
            _ => {}
        }
    }

    /// Believes at once what is longer, and what is shorter bit by bit: a gap that turns out too short costs a live frame.
    fn learn(&mut self, took: Duration) {
        let known = self.takes.unwrap_or(took);
        self.takes = Some(took.max(known.mul_f64(0.9)));
    }

    fn turn(&mut self, id: u64, now: Instant) -> Turn {
        let live = |camera: &Camera| camera.live > 0 || camera.load.streaming;
        if !self.cameras.values().any(live) {
            return Turn::Free;
        }
        if self.is_idle(now) {
            self.looked = None;
            let most = match self.window.allowance() {
                Allowance::Frames(most) => most,
                _ => 1,
            };
            let from = (self.under_way() < most).then(|| self.share(id, most, now));
            return from.flatten().map_or(Turn::Wait(now + IDLE), Turn::From);
        }
        if let Some(until) = self.look(now) {
            return Turn::From(until);
        }
        let under_way = self.under_way();
        let from = match self.window.allowance() {
            Allowance::Frames(most) if under_way < most => self.share(id, most, now),
            Allowance::Gaps if under_way == 0 => {
                let mine = self.share(id, 1, now);
                mine.and_then(|from| self.gap(from).or_else(|| self.trickle(now)))
            }
            Allowance::Trickle if under_way == 0 => {
                self.share(id, 1, now).and_then(|_| self.trickle(now))
            }
            _ => None,
        };
        from.map_or_else(|| Turn::Wait(self.idle_from(now)), Turn::From)
    }

    fn is_idle(&self, now: Instant) -> bool {
        let live = self.cameras.values().any(|camera| camera.live > 0);
        !live && self.idle_from(now) <= now
    }

    /// When it will be idle unless live frames come.
    fn idle_from(&self, now: Instant) -> Instant {
        let last = self
            .cameras
            .values()
            .filter_map(|camera| camera.pace.last());
        last.max().map_or(now, |last| last + IDLE)
    }

    /// Until when backlog stands back, so that what is usual can be seen. Between gaps it can be seen anyway.
    fn look(&mut self, now: Instant) -> Option<Instant> {
        if !matches!(self.window.allowance(), Allowance::Frames(_)) {
            return None;
        }
        let looked = match self.looked {
            Some(looked) if now < looked + LOOK_EVERY => looked,
            _ => *self.looked.insert(now),
        };
        Some(looked + LOOK_FOR).filter(|until| now < *until)
    }

    /// When this camera may take one of so many places: with fewer places than cameras that want one they take turns.
    fn share(&self, id: u64, places: u32, now: Instant) -> Option<Instant> {
        let wanting: Vec<u64> = self.wanting().collect();
        let count = wanting.len().max(1) as u32;
        if places >= count {
            let its = self.cameras.get(&id).map_or(0, |camera| camera.backlog);
            return (its < places.div_ceil(count)).then_some(now);
        }
        let place = wanting.iter().position(|one| *one == id)? as u128;
        let turn = now.duration_since(self.began).as_millis() / TURN.as_millis();
        let ahead = (place + u128::from(count) - turn % u128::from(count)) % u128::from(count);
        match ahead as u32 {
            0 => Some(now),
            ahead => {
                let since = self.began + TURN * (turn as u32);
                Some(since + TURN * ahead)
            }
        }
    }

    fn wanting(&self) -> impl Iterator<Item = u64> {
        let wanting = self
            .cameras
            .iter()
            .filter(|(_, camera)| camera.load.backlog);
        wanting.map(|(id, _)| *id)
    }

    /// From when on a frame of backlog is through before any live frame is due.
    fn gap(&self, from: Instant) -> Option<Instant> {
        if self.cameras.values().any(|camera| camera.live > 0) {
            return None;
        }
        let paces: Vec<_> = self.cameras.values().map(|camera| &camera.pace).collect();
        gaps::find(&paces, from, self.takes.unwrap_or_default())
    }

    fn trickle(&self, now: Instant) -> Option<Instant> {
        let live = self.cameras.values().any(|camera| camera.live > 0);
        (!live && self.answered >= TRICKLE).then_some(now)
    }
}
