//! Single pictures of a camera for whoever asks: the newest of its stream, or one that is taken now.

use std::time::Duration;

use super::{Camera, Condition, close};
use crate::{
    assignment::{Assignment, Orders},
    capture::{self, Picture},
};

/// How long a request for a frame waits for one.
const PATIENCE: Duration = Duration::from_secs(8);

/// The newest picture and what it was taken for.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The picture.
    pub picture: Picture,
    /// The assignment in force; `None` before the first.
    pub assignment: Option<Assignment>,
    pub(super) epoch: u64,
}

/// Why there is no picture to show.
#[derive(Debug, thiserror::Error)]
pub enum NoPicture {
    /// The camera does not work.
    #[error("the camera does not work: {0}")]
    Failed(String),
    /// It has yielded none in time.
    #[error("the camera has yielded no picture within {} s", PATIENCE.as_secs())]
    TooSlow,
}

impl Camera {
    /// The newest picture of the stream; when none is on, one is taken now.
    ///
    /// # Errors
    /// The camera does not work, or not fast enough.
    pub async fn snapshot(&self) -> Result<Snapshot, NoPicture> {
        let orders = self.orders.borrow().clone();
        let wanted = async {
            if orders.streaming {
                self.newest_of(orders.epoch).await
            } else {
                self.single(orders).await
            }
        };
        tokio::time::timeout(PATIENCE, wanted)
            .await
            .map_err(|_| NoPicture::TooSlow)?
    }

    async fn newest_of(&self, epoch: u64) -> Result<Snapshot, NoPicture> {
        let mut condition = self.condition.subscribe();
        let mut newest = self.newest.subscribe();
        let failed = async {
            let failed = condition.wait_for(|now| matches!(now, Condition::Failed(_)));
            match failed.await.as_deref() {
                Ok(Condition::Failed(reason)) => NoPicture::Failed(reason.clone()),
                _ => NoPicture::TooSlow,
            }
        };
        let taken = newest.wait_for(|newest| newest.as_ref().is_some_and(|one| one.epoch >= epoch));
        tokio::select! {
            // A picture from before the failure would be shown as if it were of now.
            biased;
            failed = failed => Err(failed),
            taken = taken => taken.ok().and_then(|taken| taken.clone()).ok_or(NoPicture::TooSlow),
        }
    }

    async fn single(&self, orders: Orders) -> Result<Snapshot, NoPicture> {
        let _device = self.device.lock().await;
        let failed = |error: capture::Error| NoPicture::Failed(error.to_string());
        let mut pictures = self.open().await.map_err(failed)?;
        let picture = pictures.next().await;
        close(pictures).await;
        Ok(Snapshot {
            picture: picture.map_err(failed)?,
            assignment: orders.assignment,
            epoch: orders.epoch,
        })
    }
}
