//! Hands analyses to the panel, which forwards them to momentum; where it takes none, to momentum itself. Best effort: one
//! place a camera, the newest wins it, and nobody waits.

use std::{
    convert::Infallible,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use airside_proto::{
    MAX_MESSAGE_BYTES,
    v1::{
        Analysis, DeliverResultRequest, PublishAnalysisRequest,
        control_panel_client::ControlPanelClient, momentum_client::MomentumClient,
    },
};
use airside_runtime::{
    Service,
    carry::Carried,
    mesh::{self, GrpcChannel},
};
use futures::{StreamExt as _, stream::FuturesUnordered};
use lru::LruCache;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};
use tokio::{sync::Notify, time::timeout};

use super::Settings;

/// Cameras with a place of their own; of more, the ones silent longest lose theirs.
const CAMERAS: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");
/// Deliveries under way. A panel that hangs holds no more pictures than these.
const UNDER_WAY: usize = 8;

/// Takes analyses for show.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    mailbox: Arc<Mailbox>,
    results: Results,
}

type Results = Family<Labels, Counter>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: &'static str,
}

/// The panel took it.
const DELIVERED: &str = "delivered";
/// Momentum took it, the panel did not.
const PUBLISHED: &str = "published";
/// A newer one came before its turn.
const REPLACED: &str = "replaced";
/// Neither took it.
const FAILED: &str = "failed";

/// The newest undelivered analysis of each camera.
#[derive(Debug)]
struct Mailbox {
    letters: Mutex<LruCache<String, Letter>>,
    arrived: Notify,
}

#[derive(Debug)]
struct Letter {
    analysis: Analysis,
    carried: Carried,
}

/// Starts the task that delivers.
pub(super) fn start(service: &mut Service, settings: &Settings) -> Delivery {
    let delivery = Delivery {
        mailbox: Arc::new(Mailbox {
            letters: Mutex::new(LruCache::new(CAMERAS)),
            arrived: Notify::new(),
        }),
        results: Results::default(),
    };
    let help = "Analyses for show, by where they went (replaced: a newer one of the same camera came first)";
    let metrics = service.metrics();
    metrics.register("collector_results", help, delivery.results.clone());
    let panel = ControlPanelClient::new(service.mesh().channel(&settings.cpanel));
    let momentum = MomentumClient::new(service.mesh().channel(&settings.momentum));
    let post = Post {
        panel: panel.max_decoding_message_size(MAX_MESSAGE_BYTES),
        momentum,
        limit: settings.neighbour_timeout,
    };
    let (drain, run) = (service.drain(), delivery.clone());
    service.spawn("delivery", async move {
        // What is not delivered by the drain is not: the next collector has newer ones.
        drain.run_until_cancelled(run.deliver(post)).await;
        Ok::<_, Infallible>(())
    });
    delivery
}

impl Delivery {
    /// Takes an analysis; never waits.
    pub(super) fn offer(&self, analysis: Analysis) {
        let id = analysis.frame.as_ref().and_then(|frame| frame.id.as_ref());
        let Some(id) = id else { return };
        let camera = format!("{}/{}", id.agent, id.camera);
        let letter = Letter {
            analysis,
            carried: Carried::current(),
        };
        if !self.mailbox.put(camera, letter) {
            self.count(REPLACED);
        }
    }

    async fn deliver(&self, post: Post) -> Infallible {
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(outcome) = under_way.next(), if !under_way.is_empty() => self.count(outcome),
                letter = self.mailbox.take(), if under_way.len() < UNDER_WAY => {
                    under_way.push(post.send(letter));
                }
            }
        }
    }

    fn count(&self, outcome: &'static str) {
        self.results.get_or_create(&Labels { outcome }).inc();
    }
}

impl Mailbox {
    /// Keeps the newer of what lay there and `letter`; false when one of them was given up.
    fn put(&self, camera: String, letter: Letter) -> bool {
        let taken_at = |letter: &Letter| {
            letter
                .analysis
                .frame
                .as_ref()
                .map(|frame| frame.captured_at_us)
        };
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        if letters
            .peek(&camera)
            .is_some_and(|waiting| taken_at(waiting) > taken_at(&letter))
        {
            return false;
        }
        let given_up = letters.push(camera, letter);
        drop(letters);
        self.arrived.notify_one();
        given_up.is_none()
    }

    async fn take(&self) -> Letter {
        loop {
            let letter = self
                .letters
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_lru();
            match letter {
                Some((_, letter)) => return letter,
                None => self.arrived.notified().await,
            }
        }
    }
}

/// The way to whoever shows results.
struct Post {
    panel: ControlPanelClient<GrpcChannel>,
    momentum: MomentumClient<GrpcChannel>,
    limit: Duration,
}

impl Post {
    fn send(&self, letter: Letter) -> impl Future<Output = &'static str> + use<> {
        let (mut panel, mut momentum, limit) =
            (self.panel.clone(), self.momentum.clone(), self.limit);
        let Letter { analysis, carried } = letter;
        carried.scope(async move {
            let result = DeliverResultRequest {
                analysis: Some(analysis.clone()),
            };
            let delivered = panel.deliver_result(mesh::request(result, limit));
            if let Ok(Ok(_)) = timeout(limit, delivered).await {
                return DELIVERED;
            }
            let analysis = PublishAnalysisRequest {
                analysis: Some(analysis),
            };
            let published = momentum.publish_analysis(mesh::request(analysis, limit));
            match timeout(limit, published).await {
                Ok(Ok(_)) => PUBLISHED,
                Ok(Err(_)) | Err(_) => FAILED,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use airside_proto::v1;
    use futures::FutureExt as _;

    use super::*;

    fn letter(captured_at_us: i64) -> Letter {
        let frame = v1::Frame {
            captured_at_us,
            ..v1::Frame::default()
        };
        Letter {
            analysis: Analysis {
                frame: Some(frame),
                ..Analysis::default()
            },
            carried: Carried::default(),
        }
    }

    #[test]
    fn the_newest_of_a_camera_wins_its_place() {
        let mailbox = Mailbox {
            letters: Mutex::new(LruCache::new(CAMERAS)),
            arrived: Notify::new(),
        };
        assert!(mailbox.put("a".to_owned(), letter(2)));
        assert!(
            !mailbox.put("a".to_owned(), letter(1)),
            "older than what lies there"
        );
        assert!(mailbox.put("b".to_owned(), letter(1)));
        assert!(!mailbox.put("a".to_owned(), letter(3)));
        let taken = || {
            let letter = mailbox.take().now_or_never()?;
            letter.analysis.frame.map(|frame| frame.captured_at_us)
        };
        assert_eq!((taken(), taken(), taken()), (Some(1), Some(3), None));
    }
}
