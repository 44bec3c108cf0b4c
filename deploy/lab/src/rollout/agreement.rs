//! Whether two versions say the same about the same requests.
//!
//! A mirrored request reaches both under one `x-request-id`, by which their results are joined. What is counted are faces, not
//! pictures: where nobody is, everybody agrees, and most pictures of a gate show nobody.

use std::collections::{BTreeMap, BTreeSet};

use airside_core::Rect;
use anyhow::{Context, Result, bail};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::plan::Point;
use crate::platform::{Instance, Platform};

/// Boxes that overlap as much are one face, as detections are matched in the field.
const ONE_FACE: f32 = 0.5;

/// How much of what was compared agrees, point by point.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Agreement {
    /// Requests that both versions answered.
    pub(super) pairs: u64,
    points: BTreeMap<Point, Share>,
}

/// Part of a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Share {
    pub(super) agreed: u64,
    pub(super) of: u64,
}

impl Agreement {
    /// How much agrees on a point.
    pub(super) fn on(&self, point: Point) -> Share {
        self.points.get(&point).copied().unwrap_or_default()
    }

    /// Adds what else was compared.
    pub(super) fn add(&mut self, other: &Self) {
        self.pairs += other.pairs;
        for (point, share) in &other.points {
            let sum = self.points.entry(*point).or_default();
            sum.agreed += share.agreed;
            sum.of += share.of;
        }
    }

    fn note(&mut self, point: Point, agrees: bool) {
        let share = self.points.entry(point).or_default();
        share.of += 1;
        share.agreed += u64::from(agrees);
    }

    /// Compares what two versions saw in one request.
    fn compare(&mut self, old: &[Face], new: &[Face]) {
        self.pairs += 1;
        let mut left: Vec<&Face> = new.iter().collect();
        for face in old {
            let same = nearest(face, &left).map(|index| left.swap_remove(index));
            self.note(Point::Faces, same.is_some());
            if let Some(same) = same {
                self.note(Point::Age, face.age == same.age);
                self.note(Point::Gender, face.gender == same.gender);
            }
            let name = same.and_then(|same| same.name.as_ref());
            if face.name.is_some() || name.is_some() {
                self.note(Point::Names, face.name.as_ref() == name);
            }
        }
        for face in left {
            self.note(Point::Faces, false);
            if face.name.is_some() {
                self.note(Point::Names, false);
            }
        }
    }
}

fn nearest(face: &Face, others: &[&Face]) -> Option<usize> {
    let overlaps = others.iter().map(|other| face.bounds.iou(&other.bounds));
    let (index, overlap) = overlaps.enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    (overlap >= ONE_FACE).then_some(index)
}

/// What an instance saw in one request.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Seen {
    request: String,
    faces: Vec<Face>,
}

/// A face, with what is said of it; a name is a hash.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Face {
    #[serde(rename = "box")]
    bounds: Rect,
    age: Option<String>,
    gender: Option<String>,
    name: Option<String>,
}

/// Compares the recent results of two versions, each request once.
#[derive(Debug)]
pub(super) struct Comparison {
    /// Under which both versions hash names.
    key: String,
    /// Requests that were counted, or were there before this began, as long as somebody still tells of them.
    done: BTreeSet<String>,
    pub(super) agreement: Agreement,
}

impl Comparison {
    /// Counts what is seen from here on.
    pub(super) async fn begin(
        platform: &impl Platform,
        instances: &[Instance],
        versions: [&str; 2],
    ) -> Result<Self> {
        let mut comparison = Self {
            key: format!("{:032x}", rand::random::<u128>()),
            done: BTreeSet::new(),
            agreement: Agreement::default(),
        };
        let [old, new] = comparison.read(platform, instances, versions).await?;
        comparison.done = requests(&old).chain(requests(&new)).collect();
        Ok(comparison)
    }

    /// Counts what both versions have seen since.
    pub(super) async fn advance(
        &mut self,
        platform: &impl Platform,
        instances: &[Instance],
        versions: [&str; 2],
    ) -> Result<()> {
        let [old, new] = self.read(platform, instances, versions).await?;
        self.count(&old, &new);
        Ok(())
    }

