//! What a service counts, in the OpenMetrics text that Prometheus reads. Labels are enums or route
//! templates, never input.

mod process;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Metric, Registry},
};

/// The registry of a service.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

/// Upper bounds in seconds: a call between neighbours takes milliseconds, a picture's analysis
/// tens of them, a deadline some seconds.
const BOUNDS: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Arc::new(Mutex::new(Registry::with_prefix("airside"))),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BOUNDS)),
        };
        metrics.register(
            "requests",
            "Requests by route and result (HTTP or gRPC status class)",
            metrics.requests.clone(),
        );
        metrics.register(
            "request_duration_seconds",
            "Time until the head of the answer",
            metrics.durations.clone(),
        );
        metrics.register(
            "process_cpu_seconds",
            "Processor time of this process",
            process::CpuSeconds,
        );
        metrics.register(
            "process_resident_memory_bytes",
            "Memory of this process that is resident",
            process::ResidentBytes,
        );
        metrics
    }
}

impl Metrics {
    /// Adds a metric; its name gets the prefix `airside_`, and `_total` if it is a counter.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .register(name, help, metric);
    }

    /// Everything, as OpenMetrics text.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a String does not fail.
        let _ = encode(&mut text, &registry);
        text
    }

    pub(crate) fn request(&self, route: &str, result: &'static str, took: Duration) {
        let route = route.to_owned();
        self.requests
            .get_or_create(&RequestLabels {
                route: route.clone(),
                result,
            })
            .inc();
        self.durations
            .get_or_create(&RouteLabels { route })
            .observe(took.as_secs_f64());
    }
}
