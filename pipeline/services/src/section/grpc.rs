//! `airside.v1.Section`.

use airside_core::{
    FrameId, Rect, SectionId, Timestamp,
    passage::{FrameObservations, Observation},
};
use airside_proto::v1::{self, ObserveRequest, ObserveResponse, section_server::Section};
use airside_runtime::Problem;
use airside_store::CameraKey;
use http::StatusCode;
use tokio::sync::{mpsc, oneshot};
use tonic::{Request, Response, Status};

use super::ledger::{Delivery, Noted};
use crate::frame::{Invalid, event, identity};

/// The service of `airside.v1`.
pub(super) struct Grpc {
    section: SectionId,
    inbox: mpsc::Sender<Delivery>,
}

impl Grpc {
    pub(super) fn new(section: SectionId, inbox: mpsc::Sender<Delivery>) -> Self {
        Self { section, inbox }
    }

    async fn note(&self, camera: CameraKey, frame: FrameObservations) -> Result<Noted, Problem> {
        let (answer, noted) = oneshot::channel();
        let delivery = Delivery {
            camera,
            frame,
            answer,
        };
        let ending = || {
            let detail = "the section is shutting down";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        };
        self.inbox.send(delivery).await.map_err(|_| ending())?;
        noted.await.map_err(|_| ending())?
    }
}

#[tonic::async_trait]
impl Section for Grpc {
    async fn observe(
        &self,
        request: Request<ObserveRequest>,
    ) -> Result<Response<ObserveResponse>, Status> {
        let request = request.into_inner();
        if request.section != self.section.as_str() {
            return Err(Status::not_found(format!(
                "this is section {}",
                self.section
            )));
        }
        let event = event(request.event)?;
        let frame = observations(request)?;
        let FrameId { agent, camera, .. } = frame.frame.clone();
        let camera = CameraKey {
            agent,
            camera,
            event,
        };
        let noted = self.note(camera, frame).await?;
        Ok(Response::new(ObserveResponse {
            repeated_delivery: noted.repeated,
            open_passages: u32::try_from(noted.open).unwrap_or(u32::MAX),
        }))
    }
}

fn observations(request: ObserveRequest) -> Result<FrameObservations, Invalid> {
    let frame = identity(request.frame)?;
    let field = |text: &str| Invalid::Field(text.to_owned());
    if request.captured_at_us <= 0 {
        return Err(field("captured_at_us: expected microseconds since 1970"));
    }
    let empty = request.width == 0 || request.height == 0;
    if empty && !request.faces.is_empty() {
        return Err(field(
            "width, height: expected the picture's size in pixels",
        ));
    }
    let faces = request.faces.into_iter().map(observation).collect();
    Ok(FrameObservations {
        frame,
        captured_at: Timestamp::from_micros(request.captured_at_us),
        width: request.width,
        height: request.height,
        faces,
        still: request.still,
        awaited_since: request.awaited_since_us.map(Timestamp::from_micros),
    }
    .sensible())
}

/// A face without a box has no place; folding passes it over as it does every senseless box.
fn observation(face: v1::Face) -> Observation {
    let bounds = face.r#box.unwrap_or_default();
    Observation {
        place: Rect {
            x: bounds.x,
            y: bounds.y,
            width: bounds.width,
            height: bounds.height,
        },
        score: face.score,
        age_years: face.age_years,
        male_probability: face.male_probability,
        descriptor: face.descriptor,
    }
}
