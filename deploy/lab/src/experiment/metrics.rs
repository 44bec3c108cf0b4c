//! What an instance says about itself at `/metrics`, in OpenMetrics text.

use crate::openmetrics::samples;

/// Counters and gauges of one instance.
#[derive(Debug, Clone, Default)]
pub struct Metrics(String);

impl Metrics {
    /// Takes OpenMetrics text; lines of another form are passed over.
    pub fn read(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The sum of all series of `name` whose labels include all of `labels`; 0 when there is none.
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let meant = samples(&self.0).filter(|sample| {
            let has = |(label, value): &(&str, &str)| sample.label(label) == *value;
            sample.name == name && labels.iter().all(has)
        });
        meant.map(|sample| sample.value).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_summed_by_their_labels() {
        let text = "# TYPE a counter\na_total{route=\"/status\",result=\"ok\"} 3\n\
                    a_total{route=\"/status\",result=\"server_error\"} 1\na_total{route=\"/\",result=\"ok\"} 5\nb 2\n";
        let metrics = Metrics::read(text);
        assert_eq!(metrics.count("a_total", &[]), 9);
        assert_eq!(metrics.count("a_total", &[("route", "/status")]), 4);
        assert_eq!(
            metrics.count("a_total", &[("route", "/"), ("result", "ok")]),
            5
        );
        assert_eq!(metrics.count("b", &[]), 2);
        assert_eq!(metrics.count("c", &[]), 0);
    }
}
