//! Passing alerts on to momentum, which shows the newest alone: so the newest alone waits here.

use std::{convert::Infallible, sync::Arc, time::Duration};

use airside_proto::v1::{self, PublishAlertRequest, momentum_client::MomentumClient};
use airside_runtime::{
    Metrics,
    carry::Carried,
    mesh::{self, GrpcChannel},
};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Momentum answers from memory; beyond that it is in trouble.
const LIMIT: Duration = Duration::from_secs(2);
/// Pause after the first failure; doubled after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause: an operator waits no longer for the panel to catch up.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Where alerts wait to be passed on.
#[derive(Clone, Debug)]
pub(super) struct Outbox(watch::Sender<Option<Arc<v1::Alert>>>);

impl Outbox {
    /// An outbox, and the work of emptying it, which ends with the drain.
    pub(super) fn new(
        momentum: MomentumClient<GrpcChannel>,
        metrics: &Metrics,
        drain: CancellationToken,
    ) -> (Self, impl Future<Output = Result<(), Infallible>> + use<>) {
        let (sender, newest) = watch::channel(None);
        let publisher = Publisher {
            momentum,
            newest,
            failures: Counter::default(),
        };
        metrics.register(
            "alerts_publish_failures",
            "Failed attempts to pass an alert on to momentum",
            publisher.failures.clone(),
        );
        let publishing = async move {
            drain.run_until_cancelled(publisher.run()).await;
            Ok(())
        };
        (Self(sender), publishing)
    }

    /// Takes an alert to pass on; one captured before the last is not news.
    pub(super) fn offer(&self, alert: v1::Alert) {
        self.0.send_if_modified(|newest| {
            let is_news = captured(newest.as_deref()) <= captured(Some(&alert));
            if is_news {
                *newest = Some(Arc::new(alert));
            }
            is_news
        });
    }
}

fn captured(alert: Option<&v1::Alert>) -> i64 {
    let frame = alert.and_then(|alert| alert.frame.as_ref());
    frame.map_or(i64::MIN, |frame| frame.captured_at_us)
}

struct Publisher {
    momentum: MomentumClient<GrpcChannel>,
    newest: watch::Receiver<Option<Arc<v1::Alert>>>,
    failures: Counter,
}

impl Publisher {
    async fn run(mut self) {
        while self.newest.changed().await.is_ok() {
            let mut pause = FIRST_PAUSE;
            while !self.publish_newest().await {
                // A newer alert ends the pause and takes the place of this one.
                if let Ok(changed) = tokio::time::timeout(pause, self.newest.changed()).await
                    && changed.is_err()
                {
                    return;
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Whether the newest alert is done with: momentum has it or will never take it.
    async fn publish_newest(&mut self) -> bool {
        let Some(alert) = self.newest.borrow_and_update().clone() else {
            return true;
        };
        let traceparent = alert.frame.as_ref().map(|frame| frame.traceparent.clone());
        let request = PublishAlertRequest {
            alert: Some(v1::Alert::clone(&alert)),
        };
        let publish = async {
            self.momentum
                .publish_alert(mesh::request(request, LIMIT))
                .await
        };
        let carried = Carried::of_traceparent(&traceparent.unwrap_or_default());
        let Err(status) = carried.scope(publish).await else {
            return true;
        };
        self.failures.inc();
        tracing::warn!(code = ?status.code(), "momentum did not take an alert");
        !mesh::is_transient(&status)
    }
}
