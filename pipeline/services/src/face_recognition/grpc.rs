//! `airside.v1.FaceRecognition`.

use airside_proto::v1::{
    Descriptor, Match, RecognizeRequest, RecognizeResponse,
    face_recognition_server::FaceRecognition,
};
use tonic::{Request, Response, Status};

use super::{Found, Recogniser};
use crate::sight;

/// The service of `airside.v1`.
pub(super) struct Grpc {
    pub(super) recogniser: Recogniser,
}

#[tonic::async_trait]
impl FaceRecognition for Grpc {
    async fn recognize(
        &self,
        request: Request<RecognizeRequest>,
    ) -> Result<Response<RecognizeResponse>, Status> {
        let request = request.into_inner();
        let (found, descriptors) = if request.searched {
            let recognised = self.recogniser.look_up(request.faces).await?;
            (recognised.found, recognised.descriptors)
        } else {
            let image = request.frame.unwrap_or_default().image;
            (self.recogniser.search(image).await?, Vec::new())
        };
        let values = |descriptor: Option<airside_vision::Embedding>| Descriptor {
            values: descriptor
                .map(|descriptor| descriptor.0)
                .unwrap_or_default(),
        };
        Ok(Response::new(RecognizeResponse {
            matches: found.into_iter().map(message).collect(),
            descriptors: descriptors.into_iter().map(values).collect(),
        }))
    }
}

fn message(found: Found) -> Match {
    Match {
        name: found.matched.name,
        distance: found.matched.distance,
        r#box: Some(sight::box_message(&found.bounds)),
    }
}
