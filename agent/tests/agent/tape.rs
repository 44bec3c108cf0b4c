//! A camera that shows what the test puts on it.

use std::{fmt, sync::Arc};

use airside_agent::capture::{Error, Format, Picture, Pictures, Source};
use airside_core::Timestamp;
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::{Mutex, mpsc};

/// The test's end of the camera.
pub(crate) struct Tape(mpsc::UnboundedSender<Result<Picture, Error>>);

impl Tape {
    /// A camera and what feeds it.
    pub(crate) fn new() -> (Self, Arc<dyn Source>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (
            Self(sender),
            Arc::new(Camera(Arc::new(Mutex::new(receiver)))),
        )
    }

    /// Shows pictures; the content of each is its number.
    pub(crate) fn show(&self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            let picture = Picture {
                captured_at: Timestamp::from_micros(1_600_000_000_000_000 + number as i64),
                jpeg: Bytes::from(number.to_string()),
                luma: None,
            };
            self.0.send(Ok(picture)).unwrap();
        }
    }

    pub(crate) fn fail(&self) {
        let name = "tape".to_owned();
        self.0.send(Err(Error::Ended { name })).unwrap();
    }
}

type Receiver = Arc<Mutex<mpsc::UnboundedReceiver<Result<Picture, Error>>>>;

struct Camera(Receiver);

impl fmt::Display for Camera {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tape")
    }
}

impl Source for Camera {
    fn open(&self, _: &Format) -> Result<Box<dyn Pictures>, Error> {
        Ok(Box::new(Reel(Arc::clone(&self.0))))
    }
}

struct Reel(Receiver);

impl Pictures for Reel {
    fn next(&mut self) -> BoxFuture<'_, Result<Picture, Error>> {
        Box::pin(async {
            match self.0.lock().await.recv().await {
                Some(next) => next,
                None => std::future::pending().await,
            }
        })
    }

    fn overruns(&self) -> u64 {
        0
    }
}
