//! What all cameras of an agent share: what is known of the way, and whose turn it is.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{
    Load, Turn,
    gaps::{self, Pace, Takes},
    latency::Usual,
    tolerance::Tolerance,
    window::{Allowance, Window},
};
use crate::spool::Lane;

/// Without a live frame for so long nobody knows when the next comes. A camera at a usual rate has one five times a second.
const IDLE: Duration = Duration::from_secs(10);
/// How often, and how long, backlog stands back so that what is usual can be seen: ten live frames of a usual camera at the cost
/// of a tenth of the time.
const LOOK_EVERY: Duration = Duration::from_secs(20);
const LOOK_FOR: Duration = Duration::from_secs(2);
/// Where there is no gap, one frame of backlog goes whenever a live frame may be late; and after so long in any case, so that what has
/// become better is noticed: one live frame in 150 of a usual camera.
const TRY_AFTER: Duration = Duration::from_secs(30);
/// A camera's turn, where fewer frames may be under way than there are cameras with backlog.
const TURN: Duration = Duration::from_secs(1);

/// The capacity of an agent's way to its collector.
#[derive(Debug)]
pub(super) struct Capacity {
    began: Instant,
    cameras: BTreeMap<u64, Camera>,
    next_id: u64,
    window: Window,
    tolerance: Tolerance,
    /// When backlog was last seen under way.
    beside: Option<Instant>,
    /// When what backlog did to live frames was last seen.
    felt: Option<Instant>,
    /// When the last look at what is usual began.
    looked: Option<Instant>,
    takes: Takes,
}

#[derive(Debug, Default)]
struct Camera {
    /// Frames that were captured before say nothing of the link.
    linked: Option<Instant>,
    usual: Usual,
    /// When its last live frame was answered, if that was late.
    late: Option<Instant>,
    pace: Pace,
    live: u32,
    backlog: u32,
    /// When the only frame of backlog under way was sent.
    alone_since: Option<Instant>,
    load: Load,
}

