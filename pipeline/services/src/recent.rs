//! What was seen in the last requests, kept for a short while, so that two versions can be compared on the same pictures: a mesh
//! that mirrors a request sends the copy under the same `x-request-id`.
//!
//! Invariants:
//! - Off unless a setting says for how long; then at most [`MOST`] results, none older than that time, in memory only.
//! - A result holds places, estimates and names, never pictures or descriptors. A name leaves the process only as a hash under
//!   the reader's key: two readings under one key can be compared, and nobody can be looked up by them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use airside_core::{AgeRange, Gender, Rect};
use airside_runtime::{Problem, carry::Carried, extract::Query, parse};
use axum::{Json, Router, extract::State, routing::get};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Three minutes of ten frames a second, in less than a megabyte.
const MOST: usize = 2048;
/// Longer is not needed for a comparison, and these are people.
const LONGEST: Duration = Duration::from_secs(600);
/// Bytes of a reader's key.
const KEY: usize = 16;

/// Reads for how long results are kept.
///
/// # Errors
/// What is no such time, with the accepted form.
pub(crate) fn keeping(text: &str) -> Result<Duration, String> {
    let time = parse::duration(text)?;
    if time.is_zero() || time > LONGEST {
        return Err("expected more than 0s and at most 10m, e.g. 2m".to_owned());
    }
    Ok(time)
}

/// One face of a result. What a service does not look for is absent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Face {
    #[serde(rename = "box")]
    pub(crate) bounds: Rect,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) age: Option<AgeRange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gender: Option<Gender>,
    /// Of a person of interest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
}

/// The latest results, if any are kept. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent(Option<Shelf>);

#[derive(Clone, Debug)]
struct Shelf {
    keep: Duration,
    results: Arc<Mutex<VecDeque<Kept>>>,
}

#[derive(Clone, Debug)]
struct Kept {
    at: Instant,
    request: String,
    faces: Vec<Face>,
}

impl Recent {
    /// Keeps results for this time, or none at all.
    pub(crate) fn new(keep: Option<Duration>) -> Self {
        Self(keep.map(|keep| Shelf {
            keep,
            results: Arc::default(),
        }))
    }

    /// Keeps what the present request was answered with, if it can be told from others.
    pub(crate) fn note(&self, faces: impl FnOnce() -> Vec<Face>) {
        let Some(shelf) = &self.0 else { return };
        if let Some(request) = Carried::current().request_id() {
            shelf.note(Instant::now(), request, faces());
        }
    }

    /// `GET /results/recent`, where results are kept.
    pub(crate) fn routes(&self) -> Router {
        match &self.0 {
            Some(shelf) => Router::new()
                .route("/results/recent", get(recent))
                .with_state(shelf.clone()),
            None => Router::new(),
        }
    }
}

impl Shelf {
    fn note(&self, now: Instant, request: &str, faces: Vec<Face>) {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        self.forget(&mut results, now);
        if results.len() == MOST {
            results.pop_front();
        }
        results.push_back(Kept {
            at: now,
            request: request.to_owned(),
            faces,
        });
    }

    fn list(&self, now: Instant) -> Vec<Kept> {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        self.forget(&mut results, now);
        results.iter().cloned().collect()
    }

    fn forget(&self, results: &mut VecDeque<Kept>, now: Instant) {
        let old = |kept: &Kept| now.saturating_duration_since(kept.at) > self.keep;
        while results.front().is_some_and(old) {
            results.pop_front();
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reading {
    key: String,
}

#[derive(Debug, Serialize)]
struct Answer {
    results: Vec<Listed>,
}

#[derive(Debug, Serialize)]
struct Listed {
    request: String,
    faces: Vec<Face>,
}

/// The results, oldest first.
async fn recent(
    State(shelf): State<Shelf>,
    Query(Reading { key }): Query<Reading>,
) -> Result<Json<Answer>, Problem> {
    let key = Key::read(&key).ok_or_else(|| {
        Problem::field("key", "no key to hash names under").expected("32 hexadecimal digits")
    })?;
    let listed = |kept: Kept| Listed {
        request: kept.request,
        faces: kept
            .faces
            .into_iter()
            .map(|face| Face {
                name: face.name.map(|name| key.hash(&name)),
                ..face
            })
            .collect(),
    };
    let results = shelf.list(Instant::now()).into_iter().map(listed).collect();
    Ok(Json(Answer { results }))
}

/// What a reader's hashes depend on.
struct Key([u8; KEY]);

impl Key {
    fn read(text: &str) -> Option<Self> {
        if text.len() != 2 * KEY {
            return None;
        }
        let mut key = [0; KEY];
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            *byte = u8::try_from(16 * digit(digits[0])? + digit(digits[1])?).ok()?;
        }
        Some(Self(key))
    }

    /// Half of SHA-256 over the key, whose length is fixed, and the name.
    fn hash(&self, name: &str) -> String {
        let digest = Sha256::new()
            .chain_update(self.0)
            .chain_update(name)
            .finalize();
        digest[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf(keep: Duration) -> Shelf {
        Shelf {
            keep,
            results: Arc::default(),
        }
    }

    fn requests(kept: &[Kept]) -> Vec<&str> {
        kept.iter().map(|kept| kept.request.as_str()).collect()
    }

    #[test]
    fn results_are_forgotten_after_their_time() {
        let (shelf, begun) = (shelf(Duration::from_secs(60)), Instant::now());
        shelf.note(begun, "a", Vec::new());
        shelf.note(begun + Duration::from_secs(50), "b", Vec::new());
        assert_eq!(
            requests(&shelf.list(begun + Duration::from_secs(60))),
            ["a", "b"]
        );
        assert_eq!(
            requests(&shelf.list(begun + Duration::from_secs(61))),
            ["b"]
        );
    }

    #[test]
    fn the_oldest_makes_room() {
        let (shelf, now) = (shelf(Duration::from_secs(60)), Instant::now());
        for number in 0..=MOST {
            shelf.note(now, &number.to_string(), Vec::new());
        }
        let kept = shelf.list(now);
        assert_eq!((kept.len(), kept[0].request.as_str()), (MOST, "1"));
    }

    #[test]
    fn a_name_is_told_only_under_a_key() {
        let key = |text: &str| Key::read(text).map(|key| key.hash("PersonX"));
        let (one, other) = (key(&"0a".repeat(16)), key(&"0b".repeat(16)));
        assert_eq!(one, key(&"0A".repeat(16)));
        assert_ne!(one, other);
        for bad in [
            "",
            "0a",
            &"0g".repeat(16),
            &"+a".repeat(16),
            &"é".repeat(16),
        ] {
            assert!(Key::read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_time_has_an_end() {
        assert_eq!(keeping("2m"), Ok(Duration::from_secs(120)));
        for bad in ["0s", "11m", "2", ""] {
            assert!(keeping(bad).is_err(), "{bad}");
        }
    }
}
