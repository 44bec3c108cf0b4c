//! A camera that shows what the test puts on it.

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use airside_agent::capture::{Error, Format, Luma, Picture, Pictures, Source};
use airside_core::Timestamp;
use airside_imaging::Grey;
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::{Mutex, mpsc};

/// The test's end of the camera.
pub(crate) struct Tape {
    pictures: mpsc::UnboundedSender<Result<Picture, Error>>,
    openings: Arc<AtomicUsize>,
}

impl Tape {
    /// A camera and what feeds it.
    pub(crate) fn new() -> (Self, Arc<dyn Source>) {
        let (pictures, receiver) = mpsc::unbounded_channel();
        let openings = Arc::<AtomicUsize>::default();
        let camera = Camera(Arc::new(Mutex::new(receiver)), Arc::clone(&openings));
        (Self { pictures, openings }, Arc::new(camera))
    }

    /// How often the camera was opened.
    pub(crate) fn openings(&self) -> usize {
        self.openings.load(Ordering::SeqCst)
    }

    /// Shows pictures; the content of each is its number.
    pub(crate) fn show(&self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            let picture = Picture {
                captured_at: Timestamp::from_micros(1_600_000_000_000_000 + number as i64),
                jpeg: Bytes::from(number.to_string()),
                luma: None,
            };
            self.pictures.send(Ok(picture)).unwrap();
        }
    }

    /// Shows a hall, five pictures a second; in those of `moving` somebody crosses it.
    pub(crate) fn film(&self, numbers: Range<u64>, moving: Range<u64>) {
        for number in numbers {
            let mut pixels = vec![90; 40 * 30];
            if moving.contains(&number) {
                for row in pixels.chunks_mut(40).skip(10).take(12) {
                    let place = 2 * (number - moving.start) as usize;
                    row[place..place + 6].fill(200);
                }
            }
            let picture = Picture {
                captured_at: Timestamp::from_micros(1_600_000_000_000_000)
                    .after(Duration::from_millis(200 * number)),
                jpeg: Bytes::from(number.to_string()),
                luma: Some(Luma {
                    small: Grey::new(40, 30, pixels).unwrap(),
                    large: None,
                }),
            };
            self.pictures.send(Ok(picture)).unwrap();
        }
    }

    pub(crate) fn fail(&self) {
        let name = "tape".to_owned();
        self.pictures.send(Err(Error::Ended { name })).unwrap();
    }
}

type Receiver = Arc<Mutex<mpsc::UnboundedReceiver<Result<Picture, Error>>>>;

struct Camera(Receiver, Arc<AtomicUsize>);

impl fmt::Display for Camera {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tape")
    }
}

impl Source for Camera {
    fn open(&self, _: &Format) -> Result<Box<dyn Pictures>, Error> {
        self.1.fetch_add(1, Ordering::SeqCst);
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
