//! `airside.v1.Alerts`.

use airside_proto::v1::{self, ReportRequest, ReportResponse, alerts_server::Alerts};
use airside_store::{Alert, Report, StoredAlert};
use tonic::{Request, Response, Status};

use super::Desk;
use crate::frame::{Frame, Invalid, is_name};

/// The service of `airside.v1`.
pub(super) struct Grpc(pub(super) Desk);

#[tonic::async_trait]
impl Alerts for Grpc {
    async fn report(
        &self,
        request: Request<ReportRequest>,
    ) -> Result<Response<ReportResponse>, Status> {
        let ReportRequest { frame, persons } = request.into_inner();
        let frame = Frame::try_from(frame.ok_or(Invalid::Identity)?)?;
        if persons.is_empty() || !persons.iter().all(|name| is_name(name)) {
            return Err(Status::invalid_argument("persons: expected their names"));
        }
        let raised = self.0.report(&frame, persons).await?;
        Ok(Response::new(ReportResponse {
            raised: raised.into_iter().map(|alert| alert.id).collect(),
        }))
    }
}

impl Desk {
    async fn report(
        &self,
        frame: &Frame,
        persons: Vec<String>,
    ) -> Result<Vec<StoredAlert>, Status> {
        let alert = Alert {
            captured_at: frame.captured_at,
            section: frame.section.clone(),
            event: frame.event,
            persons,
        };
        let report = Report {
            frame: &frame.id,
            alert: &alert,
            image: &frame.image,
        };
        let reported = self.alerts.report(&report, self.gap).await;
        let (raised, now) = self.health.wrote(reported)?;
        // Momentum shows one alert at a time: those of one frame as one.
        if let Some(first) = raised.first().filter(|_| now) {
            let names = raised.iter().flat_map(|raised| &raised.alert.persons);
            self.outbox.offer(v1::Alert {
                id: first.id,
                frame: Some(frame.into()),
                persons: names.cloned().collect(),
            });
        }
        Ok(raised)
    }
}
