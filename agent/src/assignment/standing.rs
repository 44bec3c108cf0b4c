//! Standing orders: what a camera was told outlives the process, so that after a power failure it streams on (or stays off), and what its
//! spool holds goes where it was to go.
//!
//! Configuration comes first where it has changed: orders are kept together with what the configuration said when they were
//! given, and count for as long as it says the same.

use std::{io, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Assignment, Orders};
use crate::{backoff::Backoff, settings::StreamTable, spool::state::StateDirectory};

/// First and longest pause between attempts to write orders that could not be. A disk that is full or read-only for now is
/// asked as rarely as a broken camera.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How long an answer waits for the disk. One that is well takes a few milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// The orders of one camera, as they are kept.
pub struct Standing {
    /// `None` without a state directory: then nothing outlives the process.
    state: Option<Arc<StateDirectory>>,
    name: String,
    configured: watch::Sender<Option<Assignment>>,
    /// The orders that were kept last, or could not be, which is told then.
    tried: watch::Sender<Option<Orders>>,
}

/// In the state directory.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Kept {
    configured: Option<StreamTable>,
    streaming: bool,
    assignment: Option<StreamTable>,
}

impl Standing {
    /// Those of a camera of which the configuration says this.
    #[must_use]
    pub fn new(
        state: Option<Arc<StateDirectory>>,
        camera: &str,
        configured: Option<Assignment>,
    ) -> Self {
        Self {
            state,
            name: format!("orders/{camera}"),
            configured: watch::Sender::new(configured),
            tried: watch::Sender::default(),
        }
    }

    /// What the camera is to do at first: whether to stream, and what. Reads the disk.
    #[must_use]
    pub fn first(&self) -> (bool, Option<Assignment>) {
        let configured = self.configured.borrow().clone();
        let kept = self.read().filter(|kept| {
            let then = kept.configured.clone().map(Assignment::from);
            then == configured
        });
        match kept {
            Some(kept) => (kept.streaming, kept.assignment.map(Assignment::from)),
            None => (configured.is_some(), configured),
        }
    }

    /// The configuration says this from now on.
    pub fn reconfigure(&self, configured: Option<Assignment>) {
        self.configured.send_replace(configured);
    }

    /// Keeps the orders whenever they change, until the camera is drained: that it stops then is no order.
    pub async fn keep(&self, mut orders: watch::Receiver<Orders>, drain: CancellationToken) {
        let mut configured = self.configured.subscribe();
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        loop {
            let now = orders.borrow_and_update().clone();
            if drain.is_cancelled() {
                self.tried.send_replace(Some(now));
                return std::future::pending().await;
            }
            let said = configured.borrow_and_update().clone();
            let kept = self.write(&now, said).await;
            self.tried.send_replace(Some(now));
            let pause = match kept {
                Ok(()) => {
                    backoff.reset();
                    None
                }
                Err(error) => {
                    let reason = error.to_string();
                    tracing::warn!(reason, "the camera's orders are not kept on disk");
                    Some(backoff.pause())
                }
            };
            tokio::select! {
                _ = orders.changed() => {}
                _ = configured.changed() => {}
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            }
        }
    }

    /// Waits until the present orders are kept, or could not be; for a disk that hangs not for ever.
    pub async fn tried(&self, orders: &watch::Sender<Orders>) {
        if self.state.is_none() {
            return;
        }
        let mut tried = self.tried.subscribe();
        let present = tried.wait_for(|tried| tried.as_ref() == Some(&*orders.borrow()));
        // In vain is fine: who ordered has nothing else to do about it.
        let _ = tokio::time::timeout(PATIENCE, present).await;
    }

    /// The camera is no longer wanted: should it come back, it begins as the configuration says.
    pub fn forget(&self) {
        let Some(state) = &self.state else { return };
        if let Err(error) = state.remove(&self.name) {
            tracing::debug!(%error, "the orders of a removed camera stay on disk");
        }
    }

    fn read(&self) -> Option<Kept> {
        let text = self.state.as_ref()?.read(&self.name);
        let kept = text.and_then(|text| {
            let kept = text.map(|text| serde_json::from_str(&text));
            kept.transpose().map_err(io::Error::other)
        });
        kept.unwrap_or_else(|error| {
            let reason = error.to_string();
            tracing::warn!(
                reason,
                "the camera's orders on disk cannot be read; it does as it is configured"
            );
            None
        })
    }

