//! Network cameras by HTTP or HTTPS: Motion JPEG (`multipart/x-mixed-replace`), or a single JPEG that is asked for again and again.
//!
//! What the camera sends is read while pictures are waited for, and at no other time: nothing runs beside the pipeline that
//! would have to be stopped.

pub mod multipart;

use std::{
    convert::Infallible,
    fmt,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use airside_runtime::{problem::Chain, tls};
use bytes::Bytes;
use futures::future::BoxFuture;
use gstreamer as gst;
use gstreamer_app::{AppLeakyType, AppSrc};
use http::{Response, Uri, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use self::multipart::Parts;
use super::{
    Effort, Error, Format, Picture, Pictures, Vitals,
    codec::Decoders,
    credentials::{Credentials, redacted},
    draft::{Draft, Pace},
    jpeg,
    tail::Counters,
};
use crate::web::{self, Ask, Session};

/// What a camera sends if it can be played.
const WANTED: &str = "Motion JPEG or JPEG picture";
/// Pictures that may wait for the pipeline: it needs none of them at once, and a late one is worth less than the next.
const PICTURES_WAITING: u64 = 2;

/// A network camera, e.g. `http://user:password@host:8080/video.mjpg`.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpCamera {
    address: String,
    uri: Uri,
}

/// How it is asked.
pub(super) struct Access<'a> {
    /// Authorities that its certificate is trusted by; without, those of the operating system.
    pub(super) ca: Option<&'a Path>,
    /// Instead of those in the address.
    pub(super) credentials: Option<Credentials>,
    pub(super) decoders: &'a Arc<Decoders>,
}

impl HttpCamera {
    /// The camera at `address`, if that has a host.
    pub(super) fn new(address: &str) -> Option<Self> {
        let uri: Uri = redacted(address).parse().ok()?;
        let host = uri.host().filter(|host| !host.is_empty());
        host.is_some().then(|| Self {
            address: address.to_owned(),
            uri: uri.clone(),
        })
    }

    pub(super) fn has_credentials(&self) -> bool {
        Credentials::of_address(&self.address).is_some()
    }

    pub(super) fn open(
        &self,
        format: &Format,
        access: Access<'_>,
    ) -> Result<Box<dyn Pictures>, Error> {
        let Access {
            ca,
            credentials,
            decoders,
        } = access;
        let tls = self.is_secure().then(|| {
            // Read anew whenever the camera is opened, like its credentials.
            tls::Client::new(tls::Files {
                ca: ca.map(Path::to_owned),
                ..tls::Files::default()
            })
        });
        let tls = tls.transpose().map_err(Error::Authorities)?;
        let draft = Draft::new(self.to_string(), format, Pace::Live, decoders)?;
        let source = AppSrc::builder()
            .format(gst::Format::Time)
            .is_live(true)
            .do_timestamp(true)
            .max_buffers(PICTURES_WAITING)
            .leaky_type(AppLeakyType::Downstream)
            .build();
        let entry = draft.add("capsfilter")?;
        draft.link(&[&draft.add_built(source.clone())?, &entry])?;
        draft.tail().take_jpeg(&entry)?;
        let credentials = credentials.or_else(|| Credentials::of_address(&self.address));
        let session = Session::new(&self.uri, tls, credentials, format.stall);
        let fps = watch::Sender::new(format.fps);
        let feed = Feed {
            camera: self.clone(),
            session: session.map_err(|error| self.explain(error))?,
            fps: fps.subscribe(),
            inlet: Inlet {
                source,
                size: None,
                counters: Arc::clone(&draft.tail().counters),
            },
        };
        Ok(Box::new(Fed {
            pictures: draft.start()?,
            feed: Box::pin(feed.run()),
            fps,
        }))
    }

    pub(super) fn is_secure(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    fn explain(&self, error: web::Error) -> Error {
        let name = self.to_string();
        match error {
            web::Error::Unauthorized => Error::Unauthorized { name },
            web::Error::Refused(http::StatusCode::NOT_FOUND) => Error::NoSuchStream { name },
            web::Error::TooLarge(_) => self.damaged(error),
            web::Error::Unreachable(reason) | web::Error::Insecure(reason) => {
                Error::Unreachable { name, reason }
            }
            web::Error::Address | web::Error::Refused(_) => Error::Unreachable {
                name,
                reason: error.to_string(),
            },
        }
    }

    fn damaged(&self, reason: impl fmt::Display) -> Error {
        Error::Damaged {
            name: self.to_string(),
            reason: reason.to_string(),
        }
    }
}

impl fmt::Display for HttpCamera {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redacted(&self.address))
    }
}

