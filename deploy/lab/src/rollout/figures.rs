//! What each version answered in a span of time: requests, errors and times.
//!
//! Errors of the mesh (a 5xx, nobody there, a time limit) are the proxies' counts of each version's clusters. A gRPC error travels in an
//! answer of status 200, so those are counted by the instances themselves; so are times, in buckets.
//!
//! A count that is smaller than before was restarted with its program and starts again from 0.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use http::Method;
use serde::{Deserialize, Serialize};

use super::plan::Service;
use crate::openmetrics::samples;
use crate::platform::{Instance, Platform};

/// Routes of a service that the mesh and this very comparison ask.
const OWN_ROUTES: [&str; 4] = ["/readyz", "/healthz", "/metrics", "/results/recent"];
/// Routes of gRPC begin with the package.
const GRPC: &str = "/airside.v1.";

/// What one version answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Figures {
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) times: Times,
}

/// Answers by their time: how many took at most each bound, in microseconds; the last bound is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Times(BTreeMap<u64, u64>);

/// The bound of answers that took longer than every other.
const NO_BOUND: u64 = u64::MAX;

impl Times {
    pub(super) fn count(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(_, count)| *count)
    }

    /// The least bound that 99 of 100 answers kept; none without answers, or when more took longer than every bound.
    pub(super) fn p99(&self) -> Option<Duration> {
        let count = self.count();
        let kept = count - count / 100;
        let mut bounds = self.0.iter();
        let (bound, _) = bounds.find(|(_, within)| **within >= kept && count > 0)?;
        (*bound != NO_BOUND).then(|| Duration::from_micros(*bound))
    }

    /// The least bound that is no shorter than this.
    pub(super) fn bound_from(&self, time: Duration) -> Option<Duration> {
        let micros = u64::try_from(time.as_micros()).unwrap_or(NO_BOUND);
        let (bound, _) = self.0.range(micros..).next()?;
        (*bound != NO_BOUND).then(|| Duration::from_micros(*bound))
    }

    /// Answers that took longer than one of the bounds.
    pub(super) fn slower_than(&self, bound: Duration) -> u64 {
        let micros = u64::try_from(bound.as_micros()).unwrap_or(NO_BOUND);
        self.count() - self.0.get(&micros).copied().unwrap_or_default()
    }
}

#[cfg(test)]
impl FromIterator<(u64, u64)> for Times {
    /// Of bounds in milliseconds, 0 for none, and how many took at most that.
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(counts: I) -> Self {
        let bound = |millis: u64| if millis == 0 { NO_BOUND } else { millis * 1000 };
        Self(
            counts
                .into_iter()
                .map(|(millis, count)| (bound(millis), count))
                .collect(),
        )
    }
}

/// One thing that is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Series {
    version: String,
    counted: Counted,
    /// Who counts it, and under which name.
    source: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Counted {
    Requests,
    Errors,
    Within(u64),
}

/// All counts at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading(BTreeMap<Series, u64>);

impl Reading {
    /// Reads the counts of `versions` of a service.
    pub(super) async fn take(
        platform: &impl Platform,
        service: Service,
        instances: &[Instance],
        versions: [&str; 2],
    ) -> Result<Self> {
        let mut reading = Self::default();
        let counters = platform.proxy_counters().await?;
        for version in versions {
            reading.of_proxies(&counters, service, version);
        }
        let ready = instances
            .iter()
            .filter(|instance| instance.ready && versions.contains(&instance.version.as_str()));
        for instance in ready {
            let answer = platform.ask(&instance.name, Method::GET, "/metrics").await;
            let answer = answer.with_context(|| format!("{} tells no metrics", instance.name))?;
            reading.of_instance(&answer.body, instance);
        }
        Ok(reading)
    }

    fn of_proxies(&mut self, counters: &BTreeMap<String, u64>, service: Service, version: &str) {
        let service = airside_mesh::Service::airside(service.name());
        for port in &service.ports {
            let cluster = format!(
                "cluster.outbound|{}|{version}|{}",
                port.number,
                service.fqdn()
            );
            for (name, counted) in [
                ("upstream_rq_total", Counted::Requests),
                ("upstream_rq_5xx", Counted::Errors),
            ] {
                let source = format!("{cluster}.{name}");
                // What Envoy never counted is not there.
                let value = counters.get(&source).copied().unwrap_or_default();
                self.add(version, counted, source, value);
            }
        }
    }

    fn of_instance(&mut self, metrics: &str, instance: &Instance) {
        for sample in samples(metrics) {
            let route = sample.label("route");
            let counted = match sample.name {
                "airside_request_duration_seconds_bucket" if !OWN_ROUTES.contains(&route) => {
                    micros(sample.label("le")).map(Counted::Within)
                }
                "airside_requests_total" if route.starts_with(GRPC) => {
                    let result = sample.label("result");
                    matches!(result, "server_error" | "cancelled").then_some(Counted::Errors)
                }
                _ => None,
            };
            if let Some(counted) = counted {
                let source = format!("{} {route} {}", instance.name, sample.label("result"));
                self.add(&instance.version, counted, source, sample.value);
            }
        }
    }

