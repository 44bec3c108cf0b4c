//! Image analysis: finds faces, estimates age range and gender.

mod grpc;
mod rest;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, time::Duration};

use airside_imaging::Picture;
use airside_proto::{MAX_MESSAGE_BYTES, v1::image_analysis_server::ImageAnalysisServer};
use airside_runtime::{Bound, Problem, Server, Service, service::BindError};
use airside_vision::{Ability, Eyes, Face, Options};
use bytes::Bytes;

use crate::{
    in_hand::InHand,
    picture,
    recent::{self, Recent},
    sight,
    workbench::Workbench,
};

/// Settings of image analysis.
#[derive(clap::Parser, Clone, Debug)]
pub struct Settings {
    /// What every service has.
    #[command(flatten)]
    pub server: Server,
    /// The nets.
    #[command(flatten)]
    pub sight: Sight,
}

/// Settings of the services that look at pictures.
#[derive(clap::Args, Clone, Debug)]
pub struct Sight {
    /// Directory with models.toml and the nets.
    #[arg(
        long,
        env = "AIRSIDE_MODELS",
        default_value = "models",
        value_name = "DIR"
    )]
    pub models: PathBuf,
    /// ONNX Runtime's library [default: the one that models.toml names].
    #[arg(long, env = "ORT_DYLIB_PATH", value_name = "FILE")]
    pub onnxruntime: Option<PathBuf>,
    /// Pictures looked at side by side [default: one a core].
    #[arg(long, env = "AIRSIDE_PARALLEL", value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub parallel: Option<u16>,
    /// Pictures that may wait for their turn; more are refused.
    #[arg(
        long,
        env = "AIRSIDE_QUEUE",
        default_value_t = 64,
        value_name = "COUNT"
    )]
    pub queue: u16,
    /// Score from which on a face is one, between 0 and 1 [default: the one that models.toml names].
    #[arg(long, env = "AIRSIDE_DETECTION_THRESHOLD", value_name = "SCORE", value_parser = score)]
    pub detection_threshold: Option<f32>,
    /// Serve GET /results/recent: what was seen in the requests of this time, at most 10m [default: kept not at all].
    #[arg(long, env = "AIRSIDE_RECENT_RESULTS", value_name = "TIME", value_parser = recent::keeping)]
    pub recent_results: Option<Duration>,
}

fn score(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(score) if score > 0.0 && score < 1.0 => Ok(score),
        _ => Err("expected a number between 0 and 1, e.g. 0.4".to_owned()),
    }
}

impl Sight {
    pub(crate) fn options(&self) -> Options {
        let options = Options::new(&self.models);
        Options {
            parallel: self.parallel.map_or(options.parallel, usize::from),
            onnxruntime: self.onnxruntime.clone(),
            detection_threshold: self.detection_threshold,
            ..options
        }
    }

    /// Where its pictures are worked on; the service shows how many are in hand.
    pub(crate) fn workbench(&self, service: &Service) -> Workbench {
        let in_hand = InHand::registered(service.metrics());
        Workbench::new(self.options().parallel, usize::from(self.queue), in_hand)
    }
}

/// Why image analysis could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The manifest of the models is broken.
    #[error("{0} (setting models)")]
    Models(#[from] airside_vision::Error),
    /// The port.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// Loads the nets and binds the port.
///
/// # Errors
/// A broken manifest, or the port is taken.
pub async fn build(settings: &Settings) -> Result<Bound, Error> {
    let service = Service::new("Image Analysis", &settings.server);
    let options = Options {
        embedding: false,
        ..settings.sight.options()
    };
    let eyes = Eyes::open(&options)?;
    tell_abilities(&service, &eyes);
    let analyst = Analyst {
        eyes: Arc::new(eyes),
        bench: settings.sight.workbench(&service),
        recent: Recent::new(settings.sight.recent_results),
    };
    let service = service.rest(analyst.recent.routes());
    let grpc = ImageAnalysisServer::new(grpc::Grpc {
        analyst: analyst.clone(),
    })
    .max_decoding_message_size(MAX_MESSAGE_BYTES)
    .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let routes = rest::routes(analyst, service.mesh().clone());
    Ok(service.rest(routes).grpc(grpc).bind().await?)
}

/// Says in the log and in `/readyz` what is off.
pub(crate) fn tell_abilities(service: &Service, eyes: &Eyes) {
    let abilities = eyes.abilities();
    tracing::info!(%abilities, "abilities");
    let stages = [
        ("landmarks", &abilities.landmarks),
        ("age and gender", &abilities.age_gender),
        ("names", &abilities.embedding),
    ];
    let detection = abilities.detection_reason.as_ref();
    let off = stages
        .into_iter()
        .filter_map(|(name, ability)| match ability {
            Ability::Off(reason) => Some((name, reason)),
            Ability::On(_) | Ability::NotNeeded => None,
        });
    for (name, reason) in detection
        .map(|reason| ("better detection", reason))
        .into_iter()
        .chain(off)
    {
        tracing::warn!(ability = name, %reason, "off");
        service.readiness().off(name, reason);
    }
}

/// Looks at pictures, as many at a time as there are cores.
#[derive(Clone)]
struct Analyst {
    eyes: Arc<Eyes>,
    bench: Workbench,
    recent: Recent,
}

/// What a picture shows.
struct Seen {
    faces: Vec<Face>,
    width: u32,
    height: u32,
}

impl Analyst {
    async fn look(&self, image: Bytes) -> Result<Seen, Problem> {
        let eyes = Arc::clone(&self.eyes);
        let look = move || {
            let picture: Picture = picture::read(&image)?;
            let faces = eyes
                .analyze(&picture)
                .map_err(|error| Problem::internal(&error))?;
            Ok::<_, Problem>(Seen {
                faces,
                width: picture.width(),
                height: picture.height(),
            })
        };
        let seen = self.bench.run(look).await??;
        self.recent
            .note(|| seen.faces.iter().map(recent_face).collect());
        Ok(seen)
    }
}

/// What is kept of a face for comparison.
fn recent_face(face: &Face) -> recent::Face {
    let (age, gender) = sight::estimated(face.age_years, face.male_probability);
    recent::Face {
        bounds: face.bounds,
        age,
        gender,
        name: None,
    }
}
