//! Which track a face belongs to.

use super::{
    Rules,
    rules::{
        BLIND_REACH, DRIFT, FASTEST, JITTER, LOOK_REACH, SIZE_GROWTH, SIZE_JITTER, SIZE_LIMIT,
        SPEED_ERROR, UNBROKEN,
    },
    track::{Face, Track},
};

/// What an unknown likeness costs: more than a good one, less than a bad one.
const UNKNOWN_LOOK: f32 = 0.9;
/// What a track of a single observation costs more than one that is established, so that a false detection
/// does not catch a person's next face.
const UNPROVEN: f32 = 0.5;

/// How near a worthless detection must be, as a share of what is allowed to a certain one: a false one that is caught
/// by a track while its person is hidden leads it astray.
const DOUBTFUL_REACH: f32 = 0.4;

/// Goes on with the tracks by one frame: each face joins at most one track and each track takes at most one face, cheapest
/// pairs first. A face that fits nowhere begins a track.
pub(super) fn fold(tracks: &mut Vec<Track>, faces: &[Face<'_>], rules: &Rules) {
    let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
    for (t, track) in tracks.iter().enumerate() {
        for (f, face) in faces.iter().enumerate() {
            if let Some(cost) = cost(track, face, rules) {
                pairs.push((cost, t, f));
            }
        }
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut taken = vec![false; tracks.len()];
    let mut placed = vec![false; faces.len()];
    for (_, t, f) in pairs {
        if !taken[t] && !placed[f] {
            taken[t] = true;
            placed[f] = true;
            tracks[t].extend(&faces[f], rules);
        }
    }
    let strangers = faces.iter().zip(placed).filter(|(_, placed)| !placed);
    tracks.extend(strangers.map(|(face, _)| Track::begin(face, rules)));
}

/// How far a face is from what a track leads to expect; lengths in faces.
struct Offset {
    /// Seconds without observation.
    pause: f32,
    /// From the predicted place.
    course: f32,
    /// From the nearest point between the last and the predicted place: it may have slowed down.
    reach: f32,
    /// Speed of the track, if known.
    speed: Option<f32>,
    /// Whether the prediction lies outside the picture.
    left: bool,
}

fn offset(track: &Track, face: &Face<'_>) -> Offset {
    let last = track.path.last();
    let pause = face.at.seconds_since(last.time).max(0.0);
    let size = (last.size * face.at.size).sqrt().max(f32::EPSILON);
    let speed = track.speed();
    let (vx, vy) = speed.unwrap_or_default();
    let (dx, dy) = (vx * pause, vy * pause);
    let (x, y) = (last.x + dx, last.y + dy);
    let way = dx * dx + dy * dy;
    let share = if way > 0.0 {
        (((face.at.x - last.x) * dx + (face.at.y - last.y) * dy) / way).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let half = size / 2.0;
    let inside = |value: f32, end: f32| (-half..=end + half).contains(&value);
    Offset {
        pause,
        course: face.at.distance(x, y) / size,
        reach: face.at.distance(last.x + dx * share, last.y + dy * share) / size,
        speed: speed.map(|(vx, vy)| vx.hypot(vy) / size),
        left: !(inside(x, 1.0) && inside(y, face.picture_height)),
    }
}

/// What it costs to take a face for a track's next observation; `None` if it cannot be.
fn cost(track: &Track, face: &Face<'_>, rules: &Rules) -> Option<f32> {
    if face.at.seconds_since(track.last_seen()) > rules.look_gap.as_secs_f32() {
        return None;
    }
    let offset = offset(track, face);
    let growth = (face.at.size / track.path.last().size).ln().abs();
    if growth > (SIZE_JITTER + SIZE_GROWTH * offset.pause).min(SIZE_LIMIT) {
        return None;
    }
    let look = likeness(track, face);
    let trust = DOUBTFUL_REACH + (1.0 - DOUBTFUL_REACH) * rules.evidence(face.score);
    let by_place = place_cost(&offset, look, trust, rules);
    let by_look = look
        .filter(|&distance| distance <= rules.alike && offset.reach <= look_gate(&offset))
        .map(|_| 1.0);
    let place = by_place.or(by_look)?;
    let look = look.map_or(UNKNOWN_LOOK, |distance| distance / rules.alike);
    let unproven = if track.support == 1 { UNPROVEN } else { 0.0 };
    Some(place + look + unproven)
}

/// Distance of the descriptors, where both have one of the same kind.
fn likeness(track: &Track, face: &Face<'_>) -> Option<f32> {
    if face.descriptor.is_empty() || track.look.len() != face.descriptor.len() {
        return None;
    }
    let squares = track.look.iter().zip(face.descriptor);
    Some(squares.map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt())
}

/// Cost by place, 0 to 1, if the face is near enough for how it looks.
fn place_cost(offset: &Offset, look: Option<f32>, trust: f32, rules: &Rules) -> Option<f32> {
    if offset.pause > rules.place_gap.as_secs_f32() {
        return None;
    }
    let gate = match offset.speed {
        Some(speed) => JITTER + (DRIFT + SPEED_ERROR * speed) * offset.pause,
        None => {
            let likely = look.is_some_and(|distance| distance <= rules.unlike);
            let most = if likely { LOOK_REACH } else { BLIND_REACH };
            JITTER + (FASTEST * offset.pause).min(most)
        }
    };
    let unbroken = offset.pause <= UNBROKEN.as_secs_f32();
    if offset.left && !unbroken {
        return None;
    }
    let allowed = match look {
        Some(distance) if distance > rules.unlike && !unbroken => return None,
        Some(distance) if distance > rules.alien => JITTER / 2.0,
        Some(distance) if distance > rules.unlike => gate / 2.0,
        _ => gate * trust,
    };
    (offset.course <= allowed).then_some(offset.course / gate)
}

/// How far from its course a face may be found again by its descriptor, in faces. Of a face of unknown speed the course
/// is not known at all: as far as anybody gets.
fn look_gate(offset: &Offset) -> f32 {
    match offset.speed {
        Some(_) => (2.0 * JITTER + (DRIFT + 1.0) * offset.pause).min(LOOK_REACH),
        None => 2.0 * JITTER + FASTEST * offset.pause,
    }
}
