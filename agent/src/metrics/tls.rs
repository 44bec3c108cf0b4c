//! How the uplink's TLS stands.

use std::fmt;

use airside_runtime::{Metrics as Registry, tls::Standing};
use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, exemplar::Exemplar},
};
use tokio::sync::watch;

/// Exports what `standing` tells.
pub fn export(registry: &Registry, standing: &watch::Receiver<Standing>) {
    let figures: [(_, _, Read); 2] = [
        (
            "agent_certificate_expiry_timestamp_seconds",
            "When the uplink's own certificate expires, in seconds since 1970; absent without one",
            |now| Figure::Gauge(now.validity.map(|validity| validity.to)),
        ),
        (
            "agent_tls_reloads",
            "Changes of the uplink's TLS files, by what became of them",
            |now| Figure::Counters([("in_force", now.renewals), ("refused", now.refusals)]),
        ),
    ];
    for (name, help, figure) in figures {
        let standing = standing.clone();
        registry.register(name, help, Export { standing, figure });
    }
}

type Read = fn(&Standing) -> Figure;

enum Figure {
    Gauge(Option<i64>),
    Counters([(&'static str, u64); 2]),
}

#[derive(Debug)]
struct Export {
    standing: watch::Receiver<Standing>,
    figure: Read,
}

impl Export {
    fn read(&self) -> Figure {
        (self.figure)(&self.standing.borrow())
    }
}

impl EncodeMetric for Export {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        match self.read() {
            Figure::Gauge(Some(value)) => encoder.encode_gauge(&value),
            Figure::Gauge(None) => Ok(()),
            Figure::Counters(counters) => counters.iter().try_for_each(|(result, count)| {
                let labels = [("result", *result)];
                let mut encoder = encoder.encode_family(&labels)?;
                encoder.encode_counter(count, None::<&Exemplar<NoLabelSet, u64>>)
            }),
        }
    }

    fn metric_type(&self) -> MetricType {
        match self.read() {
            Figure::Gauge(_) => MetricType::Gauge,
            Figure::Counters(_) => MetricType::Counter,
        }
    }
}
