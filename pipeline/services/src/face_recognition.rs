//! Face recognition: which persons of interest are in a picture. Gets the faces that image analysis found, or searches
//! the picture itself.

mod enrolment;
mod following;
mod grpc;
mod rest;

use std::{path::PathBuf, sync::Arc};

use airside_core::Rect;
use airside_proto::{
    MAX_MESSAGE_BYTES,
    v1::{self, face_recognition_server::FaceRecognitionServer},
};
use airside_runtime::{Bound, Problem, Server, Service, service::BindError};
use airside_store::Address;
use airside_vision::{Chip, Embedding, Eyes, Gallery, Match, Options};
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::StatusCode;

use crate::{
    image_analysis::{Sight, tell_abilities},
    picture,
    recent::{self, Recent},
    storage::{OnServer, PasswordFile, read_address},
    workbench::Workbench,
};
use enrolment::Enrolment;

/// Settings of face recognition.
#[derive(clap::Parser, Clone, Debug)]
pub struct Settings {
    /// What every service has.
    #[command(flatten)]
    pub server: Server,
    /// The nets.
    #[command(flatten)]
    pub sight: Sight,
    /// Directory with the persons of interest, GALLERY/NAME/*.jpg; one that does not exist is empty. Not read where there is a
    /// database.
    #[arg(
        long,
        env = "AIRSIDE_GALLERY",
        default_value = "gallery",
        value_name = "DIR"
    )]
    pub gallery: PathBuf,
    /// PostgreSQL database with the persons of interest, which instances share; filled by `airside gallery import`.
    #[arg(long, env = "AIRSIDE_DATABASE", value_name = "URL", value_parser = read_address)]
    pub database: Option<Address>,
    /// What else a server needs.
    #[command(flatten)]
    pub on_server: OnServer,
}

