//! Enrols the gallery, from a directory once, or from a database again and again ([`following`](super::following)). Until it was
//! enrolled first, the service answers that it is not ready.

use std::{path::PathBuf, sync::Arc};

use airside_runtime::{Readiness, Service, readiness};
use airside_store::{Error, Portraits};
use airside_vision::{Eyes, Gallery};
use arc_swap::ArcSwapOption;
use prometheus_client::metrics::gauge::Gauge;

use super::{Recogniser, following::Following};

/// What the gallery is enrolled with, and where it goes.
pub(super) struct Enrolment {
    pub(super) eyes: Arc<Eyes>,
    place: Arc<ArcSwapOption<Gallery>>,
    readiness: Readiness,
    /// Until it is enrolled.
    waiting: Option<readiness::Task>,
    persons: Gauge,
    pictures: Gauge,
}

impl Enrolment {
    pub(super) fn new(service: &Service, recogniser: &Recogniser) -> Self {
        let (persons, pictures) = (Gauge::default(), Gauge::default());
        let metrics = service.metrics();
        metrics.register(
            "gallery_persons",
            "Persons of interest enrolled",
            persons.clone(),
        );
        metrics.register("gallery_pictures", "Pictures enrolled", pictures.clone());
        Self {
            eyes: Arc::clone(&recogniser.eyes),
            place: Arc::clone(&recogniser.gallery),
            readiness: service.readiness().clone(),
            waiting: Some(service.readiness().task("gallery")),
            persons,
            pictures,
        }
    }

    /// Enrols a directory while the service starts.
    pub(super) fn once(mut self, service: &mut Service, directory: PathBuf) {
        let drain = service.drain();
        service.spawn("gallery", async move {
            let eyes = Arc::clone(&self.eyes);
            let enrol = move || Gallery::enrol_directory(&eyes, &directory);
            let gallery = match tokio::task::spawn_blocking(enrol).await? {
                Ok(gallery) => gallery,
                Err(error) => {
                    tracing::error!(%error, "gallery cannot be read; nobody is enrolled");
                    let reason = "its directory cannot be read; the log says why";
                    self.readiness.off("gallery", reason);
                    Gallery::empty()
                }
            };
            self.put(gallery);
            drain.cancelled().await;
            Ok::<_, tokio::task::JoinError>(())
        });
    }

    /// Enrols a database, and what changes there.
    ///
    /// # Errors
    /// It is none that this service can use. One that is away is waited for.
    pub(super) async fn follow(
        self,
        service: &mut Service,
        portraits: Portraits,
    ) -> Result<(), Error> {
        let following = Following::begin(self, portraits).await?;
        service.spawn("gallery", following.run(service.drain()));
        Ok(())
    }

    /// From now on this gallery is searched.
    pub(super) fn put(&mut self, gallery: Gallery) {
        let skipped = gallery.skipped().len();
        tracing::info!(
            persons = gallery.persons(),
            pictures = gallery.pictures(),
            skipped,
            "gallery enrolled"
        );
        self.persons.set(count(gallery.persons()));
        self.pictures.set(count(gallery.pictures()));
        self.place.store(Some(Arc::new(gallery)));
        self.waiting = None;
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
