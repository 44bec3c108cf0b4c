//! The services that a frame needs, and what their failures mean for it.

mod sections;

use std::{sync::Arc, time::Duration};

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
    Mesh, Metrics,
    mesh::{self, GrpcChannel},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
};
use tokio::time::{Instant, timeout};
use tonic::{Code, Response, Status};

use super::{
    Settings,
    concurrency::{Limiter, Turn},
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
    analyses: Arc<Limiter>,
    recognitions: Arc<Limiter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    neighbour: &'static str,
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
    pub(super) fn new(mesh: &Mesh, metrics: &Metrics, settings: &Settings) -> Self {
        let gauges = Family::<Labels, Gauge>::default();
        metrics.register(
            "collector_concurrency_limit",
            "Calls that a neighbour is given at a time; less than the setting while it misses its time",
            gauges.clone(),
        );
        // The other neighbours only store, which costs next to nothing.
        let limiter = |part: Part| {
            let gauge = gauges.get_or_create_owned(&Labels {
                neighbour: part.name(),
            });
            let limiter = Limiter::new(
                part,
                settings.concurrency,
                settings.neighbour_timeout,
                gauge,
            );
            Arc::new(limiter)
        };
        Self {
            analysis: ImageAnalysisClient::new(mesh.channel(&settings.image_analysis))
                .max_decoding_message_size(MAX_MESSAGE_BYTES),
            recognition: FaceRecognitionClient::new(mesh.channel(&settings.face_recognition))
                .max_decoding_message_size(MAX_MESSAGE_BYTES),
            alerts: AlertsClient::new(mesh.channel(&settings.alerts)),
            sections: Sections::new(mesh.clone(), &settings.section_grpc),
            limit: settings.neighbour_timeout,
            analyses: limiter(Part::ImageAnalysis),
            recognitions: limiter(Part::FaceRecognition),
        }
    }

    /// Time that a neighbour has to answer.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Who may call image analysis.
    pub(super) fn analyses(&self) -> &Limiter {
        &self.analyses
    }

    /// Has a frame analysed by whoever has the turn.
    pub(super) async fn analyze(
        &self,
        turn: Turn<'_>,
        request: AnalyzeRequest,
    ) -> Result<AnalyzeResponse, Failure> {
        let mut client = self.analysis.clone();
        let call = client.analyze(mesh::request(request, self.limit));
        let answer = self.answer(Part::ImageAnalysis, call).await;
        turn.learn(&answer);
        answer
    }

    /// Has faces named, if there is a turn by `until`.
    pub(super) async fn recognize(
        &self,
        request: RecognizeRequest,
        until: Instant,
    ) -> Result<RecognizeResponse, Failure> {
        let Some(turn) = self.recognitions.turn(until).await else {
            return Err(Failure::Away(Away {
                part: Part::FaceRecognition,
                timed_out: true,
            }));
        };
        let mut client = self.recognition.clone();
        let call = client.recognize(mesh::request(request, self.limit));
        let answer = self.answer(Part::FaceRecognition, call).await;
        turn.learn(&answer);
        answer
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
