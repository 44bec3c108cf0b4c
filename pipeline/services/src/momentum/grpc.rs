//! `airside.v1.Momentum`.

use std::{pin::Pin, sync::Arc};

use airside_proto::v1::{
    PublishAlertRequest, PublishAlertResponse, PublishAnalysisRequest, PublishAnalysisResponse,
    WatchRequest, WatchResponse, momentum_server::Momentum, watch_response::Message,
};
use futures::{Stream, StreamExt as _, stream};
use tonic::{Request, Response, Status};

use super::Present;

/// The service of `airside.v1`.
pub(super) struct Grpc(pub(super) Arc<Present>);

#[tonic::async_trait]
impl Momentum for Grpc {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn publish_analysis(
        &self,
        request: Request<PublishAnalysisRequest>,
    ) -> Result<Response<PublishAnalysisResponse>, Status> {
        let analysis = request.into_inner().analysis.unwrap_or_default();
        let newest = self.0.offer_analysis(analysis.try_into()?);
        Ok(Response::new(PublishAnalysisResponse { newest }))
    }

    async fn publish_alert(
        &self,
        request: Request<PublishAlertRequest>,
    ) -> Result<Response<PublishAlertResponse>, Status> {
        let alert = request.into_inner().alert.unwrap_or_default();
        let newest = self.0.offer_alert(alert.try_into()?);
        Ok(Response::new(PublishAlertResponse { newest }))
    }

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let analyses = self.0.analysis.follow();
        let analyses = analyses.map(|held| Message::Analysis((&held.value).into()));
        let alerts = self.0.alert.follow();
        let alerts = alerts.map(|held| Message::Alert((&held.value).into()));
        let feed = stream::select(analyses, alerts)
            .map(|message| {
                Ok(WatchResponse {
                    message: Some(message),
                })
            })
            .take_until(self.0.drain.clone().cancelled_owned());
        Ok(Response::new(Box::pin(feed)))
    }
}