    fn count(&mut self, old: &[Seen], new: &[Seen]) {
        let by_request: BTreeMap<&str, &Seen> = new
            .iter()
            .map(|seen| (seen.request.as_str(), seen))
            .collect();
        for seen in old {
            if let Some(other) = by_request.get(seen.request.as_str())
                && self.done.insert(seen.request.clone())
            {
                self.agreement.compare(&seen.faces, &other.faces);
            }
        }
        let told: BTreeSet<String> = requests(old).chain(requests(new)).collect();
        self.done.retain(|request| told.contains(request));
    }

    async fn read(
        &self,
        platform: &impl Platform,
        instances: &[Instance],
        versions: [&str; 2],
    ) -> Result<[Vec<Seen>; 2]> {
        let mut seen = [Vec::new(), Vec::new()];
        for (version, seen) in versions.into_iter().zip(&mut seen) {
            for instance in instances {
                if instance.ready && instance.version == version {
                    seen.extend(recent(platform, &instance.name, &self.key).await?);
                }
            }
        }
        Ok(seen)
    }
}

fn requests(seen: &[Seen]) -> impl Iterator<Item = String> {
    seen.iter().map(|seen| seen.request.clone())
}

async fn recent(platform: &impl Platform, instance: &str, key: &str) -> Result<Vec<Seen>> {
    #[derive(Deserialize)]
    struct Recent {
        results: Vec<Seen>,
    }
    let path = format!("/results/recent?key={key}");
    let answer = platform.ask(instance, Method::GET, &path).await?;
    if answer.status == StatusCode::NOT_FOUND {
        bail!("{instance} keeps no recent results to compare; start it with --recent-results 2m");
    }
    let recent: Recent = serde_json::from_str(&answer.body)
        .with_context(|| format!("{instance} answers {} instead of results", answer.status))?;
    Ok(recent.results)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(x: f32, age: &str, name: Option<&str>) -> Face {
        Face {
            bounds: Rect {
                x,
                y: 0.0,
                width: 40.0,
                height: 40.0,
            },
            age: Some(age.to_owned()),
            gender: None,
            name: name.map(str::to_owned),
        }
    }

    fn share(agreement: &Agreement, point: Point) -> (u64, u64) {
        let share = agreement.on(point);
        (share.agreed, share.of)
    }

    #[test]
    fn every_face_of_either_version_counts_once() {
        let mut agreement = Agreement::default();
        let old = [
            face(0.0, "25-32", None),
            face(100.0, "4-6", None),
            face(200.0, "4-6", None),
        ];
        let new = [
            face(105.0, "8-12", None),
            face(2.0, "25-32", None),
            face(400.0, "4-6", None),
        ];
        agreement.compare(&old, &new);
        agreement.compare(&[], &[]);
        assert_eq!(agreement.pairs, 2);
        assert_eq!(share(&agreement, Point::Faces), (2, 4));
        assert_eq!(share(&agreement, Point::Age), (1, 2));
        assert_eq!(share(&agreement, Point::Gender), (2, 2));
        assert_eq!(share(&agreement, Point::Names), (0, 0));
    }

    #[test]
    fn strangers_say_nothing_about_names() {
        let mut agreement = Agreement::default();
        let old = [
            face(0.0, "", Some("a")),
            face(100.0, "", None),
            face(200.0, "", Some("a")),
        ];
        let new = [
            face(0.0, "", Some("a")),
            face(100.0, "", None),
            face(200.0, "", None),
        ];
        agreement.compare(&old, &new);
        assert_eq!(share(&agreement, Point::Names), (1, 2));
        // One that is named where the other version saw no face at all.
        agreement.compare(&[], &[face(0.0, "", Some("b"))]);
        assert_eq!(share(&agreement, Point::Names), (1, 3));
    }

    #[test]
    fn a_request_is_counted_once_and_forgotten_with_its_results() {
        let seen = |request: &str| Seen {
            request: request.to_owned(),
            faces: vec![face(0.0, "4-6", None)],
        };
        let mut comparison = Comparison {
            key: String::new(),
            done: BTreeSet::from(["before".to_owned()]),
            agreement: Agreement::default(),
        };
        let (old, new) = (
            [seen("before"), seen("a"), seen("b")],
            [seen("a"), seen("before")],
        );
        comparison.count(&old, &new);
        comparison.count(&old, &new);
        assert_eq!(comparison.agreement.pairs, 1);
        comparison.count(&[seen("b"), seen("c")], &[seen("b")]);
        assert_eq!(comparison.agreement.pairs, 2);
        assert_eq!(comparison.done, BTreeSet::from(["b".to_owned()]));
    }
}
