//! Which of several destinations gets a camera's frames. There is one at any time, and one link.
//!
//! ```text
//!              two attempts in a row fail                         … of the last one
//!   first ───────────────────────────────▶ second ──▶ … ──▶ last ──────────────────▶ first
//!     ▲  ▲                                    │   an earlier one accepts a connection,
//!     │  └── on trial ◀───────────────────────┘   looked for at the age of streams
//!     └ the trial's link stands   │
//!                                 └ it does not: back at once
//! ```

use std::time::Duration;

use airside_runtime::Mesh;
use futures::future::BoxFuture;

use crate::assignment::{Destination, Destinations};

/// Attempts in a row that fail before the next destination is tried. One alone happens whenever a collector restarts.
const ATTEMPTS: u32 = 2;

/// The way that is taken at present.
pub(super) struct Route {
    destinations: Destinations,
    at: usize,
    failures: u32,
    /// Where to return to if the trial of an earlier destination fails.
    on_trial_from: Option<usize>,
    /// Looks whether an earlier destination answers, as often as streams of this age are replaced.
    search: Option<(Duration, BoxFuture<'static, usize>)>,
    /// Why the last attempt of each failed, since a link stood.
    reasons: Vec<Option<String>>,
}

impl Route {
    pub(super) fn new(destinations: Destinations) -> Self {
        Self {
            reasons: vec![None; destinations.all().len()],
            destinations,
            at: 0,
            failures: 0,
            on_trial_from: None,
            search: None,
        }
    }

    pub(super) fn destinations(&self) -> &Destinations {
        &self.destinations
    }

    /// Where frames go.
    pub(super) fn destination(&self) -> &Destination {
        &self.destinations.all()[self.at]
    }

    /// A link stood.
    pub(super) fn stood(&mut self) {
        self.failures = 0;
        self.on_trial_from = None;
        self.reasons[self.at] = None;
    }

    /// Whether the destination has not failed for this reason just before.
    pub(super) fn is_news(&mut self, reason: &str) -> bool {
        let before = self.reasons[self.at].replace(reason.to_owned());
        before.as_deref() != Some(reason)
    }

    /// A link did not come about. Whether there is another destination to try at once.
    pub(super) fn failed(&mut self) -> bool {
        self.failures += 1;
        let next = match self.on_trial_from.take() {
            Some(back) => back,
            None if self.failures < ATTEMPTS => return false,
            None => (self.at + 1) % self.destinations.all().len(),
        };
        let moved = next > self.at;
        self.go(next);
        moved
    }

    /// An earlier destination answers again.
    pub(super) fn turn_back(&mut self, to: usize) {
        self.on_trial_from = Some(self.at);
        self.go(to);
    }

    fn go(&mut self, to: usize) {
        self.at = to;
        self.failures = 0;
        self.search = None;
    }

    /// Waits until an earlier destination accepts a connection. Goes on where it was when the wait was cancelled, and when a link
    /// was replaced by another meanwhile.
    pub(super) async fn earlier_answers(&mut self, mesh: &Mesh, age: Duration) -> usize {
        let earlier = &self.destinations.all()[..self.at];
        if earlier.is_empty() {
            return std::future::pending().await;
        }
        self.search.take_if(|(its, _)| *its != age);
        let (_, search) = self
            .search
            .get_or_insert_with(|| (age, Box::pin(search(mesh.clone(), earlier.to_vec(), age))));
        let found = search.await;
        self.search = None;
        found
    }
}

async fn search(mesh: Mesh, earlier: Vec<Destination>, age: Duration) -> usize {
    loop {
        tokio::time::sleep(super::varied(age)).await;
        for (index, destination) in earlier.iter().enumerate() {
            if mesh.reach(&destination.origin).await.is_ok() {
                return index;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(text: &str) -> Route {
        Route::new(text.parse().unwrap())
    }

    #[test]
    fn two_failures_in_a_row_lead_on_and_at_last_to_the_first() {
        let mut route = route("grpc://a:1,grpc://b:1,grpc://c:1");
        let mut steps = Vec::new();
        for _ in 0..6 {
            steps.push((route.at, route.failed()));
        }
        let wanted = [
            (0, false),
            (0, true),
            (1, false),
            (1, true),
            (2, false),
            (2, false),
        ];
        assert_eq!(steps, wanted);
        assert_eq!(route.at, 0);
        // What stood in between begins anew.
        route.failed();
        route.stood();
        assert!(!route.failed());
        assert_eq!(route.at, 0);
    }

    #[test]
    fn a_single_destination_is_tried_for_ever() {
        let mut route = route("grpc://a:1");
        assert!((0..5).all(|_| !route.failed()));
        assert_eq!(route.destination().to_string(), "grpc://a:1");
    }

    #[test]
    fn a_trial_that_fails_returns_at_once() {
        let mut route = route("grpc://a:1,grpc://b:1");
        route.failed();
        route.failed();
        route.turn_back(0);
        assert_eq!(route.at, 0);
        assert!(route.failed());
        assert_eq!(route.at, 1);
        route.turn_back(0);
        route.stood();
        assert!(!route.failed());
        assert_eq!(route.at, 0);
    }
}
