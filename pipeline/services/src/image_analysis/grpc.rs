//! `airside.v1.ImageAnalysis`.

use airside_proto::v1::{AnalyzeRequest, AnalyzeResponse, image_analysis_server::ImageAnalysis};
use tonic::{Request, Response, Status};

use super::Analyst;
use crate::sight;

/// The service of `airside.v1`.
pub(super) struct Grpc {
    pub(super) analyst: Analyst,
}

#[tonic::async_trait]
impl ImageAnalysis for Grpc {
    async fn analyze(
        &self,
        request: Request<AnalyzeRequest>,
    ) -> Result<Response<AnalyzeResponse>, Status> {
        let frame = request.into_inner().frame.unwrap_or_default();
        let seen = self.analyst.look(frame.image).await?;
        Ok(Response::new(AnalyzeResponse {
            faces: seen.faces.into_iter().map(sight::face_message).collect(),
            width: seen.width,
            height: seen.height,
        }))
    }
}