    async fn write(&self, orders: &Orders, configured: Option<Assignment>) -> io::Result<()> {
        let Some(state) = self.state.clone() else {
            return Ok(());
        };
        let kept = Kept {
            configured: configured.map(StreamTable::from),
            // That a newer agent has the camera is no order: a restart takes it back.
            streaming: orders.streaming || orders.superseded,
            assignment: orders.assignment.clone().map(StreamTable::from),
        };
        let text = serde_json::to_string(&kept).map_err(io::Error::other)?;
        let name = self.name.clone();
        let written = tokio::task::spawn_blocking(move || state.replace(&name, &text));
        written.await.map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn assignment(section: &str) -> Assignment {
        let table = format!("section = {section}\nevent = 'exit'\ndestination = 'grpc://a:1'");
        toml::from_str::<StreamTable>(&table).unwrap().into()
    }

    fn standing(folder: &Path, configured: Option<&str>) -> Standing {
        let state = StateDirectory::take(folder).unwrap();
        Standing::new(Some(Arc::new(state)), "1", configured.map(assignment))
    }

    fn orders(streaming: bool, section: &str) -> Orders {
        Orders {
            streaming,
            superseded: false,
            epoch: 1,
            assignment: Some(assignment(section)),
        }
    }

    async fn keep(standing: &Standing, streaming: bool, section: &str) {
        let told = watch::Sender::new(orders(streaming, section));
        tokio::select! {
            () = standing.keep(told.subscribe(), CancellationToken::new()) => {}
            () = standing.tried(&told) => {}
        }
    }

    #[tokio::test]
    async fn orders_count_until_the_configuration_says_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let first = |configured| standing(folder.path(), configured).first();
        assert_eq!(first(None), (false, None));
        assert_eq!(first(Some("1")), (true, Some(assignment("1"))));

        keep(&standing(folder.path(), None), true, "2").await;
        assert_eq!(first(None), (true, Some(assignment("2"))));
        assert_eq!(first(Some("1")), (true, Some(assignment("1"))));

        keep(&standing(folder.path(), Some("1")), false, "1").await;
        assert_eq!(first(Some("1")), (false, Some(assignment("1"))));
        assert_eq!(first(Some("3")), (true, Some(assignment("3"))));
        assert_eq!(first(None), (false, None));

        standing(folder.path(), Some("1")).forget();
        assert_eq!(first(Some("1")), (true, Some(assignment("1"))));
    }

    #[tokio::test]
    async fn a_restart_takes_back_what_a_newer_agent_took_unless_it_was_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let mut now = orders(true, "2");
        assert!(now.supersede() && !now.supersede() && !now.streaming);
        let told = watch::Sender::new(now);
        {
            let standing = standing(folder.path(), None);
            tokio::select! {
                () = standing.keep(told.subscribe(), CancellationToken::new()) => {}
                () = standing.tried(&told) => {}
            }
        }
        assert_eq!(
            standing(folder.path(), None).first(),
            (true, Some(assignment("2")))
        );
        assert!(told.send_if_modified(Orders::stop));
        assert_eq!(*told.borrow(), orders(false, "2"));
    }

    #[tokio::test]
    async fn whatever_is_on_the_disk_the_camera_starts() {
        let folder = tempfile::tempdir().unwrap();
        keep(&standing(folder.path(), None), true, "2").await;
        let file = folder.path().join("orders/1");
        let whole = std::fs::read(&file).unwrap();
        for cut in 0..whole.len() {
            // Torn while it was written: the file before it counts, or the configuration if that is torn itself.
            std::fs::write(file.with_extension("new"), &whole[..cut]).unwrap();
            let now = standing(folder.path(), None).first();
            assert_eq!(now, (true, Some(assignment("2"))));
        }
        for cut in 0..whole.len() {
            std::fs::write(&file, &whole[..cut]).unwrap();
            assert_eq!(standing(folder.path(), None).first(), (false, None));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_fails_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let standing = standing(folder.path(), None);
        // A file where the folder of the orders is to be.
        let in_the_way = folder.path().join("orders");
        std::fs::write(&in_the_way, "").unwrap();
        let (told, drain) = (
            watch::Sender::new(orders(true, "2")),
            CancellationToken::new(),
        );
        let healed = async {
            standing.tried(&told).await;
            assert_eq!(standing.first(), (false, None));
            std::fs::remove_file(&in_the_way).unwrap();
            let mut tick = tokio::time::interval(RETRY.0);
            while !standing.first().0 {
                tick.tick().await;
            }
        };
        tokio::select! {
            () = standing.keep(told.subscribe(), drain) => {}
            () = healed => {}
        }
    }
}