    fn add(&mut self, version: &str, counted: Counted, source: String, value: u64) {
        let series = Series {
            version: version.to_owned(),
            counted,
            source,
        };
        self.0.insert(series, value);
    }
}

fn micros(bound: &str) -> Option<u64> {
    if bound == "+Inf" {
        return Some(NO_BOUND);
    }
    let bound = Duration::try_from_secs_f64(bound.parse().ok()?).ok()?;
    u64::try_from(bound.as_micros()).ok()
}

/// What was counted since a first reading.
#[derive(Debug, Clone)]
pub(super) struct Window {
    last: Reading,
    sums: BTreeMap<(String, Counted), u64>,
}

impl Window {
    /// Counts from here.
    pub(super) fn begin(reading: Reading) -> Self {
        Self {
            last: reading,
            sums: BTreeMap::new(),
        }
    }

    /// Adds what was counted since the last reading.
    pub(super) fn advance(&mut self, reading: Reading) {
        for (series, value) in reading.0 {
            let before = self.last.0.get(&series).copied().unwrap_or_default();
            let more = value.checked_sub(before).unwrap_or(value);
            *self
                .sums
                .entry((series.version.clone(), series.counted))
                .or_default() += more;
            // A source that is away for a moment goes on where it was.
            self.last.0.insert(series, value);
        }
    }

    /// What a version answered.
    pub(super) fn figures(&self, version: &str) -> Figures {
        let mut figures = Figures::default();
        for ((of, counted), sum) in &self.sums {
            if of == version {
                match counted {
                    Counted::Requests => figures.requests = *sum,
                    Counted::Errors => figures.errors = *sum,
                    Counted::Within(bound) => {
                        figures.times.0.insert(*bound, *sum);
                    }
                }
            }
        }
        // Where nobody was, the mesh counts an error and no request.
        figures.requests = figures.requests.max(figures.errors);
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(name: &str, version: &str) -> Instance {
        Instance {
            name: name.to_owned(),
            service: "image-analysis".to_owned(),
            version: version.to_owned(),
            ready: true,
            address: None,
        }
    }

    fn reading(completed: u64, failed: u64, metrics: &str) -> Reading {
        let cluster = "cluster.outbound|9090|v2|image-analysis.default.svc.cluster.local";
        let counters = BTreeMap::from([
            (format!("{cluster}.upstream_rq_total"), completed),
            (format!("{cluster}.upstream_rq_5xx"), failed),
        ]);
        let mut reading = Reading::default();
        reading.of_proxies(&counters, Service::ImageAnalysis, "v2");
        reading.of_instance(metrics, &instance("image-analysis-v2-0", "v2"));
        reading
    }

    fn metrics(quick: u64, all: u64, failed: u64) -> String {
        let route = "/airside.v1.ImageAnalysis/{*rest}";
        format!(
            "airside_requests_total{{route=\"{route}\",result=\"ok\"}} {all}\n\
             airside_requests_total{{route=\"{route}\",result=\"server_error\"}} {failed}\n\
             airside_request_duration_seconds_bucket{{le=\"0.05\",route=\"{route}\"}} {quick}\n\
             airside_request_duration_seconds_bucket{{le=\"+Inf\",route=\"{route}\"}} {all}\n\
             airside_request_duration_seconds_bucket{{le=\"+Inf\",route=\"/readyz\"}} 999\n"
        )
    }

    #[test]
    fn only_what_happened_since_counts() {
        let mut window = Window::begin(reading(100, 1, &metrics(90, 100, 2)));
        window.advance(reading(110, 2, &metrics(99, 110, 4)));
        window.advance(reading(120, 2, &metrics(108, 120, 4)));
        let figures = window.figures("v2");
        assert_eq!((figures.requests, figures.errors), (20, 3));
        assert_eq!(
            (
                figures.times.count(),
                figures.times.slower_than(Duration::from_millis(50))
            ),
            (20, 2)
        );
        assert_eq!(window.figures("v1"), Figures::default());
    }

    #[test]
    fn a_count_that_starts_again_is_counted_from_0() {
        let mut window = Window::begin(reading(100, 10, ""));
        window.advance(reading(5, 1, ""));
        window.advance(reading(7, 1, ""));
        let figures = window.figures("v2");
        assert_eq!((figures.requests, figures.errors), (7, 1));
    }

    #[test]
    fn p99_is_the_bound_that_99_of_100_kept() {
        let times: Times = [(10, 90), (50, 99), (100, 100), (0, 100)]
            .into_iter()
            .collect();
        assert_eq!(times.p99(), Some(Duration::from_millis(50)));
        assert_eq!(
            times.bound_from(Duration::from_millis(51)),
            Some(Duration::from_millis(100))
        );
        assert_eq!(times.bound_from(Duration::from_millis(101)), None);
        let slow: Times = [(10, 90), (0, 100)].into_iter().collect();
        assert_eq!((slow.p99(), Times::default().p99()), (None, None));
    }
}
