//! Readiness as named tasks: a service is ready when none is left, and says what it still waits for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

/// What a service still waits for, and which abilities it does without.
#[derive(Clone, Debug)]
pub struct Readiness {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    ready: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeSet<String>,
    off: BTreeMap<String, String>,
    draining: bool,
}

/// One thing to wait for. Done when dropped.
#[derive(Debug)]
#[must_use = "the task is done when this is dropped"]
pub struct Task {
    name: String,
    readiness: Readiness,
}

impl Default for Readiness {
    fn default() -> Self {
        Self {
            inner: Arc::new(Inner {
                state: Mutex::default(),
                ready: watch::channel(false).0,
            }),
        }
    }
}

impl Readiness {
    /// Something to wait for before this service is ready.
    pub fn task(&self, name: impl Into<String>) -> Task {
        let name = name.into();
        self.change(|state| {
            state.waiting.insert(name.clone());
        });
        Task {
            name,
            readiness: self.clone(),
        }
    }

    /// Says that an ability is off and why. The service is ready without it.
    pub fn off(&self, ability: impl Into<String>, reason: impl Into<String>) {
        self.change(|state| {
            state.off.insert(ability.into(), reason.into());
        });
    }

    /// Takes back what [`off`](Self::off) said.
    pub fn on(&self, ability: &str) {
        self.change(|state| {
            state.off.remove(ability);
        });
    }

    /// From now on never ready again.
    pub fn drain(&self) {
        self.change(|state| state.draining = true);
    }

    /// What is waited for; empty when ready.
    #[must_use]
    pub fn waiting(&self) -> Vec<String> {
        let state = self
            .inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let draining = state.draining.then(|| "draining".to_owned());
        state.waiting.iter().cloned().chain(draining).collect()
    }

    /// The abilities that are off, with the reason of each.
    #[must_use]
    pub fn abilities_off(&self) -> BTreeMap<String, String> {
        let state = self
            .inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        state.off.clone()
    }

    /// Whether nothing is waited for.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.waiting().is_empty()
    }

    /// Follows whether the service is ready.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<bool> {
        self.inner.ready.subscribe()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self
            .inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        let ready = state.waiting.is_empty() && !state.draining;
        self.inner.ready.send_replace(ready);
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let name = std::mem::take(&mut self.name);
        self.readiness.change(|state| {
            state.waiting.remove(&name);
        });
        let waiting = self.readiness.waiting();
        if waiting.is_empty() {
            tracing::info!(done = name, "ready");
        } else {
            tracing::info!(done = name, waiting = waiting.join(", "), "not ready yet");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_the_last_task_is_done() {
        let readiness = Readiness::default();
        let (store, gallery) = (readiness.task("store"), readiness.task("gallery"));
        drop(gallery);
        assert_eq!(readiness.waiting(), ["store"]);
        assert!(!*readiness.follow().borrow());
        drop(store);
        assert!(readiness.is_ready() && *readiness.follow().borrow());
        readiness.drain();
        assert_eq!(readiness.waiting(), ["draining"]);
    }
}
