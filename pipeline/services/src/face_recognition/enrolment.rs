//! Enrols the gallery once, while the service already answers that it is not ready.

use std::{path::PathBuf, sync::Arc};

use airside_runtime::Service;
use airside_vision::Gallery;
use prometheus_client::metrics::gauge::Gauge;

use super::Recogniser;

/// Starts to enrol `directory`; the service is ready when that is done.
pub(super) fn start(service: &mut Service, recogniser: &Recogniser, directory: PathBuf) {
    let persons = Gauge::<i64>::default();
    let pictures = Gauge::<i64>::default();
    let metrics = service.metrics();
    metrics.register(
        "gallery_persons",
        "Persons of interest enrolled",
        persons.clone(),
    );
    metrics.register("gallery_pictures", "Pictures enrolled", pictures.clone());
    let task = service.readiness().task("gallery");
    let readiness = service.readiness().clone();
    let (eyes, place) = (
        Arc::clone(&recogniser.eyes),
        Arc::clone(&recogniser.gallery),
    );
    let drain = service.drain();
    service.spawn("gallery", async move {
        let enrol = move || Gallery::enrol_directory(&eyes, &directory);
        let gallery = match tokio::task::spawn_blocking(enrol).await {
            Ok(Ok(gallery)) => gallery,
            Ok(Err(error)) => {
                tracing::error!(%error, "gallery cannot be read; nobody is enrolled");
                readiness.off("gallery", "its directory cannot be read; the log says why");
                Gallery::empty()
            }
            Err(error) => return Err(error),
        };
        let skipped = gallery.skipped().len();
        tracing::info!(
            persons = gallery.persons(),
            pictures = gallery.pictures(),
            skipped,
            "gallery enrolled"
        );
        persons.set(count(gallery.persons()));
        pictures.set(count(gallery.pictures()));
        place.store(Some(Arc::new(gallery)));
        drop(task);
        drain.cancelled().await;
        Ok(())
    });
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
