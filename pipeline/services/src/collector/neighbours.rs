//! The services that a frame needs, and what their failures mean for it.

mod sections;

use std::time::Duration;

use airside_core::SectionId;
use airside_proto::{
    MAX_MESSAGE_BYTES,
    v1::{
        AnalyzeRequest, AnalyzeResponse, ObserveRequest, RecognizeRequest, RecognizeResponse,
        ReportRequest, alerts_client::AlertsClient, face_recognition_client::FaceRecognitionClient,
        image_analysis_client::ImageAnalysisClient,
    },
};
use airside_runtime::{
    Mesh,
    mesh::{self, GrpcChannel},
};
use tokio::time::timeout;
use tonic::{Code, Response, Status};

use super::{
    Settings,
    outcome::{Away, Part},
};
use sections::Sections;

/// The way to each neighbour.
#[derive(Clone, Debug)]
pub(super) struct Neighbours {
    analysis: ImageAnalysisClient<GrpcChannel>,
    recognition: FaceRecognitionClient<GrpcChannel>,
    alerts: AlertsClient<GrpcChannel>,
    sections: Sections,
    limit: Duration,
}

/// Why a neighbour did not do its part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It is away or in trouble; later it may work.
    Away(Away),
    /// What was sent will never be accepted.
    Refused(String),
}

impl Neighbours {
    pub(super) fn new(mesh: &Mesh, settings: &Settings) -> Self {
        Self {
            analysis: ImageAnalysisClient::new(mesh.channel(&settings.image_analysis))
                .max_decoding_message_size(MAX_MESSAGE_BYTES),
            recognition: FaceRecognitionClient::new(mesh.channel(&settings.face_recognition))
                .max_decoding_message_size(MAX_MESSAGE_BYTES),
            alerts: AlertsClient::new(mesh.channel(&settings.alerts)),
            sections: Sections::new(mesh.clone(), &settings.section_grpc),
            limit: settings.neighbour_timeout,
        }
    }

    /// Time that a neighbour has to answer.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    pub(super) async fn analyze(
        &self,
        request: AnalyzeRequest,
    ) -> Result<AnalyzeResponse, Failure> {
        let mut client = self.analysis.clone();
        let call = client.analyze(mesh::request(request, self.limit));
        self.answer(Part::ImageAnalysis, call).await
    }

    pub(super) async fn recognize(
        &self,
        request: RecognizeRequest,
    ) -> Result<RecognizeResponse, Failure> {
        let mut client = self.recognition.clone();
        let call = client.recognize(mesh::request(request, self.limit));
        self.answer(Part::FaceRecognition, call).await
    }

    pub(super) async fn observe(
        &self,
        section: &SectionId,
        request: ObserveRequest,
    ) -> Result<(), Failure> {
        let mut client = self.sections.client(section)?;
        let call = client.observe(mesh::request(request, self.limit));
        self.answer(Part::Section, call).await.map(drop)
    }

    pub(super) async fn report(&self, request: ReportRequest) -> Result<(), Failure> {
        let mut client = self.alerts.clone();
        let call = client.report(mesh::request(request, self.limit));
        self.answer(Part::Alerts, call).await.map(drop)
    }

    async fn answer<T>(
        &self,
        part: Part,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        // The deadline in the request covers the exchange; this one also a connection that does not come about.
        match timeout(self.limit, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(failure(part, &status)),
            Err(_) => Err(Failure::Away(Away {
                part,
                timed_out: true,
            })),
        }
    }
}

/// Only what a neighbour says of the frame itself is final. Everything else, also a proxy that knows no route
/// (UNIMPLEMENTED) or aborts (UNKNOWN), passes.
fn failure(part: Part, status: &Status) -> Failure {
    match status.code() {
        Code::InvalidArgument | Code::NotFound | Code::OutOfRange => {
            let reason: String = status.message().chars().take(200).collect();
            Failure::Refused(format!("{part}: {reason}"))
        }
        code => {
            tracing::debug!(%part, ?code, reason = status.message(), "neighbour failed");
            let timed_out = matches!(code, Code::DeadlineExceeded | Code::Cancelled);
            Failure::Away(Away { part, timed_out })
        }
    }
}