impl Capacity {
    /// Nothing is known yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            cameras: BTreeMap::new(),
            next_id: 0,
            window: Window::default(),
            tolerance: Tolerance::default(),
            beside: None,
            felt: None,
            looked: None,
            takes: Takes::default(),
        }
    }

    pub(super) fn enter(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.cameras.insert(id, Camera::default());
        id
    }

    pub(super) fn leave(&mut self, id: u64) {
        self.cameras.remove(&id);
    }

    pub(super) fn linked(&mut self, id: u64, now: Instant) {
        self.camera(id).linked.get_or_insert(now);
    }

    pub(super) fn unlinked(&mut self, id: u64, now: Instant) {
        self.note_beside(now);
        let camera = self.camera(id);
        (camera.linked, camera.late) = (None, None);
        (camera.live, camera.backlog, camera.alone_since) = (0, 0, None);
        camera.load = Load::default();
    }

    pub(super) fn sent(&mut self, id: u64, lane: Lane, now: Instant) {
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
                self.beside = Some(now);
            }
        }
    }

    /// `captured` is when a live frame was taken in, if it was recorded.
    pub(super) fn answered(
        &mut self,
        id: u64,
        lane: Lane,
        captured: Option<Instant>,
        now: Instant,
    ) {
        self.note_beside(now);
        let used = match self.window.allowance() {
            Allowance::Frames(most) => self.under_way() >= most,
            _ => true,
        };
        match lane {
            Lane::Backlog => {
                let camera = self.camera(id);
                camera.backlog = camera.backlog.saturating_sub(1);
                if let Some(sent) = camera.alone_since.take() {
                    self.takes.add(now.saturating_duration_since(sent));
                }
            }
            Lane::Live => {
                let camera = self.camera(id);
                camera.live = camera.live.saturating_sub(1);
                let linked = camera.linked;
                let tells = |captured: &Instant| linked.is_some_and(|linked| *captured >= linked);
                if let Some(captured) = captured.filter(tells) {
                    self.answered_live(id, captured, used, now);
                }
            }
        }
    }

    fn answered_live(&mut self, id: u64, captured: Instant, used: bool, now: Instant) {
        let before = |at: Option<Instant>| at.is_none_or(|at| at < captured);
        let without = before(self.beside) && before(self.felt);
        let held = self.held_until(now).is_some();
        let took = now.saturating_duration_since(captured);
        let camera = self.camera(id);
        let lateness = camera.usual.lateness(took);
        camera.late = lateness.filter(|late| *late > 0.0).map(|_| now);
        if without {
            camera.usual.add(took);
        }
        let Some(late) = lateness else { return };
        if without {
            // While backlog is held because it is late, what is seen is no sample of how often it is.
            if !held {
                self.tolerance.without(late);
            }
        } else {
            // Frames behind one that backlog held up were held up as well, though backlog is gone. But what lasts is no work of it.
            if late > 0.0 && self.beside.is_some_and(|beside| now < beside + LOOK_FOR) {
                self.felt = Some(now);
            }
            if self.tolerance.beside(late) {
                self.window.congested(captured, now);
            }
        }
        let waits = self.wanting().next().is_some();
        if late == 0.0 && waits && self.tolerance.is_left() {
            self.window.good(used);
        }
    }

    /// When this camera may send a frame of its backlog.
    pub(super) fn turn(&mut self, id: u64, load: Load, now: Instant) -> Turn {
        self.camera(id).load = load;
        let live = |camera: &Camera| camera.live > 0 || camera.load.streaming;
        if !load.backlog {
            return Turn::Nothing;
        }
        if !self.cameras.values().any(live) {
            return Turn::Free;
        }
        if self.is_idle(now) {
            return self.idle_turn(id, now);
        }
        if let Some(until) = self.look(now) {
            return Turn::From(until);
        }
        if let Some(until) = self.held_until(now) {
            return Turn::Wait(until);
        }
        let under_way = self.under_way();
        let from = match self.window.allowance() {
            Allowance::Frames(most) if under_way < most => self.share(id, most, now),
            Allowance::Gaps(share) if under_way == 0 => {
                let mine = self.share(id, 1, now);
                mine.and_then(|from| self.gap(from, share).or_else(|| self.trickle(now)))
            }
            Allowance::Trickle if under_way == 0 => {
                self.share(id, 1, now).and_then(|_| self.trickle(now))
            }
            _ => None,
        };
        from.map_or_else(|| Turn::Wait(self.idle_from(now)), Turn::From)
    }

    fn idle_turn(&mut self, id: u64, now: Instant) -> Turn {
        self.looked = None;
        let most = match self.window.allowance() {
            Allowance::Frames(most) => most,
            _ => 1,
        };
        let from = (self.under_way() < most).then(|| self.share(id, most, now));
        from.flatten().map_or(Turn::Wait(now + IDLE), Turn::From)
    }

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

    /// Until when nothing goes because a live frame was late, whoever's doing that is; unless the next one comes before and is not.
    fn held_until(&self, now: Instant) -> Option<Instant> {
        let late = self.cameras.values().filter_map(|camera| camera.late);
        late.max()
            .map(|late| late + LOOK_FOR)
            .filter(|until| now < *until)
    }

    /// When this camera may take one of so many places: with fewer places than cameras that want one they take turns.
    fn share(&self, id: u64, places: u32, now: Instant) -> Option<Instant> {
        let wanting: Vec<u64> = self.wanting().collect();
        let count = wanting.len().max(1) as u32;
        let its = self.cameras.get(&id).map_or(0, |camera| camera.backlog);
        if places >= count {
            return (its < places.div_ceil(count)).then_some(now);
        }
        let place = wanting.iter().position(|one| *one == id)? as u128;
        let turn = now.duration_since(self.began).as_millis() / TURN.as_millis();
        let ahead = (place + u128::from(count) - turn % u128::from(count)) % u128::from(count);
        match (ahead as u32).checked_sub(places) {
            None => (its == 0).then_some(now),
            Some(later) => Some(self.began + TURN * (turn as u32 + later + 1)),
        }
    }

    /// The cameras that have backlog.
    fn wanting(&self) -> impl Iterator<Item = u64> {
        let wanting = self
            .cameras
            .iter()
            .filter(|(_, camera)| camera.load.backlog);
        wanting.map(|(id, _)| *id)
    }

    /// From when on this share of a frame of backlog is through before any live frame is due.
    fn gap(&self, from: Instant, share: f64) -> Option<Instant> {
        let paces: Vec<_> = self.cameras.values().map(|camera| &camera.pace).collect();
        gaps::find(&paces, from, self.takes.usually().mul_f64(share))
    }

    fn trickle(&self, now: Instant) -> Option<Instant> {
        let live = self.cameras.values().any(|camera| camera.live > 0);
        let long_ago = self.beside.is_none_or(|beside| beside + TRY_AFTER <= now);
        (!live && (self.tolerance.has_one() || long_ago)).then_some(now)
    }
}
