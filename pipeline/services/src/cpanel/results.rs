//! `airside.v1.ControlPanel`: results come in, are counted and go on to momentum.

use std::time::Duration;

use airside_proto::v1::{
    DeliverResultRequest, DeliverResultResponse, PublishAnalysisRequest,
    control_panel_server::ControlPanel, momentum_client::MomentumClient,
};
use airside_runtime::{
    Identity, Metrics,
    mesh::{self, GrpcChannel},
};
use prometheus_client::metrics::counter::Counter;
use tokio::time::timeout;
use tonic::{Request, Response, Status};

/// Momentum only puts a result into its place in memory.
const MOMENTUM_LIMIT: Duration = Duration::from_secs(2);

/// Counts the results that this instance took.
#[derive(Clone, Debug, Default)]
pub(super) struct Results(Counter);

impl Results {
    pub(super) fn registered(metrics: &Metrics) -> Self {
        let results = Self::default();
        metrics.register(
            "cpanel_results",
            "Results delivered to this instance",
            results.0.clone(),
        );
        results
    }

    /// Results taken since the start.
    pub(super) fn count(&self) -> u64 {
        self.0.get()
    }
}

/// The service of `airside.v1`.
pub(super) struct Grpc {
    momentum: MomentumClient<GrpcChannel>,
    results: Results,
    identity: Identity,
}

impl Grpc {
    pub(super) fn new(momentum: GrpcChannel, results: Results, identity: Identity) -> Self {
        Self {
            momentum: MomentumClient::new(momentum),
            results,
            identity,
        }
    }
}

#[tonic::async_trait]
impl ControlPanel for Grpc {
    async fn deliver_result(
        &self,
        request: Request<DeliverResultRequest>,
    ) -> Result<Response<DeliverResultResponse>, Status> {
        let analysis = request.into_inner().analysis;
        let analysis = analysis.ok_or_else(|| Status::invalid_argument("analysis is missing"))?;
        self.results.0.inc();
        let request = PublishAnalysisRequest {
            analysis: Some(analysis),
        };
        let mut momentum = self.momentum.clone();
        let published = momentum.publish_analysis(mesh::request(request, MOMENTUM_LIMIT));
        match timeout(MOMENTUM_LIMIT, published).await {
            Ok(Ok(_)) => Ok(Response::new(DeliverResultResponse {
                version: self.identity.version.to_string(),
                instance: self.identity.instance.to_string(),
            })),
            Ok(Err(status)) if !mesh::is_transient(&status) => Err(status),
            Ok(Err(_)) | Err(_) => {
                let reason = "momentum did not answer; the result was counted, not forwarded";
                Err(Status::unavailable(reason))
            }
        }
    }
}
