//! Who can play in the films: people found in photographs, and among them the person of interest.

use airside_core::Rect;
use airside_imaging::{self as imaging, Limits, Picture};
use airside_vision::{Embedding, Eyes, Face, Metric};

use super::{Error, Result, cut, figure::Figure, schedule::Part};

/// Faces lower than this in a photograph, in pixels, would have to be blown up too much.
const LEAST_FACE: f32 = 100.0;
/// The person of interest is shown no smaller, so that the name is certain.
const LEAST_OF_INTEREST: f32 = 90.0;
/// With fewer people the same ones would come again and again.
const LEAST_CAST: usize = 4;
/// More are not needed, and every audition takes time.
const MOST_CAST: usize = 12;
/// Of two persons nearer to each other than the threshold times this, only one plays: they could be mistaken.
const ALIKE: f32 = 1.1;
/// Nobody who plays is nearer to the person of interest than the threshold times this.
const STRANGER: f32 = 1.3;

/// How faces are compared, and below which distance they are one person's.
#[derive(Clone, Copy)]
pub(super) struct Comparison {
    pub(super) metric: Metric,
    pub(super) threshold: f32,
}

impl Comparison {
    /// Distance of two faces as a multiple of the threshold; far apart when one of them is not known.
    pub(super) fn distance(self, a: Option<&Embedding>, b: Option<&Embedding>) -> f32 {
        match (a, b) {
            (Some(a), Some(b)) => a.distance(b, self.metric) / self.threshold,
            _ => f32::INFINITY,
        }
    }
}

/// One who can be shown.
pub(super) struct Member {
    /// `p01` and so on, in the order of the photographs and from left to right.
    pub(super) name: String,
    pub(super) figure: Figure,
    pub(super) part: Part,
    /// Absent where faces cannot be compared.
    pub(super) embedding: Option<Embedding>,
    /// How sure and how frontal the face is in the photograph.
    quality: f32,
    /// Index of the photograph, and where the face is in it.
    photograph: usize,
    face: Rect,
}

/// The picture of the person of interest for the gallery.
pub(super) struct Portrait {
    pub(super) jpeg: Vec<u8>,
    /// Absent where faces cannot be compared.
    pub(super) embedding: Option<Embedding>,
}

/// Finds the people in the photographs, the best faces first; of people who look alike only the first.
pub(super) fn find(
    eyes: &Eyes,
    photographs: &[Picture],
    comparison: Option<Comparison>,
) -> Result<Vec<Member>> {
    let mut found: Vec<Member> = Vec::new();
    let mut number = 0;
    for (index, photograph) in photographs.iter().enumerate() {
        let mut faces = eyes.analyze(photograph)?;
        faces.sort_by(|a, b| a.bounds.x.total_cmp(&b.bounds.x));
        let boxes: Vec<Rect> = faces.iter().map(|face| whole_pixels(face.bounds)).collect();
        for (place, face) in faces.iter().enumerate() {
            number += 1;
            if boxes[place].height < LEAST_FACE {
                continue;
            }
            let Some(cut) = cut::cut_out(photograph, &boxes, place)? else {
                continue;
            };
            found.push(Member {
                name: format!("p{number:02}"),
                figure: Figure::new(&cut.picture, &cut.opacity, cut.face),
                part: Part::default(),
                embedding: embed(eyes, face, comparison)?,
                quality: face.score * frontality(face),
                photograph: index,
                face: boxes[place],
            });
        }
    }
    found.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    let mut distinct: Vec<Member> = Vec::new();
    for member in found {
        if nearest(&member, &distinct, comparison) > ALIKE {
            distinct.push(member);
        }
    }
    distinct.truncate(MOST_CAST);
    Ok(distinct)
}

/// Names the person of interest among `cast`, and sends home who could be mistaken for this person.
pub(super) fn choose(
    eyes: &Eyes,
    cast: &mut Vec<Member>,
    photographs: &[Picture],
    comparison: Option<Comparison>,
) -> Result<Portrait> {
    for member in cast.iter_mut() {
        member.part.person_of_interest = false;
    }
    let mut willing: Vec<usize> = (0..cast.len())
        .filter(|&index| cast[index].part.largest >= LEAST_OF_INTEREST * 1.2)
        .collect();
    // The best face that nobody resembles, else the best face at all.
    willing.sort_by_key(|&index| nearest(&cast[index], &cast[..], comparison) <= STRANGER);
    for index in willing {
        let member = &cast[index];
        let Some(portrait) = portrait(eyes, &photographs[member.photograph], member, comparison)?
        else {
            continue;
        };
        let mut chosen = cast.remove(index);
        chosen.part.person_of_interest = true;
        chosen.part.smallest = chosen.part.smallest.max(LEAST_OF_INTEREST);
        cast.retain(|other| nearest(other, std::slice::from_ref(&chosen), comparison) > STRANGER);
        cast.insert(0, chosen);
        return if cast.len() < LEAST_CAST {
            Err(Error::TooFewPeople {
                found: cast.len(),
                needed: LEAST_CAST,
            })
        } else {
            Ok(portrait)
        };
    }
    Err(Error::TooFewPeople {
        found: 0,
        needed: LEAST_CAST,
    })
}