/// A pipeline with what feeds it.
struct Fed {
    pictures: Box<dyn Pictures>,
    feed: BoxFuture<'static, Error>,
    fps: watch::Sender<f64>,
}

impl Fed {
    async fn next_picture(&mut self) -> Result<Picture, Error> {
        tokio::select! {
            biased;
            picture = self.pictures.next() => picture,
            error = &mut self.feed => {
                self.feed = Box::pin(std::future::pending());
                Err(error)
            }
        }
    }
}

impl Pictures for Fed {
    fn next(&mut self) -> BoxFuture<'_, Result<Picture, Error>> {
        Box::pin(self.next_picture())
    }

    fn overruns(&self) -> u64 {
        self.pictures.overruns()
    }

    fn adjust(&mut self, effort: Effort) {
        self.fps.send_replace(effort.fps);
        self.pictures.adjust(effort);
    }

    fn vitals(&self) -> Vitals {
        self.pictures.vitals()
    }
}

/// Brings what the camera sends into the pipeline.
struct Feed {
    camera: HttpCamera,
    session: Session,
    /// Pictures a second that are asked for, where each is asked for.
    fps: watch::Receiver<f64>,
    inlet: Inlet,
}

impl Feed {
    async fn run(mut self) -> Error {
        match self.feed().await {
            Err(error) => error,
            Ok(never) => match never {},
        }
    }

    async fn feed(&mut self) -> Result<Infallible, Error> {
        let path = self.path();
        let answer = self.session.ask(&Ask::get(&path)).await;
        let answer = answer.map_err(|error| self.camera.explain(error))?;
        let kind = answer.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let media = kind.split(';').next().unwrap_or_default().trim();
        match media.to_ascii_lowercase().as_str() {
            "image/jpeg" | "image/jpg" => self.poll(&path, answer).await,
            multipart if multipart.starts_with("multipart/") => {
                let parts = Parts::new(kind);
                self.stream(answer, parts).await
            }
            _ => Err(Error::NothingToPlay {
                wanted: WANTED,
                name: self.camera.to_string(),
                found: vec![media.chars().take(100).collect()],
            }),
        }
    }

    async fn stream(
        &mut self,
        answer: Response<Incoming>,
        mut parts: Parts,
    ) -> Result<Infallible, Error> {
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Error::Unreachable {
                name: self.camera.to_string(),
                reason: Chain(&error).to_string(),
            })?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            parts.push(&data);
            let damaged = |broken| self.camera.damaged(broken);
            while let Some(picture) = parts.next_part().map_err(damaged)? {
                self.inlet.take(picture);
            }
        }
        Err(Error::Ended {
            name: self.camera.to_string(),
        })
    }

    /// Asks for a picture as often as one is wanted; the first is there.
    async fn poll(&mut self, path: &str, first: Response<Incoming>) -> Result<Infallible, Error> {
        let mut began = Instant::now();
        let mut picture = web::read(first, multipart::LARGEST_PART).await;
        loop {
            self.inlet
                .take(picture.map_err(|error| self.camera.explain(error))?);
            self.until_due(began).await;
            began = Instant::now();
            let ask = Ask::get(path);
            picture = self.session.fetch(&ask, multipart::LARGEST_PART).await;
        }
    }

    /// Waits for the moment of the next picture. A rate that changes meanwhile is in force at once.
    async fn until_due(&mut self, began: Instant) {
        loop {
            let interval = Duration::from_secs_f64(1.0 / *self.fps.borrow_and_update());
            let changed = timeout_at(began + interval, self.fps.changed()).await;
            if !matches!(changed, Ok(Ok(()))) {
                return;
            }
        }
    }

    fn path(&self) -> String {
        let path = self.camera.uri.path_and_query();
        path.map_or_else(|| "/".to_owned(), ToString::to_string)
    }
}

/// Where pictures go into the pipeline.
struct Inlet {
    source: AppSrc,
    /// Of the picture before.
    size: Option<jpeg::Picture>,
    counters: Arc<Counters>,
}

impl Inlet {
    fn take(&mut self, picture: Bytes) {
        let Ok(size) = jpeg::Picture::read(&picture) else {
            self.counters.damaged.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if self.size.replace(size) != Some(size) {
            let caps = gst::Caps::builder("image/jpeg")
                .field("width", i32::from(size.width))
                .field("height", i32::from(size.height))
                .build();
            self.source.set_caps(Some(&caps));
        }
        // Refused only when the pipeline stops, and then nobody wants it.
        let _ = self.source.push_buffer(gst::Buffer::from_slice(picture));
    }
}