/// Why face recognition could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The manifest of the models is broken.
    #[error("{0} (setting models)")]
    Models(#[from] airside_vision::Error),
    /// The setting that names the password's file.
    #[error(transparent)]
    Password(#[from] PasswordFile),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] airside_store::Error),
    /// The port.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// Loads the nets, starts to enrol the gallery and binds the port.
///
/// # Errors
/// A broken manifest, a database that cannot be used, or the port is taken.
pub async fn build(settings: &Settings) -> Result<Bound, Error> {
    let mut service = Service::new("Face Recognition", &settings.server);
    let options = Options {
        age_gender: false,
        ..settings.sight.options()
    };
    let eyes = Eyes::open(&options)?;
    tell_abilities(&service, &eyes);
    let recogniser = Recogniser {
        eyes: Arc::new(eyes),
        gallery: Arc::default(),
        bench: settings.sight.workbench(&service),
        recent: Recent::new(settings.sight.recent_results),
    };
    let enrolment = Enrolment::new(&service, &recogniser);
    match &settings.database {
        None => enrolment.once(&mut service, settings.gallery.clone()),
        Some(address) => {
            let portraits = settings.on_server.portraits(address)?;
            enrolment.follow(&mut service, portraits).await?;
        }
    }
    let grpc = FaceRecognitionServer::new(grpc::Grpc {
        recogniser: recogniser.clone(),
    })
    .max_decoding_message_size(MAX_MESSAGE_BYTES);
    let routes = recogniser.recent.routes();
    let routes = routes.merge(rest::routes(recogniser, service.mesh().clone()));
    Ok(service.rest(routes).grpc(grpc).bind().await?)
}

/// Compares faces with the gallery, as many pictures at a time as there are cores.
#[derive(Clone)]
struct Recogniser {
    eyes: Arc<Eyes>,
    /// None until the gallery was enrolled.
    gallery: Arc<ArcSwapOption<Gallery>>,
    bench: Workbench,
    recent: Recent,
}

/// A person of interest in a picture.
struct Found {
    matched: Match,
    bounds: Rect,
}

/// What is known of the faces that were given.
struct Recognised {
    found: Vec<Found>,
    /// One a face.
    descriptors: Vec<Option<Embedding>>,
}

impl Recogniser {
    /// Looks the faces up that somebody else found.
    async fn look_up(&self, faces: Vec<v1::Face>) -> Result<Recognised, Problem> {
        let (eyes, gallery) = (Arc::clone(&self.eyes), self.enrolled()?);
        if !eyes.abilities().embedding.is_on() {
            return Ok(Recognised {
                found: Vec::new(),
                descriptors: vec![None; faces.len()],
            });
        }
        let faces = faces
            .into_iter()
            .map(given)
            .collect::<Result<Vec<_>, _>>()?;
        let places: Vec<Rect> = faces.iter().map(|(bounds, _)| *bounds).collect();
        let look_up = move || {
            let mut names = Vec::with_capacity(faces.len());
            let mut recognised = Recognised {
                found: Vec::new(),
                descriptors: Vec::with_capacity(faces.len()),
            };
            for (bounds, chip) in faces {
                let descriptor = chip.map(|chip| eyes.embed(&chip)).transpose();
                let descriptor = descriptor.map_err(|error| Problem::internal(&error))?;
                let matched = descriptor.as_ref().and_then(|face| gallery.search(face));
                names.push(matched.as_ref().map(|matched| matched.name.clone()));
                recognised
                    .found
                    .extend(matched.map(|matched| Found { matched, bounds }));
                recognised.descriptors.push(descriptor);
            }
            Ok::<_, Problem>((recognised, names))
        };
        let (recognised, names) = self.bench.run(look_up).await??;
        let asked = places.into_iter().zip(names);
        self.recent
            .note(|| asked.map(|(bounds, name)| face(bounds, name)).collect());
        Ok(recognised)
    }

    /// Searches a whole picture.
    async fn search(&self, image: Bytes) -> Result<Vec<Found>, Problem> {
        let (eyes, gallery) = (Arc::clone(&self.eyes), self.enrolled()?);
        if !eyes.abilities().embedding.is_on() {
            // Nobody can be named; a caller with a broken picture should still hear of it.
            picture::check(&image)?;
            return Ok(Vec::new());
        }
        let search = move || {
            let picture = picture::read(&image)?;
            let failed = |error: airside_vision::Error| Problem::internal(&error);
            let mut found = Vec::new();
            for face in eyes.analyze(&picture).map_err(failed)? {
                let Some(chip) = face.chip else { continue };
                let descriptor = eyes.embed(&chip).map_err(failed)?;
                let matched = gallery.search(&descriptor);
                found.extend(matched.map(|matched| Found {
                    matched,
                    bounds: face.bounds,
                }));
            }
            Ok::<_, Problem>(found)
        };
        let found = self.bench.run(search).await??;
        let named = |found: &Found| face(found.bounds, Some(found.matched.name.clone()));
        self.recent.note(|| found.iter().map(named).collect());
        Ok(found)
    }

    fn enrolled(&self) -> Result<Arc<Gallery>, Problem> {
        self.gallery.load_full().ok_or_else(|| {
            let detail = "the gallery is still being enrolled; try again later";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        })
    }
}

/// What is kept of a face for comparison; a stranger has no name.
fn face(bounds: Rect, name: Option<String>) -> recent::Face {
    recent::Face {
        bounds,
        age: None,
        gender: None,
        name,
    }
}

/// Place and chip of a face in a message; the chip may be missing.
fn given(face: v1::Face) -> Result<(Rect, Option<Chip>), Problem> {
    let bounds = face.r#box.unwrap_or_default();
    let bounds = Rect {
        x: bounds.x,
        y: bounds.y,
        width: bounds.width,
        height: bounds.height,
    };
    if face.chip.is_empty() {
        return Ok((bounds, None));
    }
    let chip = Chip::new(face.chip_size, face.chip.into());
    let chip = chip.map_err(|error| Problem::field("faces.chip", error.to_string()))?;
    Ok((bounds, Some(chip)))
}