/// A picture of `member` alone; `None` when every crop shows somebody else too.
fn portrait(
    eyes: &Eyes,
    photograph: &Picture,
    member: &Member,
    comparison: Option<Comparison>,
) -> Result<Option<Portrait>> {
    /// From so much around the face, in face heights, to so little that nobody else fits in.
    const MARGINS: [f32; 4] = [0.8, 0.6, 0.45, 0.3];
    const QUALITY: u8 = 95;
    let Rect {
        x,
        y,
        width,
        height,
    } = member.face;
    for margin in MARGINS.map(|share| share * height) {
        let corners = [
            x - margin,
            y - margin,
            x + width + margin,
            y + height + margin,
        ];
        let part = imaging::Rect::inside(corners, photograph.width(), photograph.height())
            .and_then(|part| imaging::crop(photograph, part));
        let Some(part) = part else { continue };
        let jpeg = imaging::encode_jpeg(&part, QUALITY)?.to_vec();
        // Looked at as whoever enrols it will.
        let faces = eyes.analyze(&imaging::decode(&jpeg, &Limits::default())?)?;
        if let [face] = faces.as_slice() {
            let embedding = embed(eyes, face, comparison)?;
            return Ok(Some(Portrait { jpeg, embedding }));
        }
    }
    Ok(None)
}

/// The description of a face, where faces can be compared and this one is large enough.
pub(super) fn embed(
    eyes: &Eyes,
    face: &Face,
    comparison: Option<Comparison>,
) -> Result<Option<Embedding>> {
    let chip = comparison.and(face.chip.as_ref());
    Ok(chip.map(|chip| eyes.embed(chip)).transpose()?)
}

/// Distance from a person to the nearest other one, in thresholds.
fn nearest(member: &Member, others: &[Member], comparison: Option<Comparison>) -> f32 {
    let Some(comparison) = comparison else {
        return f32::INFINITY;
    };
    others
        .iter()
        .filter(|other| other.name != member.name)
        .map(|other| comparison.distance(member.embedding.as_ref(), other.embedding.as_ref()))
        .fold(f32::INFINITY, f32::min)
}

/// Nets of one kind differ in their last digits between machines; films must not.
fn whole_pixels(bounds: Rect) -> Rect {
    Rect {
        x: bounds.x.round(),
        y: bounds.y.round(),
        width: bounds.width.round(),
        height: bounds.height.round(),
    }
}

/// 1 for a face that looks straight at the camera, less the more it is turned: how alike the distances from the tip of
/// the nose to both eyes are.
fn frontality(face: &Face) -> f32 {
    let Some(landmarks) = &face.landmarks else {
        return 1.0;
    };
    let [left, right, nose, ..] = landmarks.five();
    let distance = |eye: [f32; 2]| (eye[0] - nose[0]).hypot(eye[1] - nose[1]);
    let (left, right) = (distance(left), distance(right));
    left.min(right) / left.max(right).max(f32::EPSILON)
}

#[cfg(test)]
impl Member {
    /// A drawn stand-in: an ellipse for a head, on shoulders.
    pub(super) fn drawn(name: &str, colour: [u8; 3], part: Part) -> Self {
        let picture = Picture::filled(120, 120, colour);
        let seen = |at: usize| {
            let (x, y) = ((at % 120) as f32 - 60.0, (at / 120) as f32 - 45.0);
            let head = (x / 18.0).hypot(y / 24.0) < 1.0;
            head || (y > 20.0 && x.abs() < 45.0)
        };
        let opacity: Vec<u8> = (0..120 * 120)
            .map(|at| if seen(at) { u8::MAX } else { 0 })
            .collect();
        let place = super::figure::FacePlace {
            x: 60.0,
            y: 45.0,
            height: 40.0,
        };
        Self {
            name: name.to_owned(),
            figure: Figure::new(&picture, &opacity, place),
            part,
            embedding: None,
            quality: 1.0,
            photograph: 0,
            face: Rect {
                x: 0.0,
                y: 0.0,
                width: 1.0,
                height: 1.0,
            },
        }
    }
}
