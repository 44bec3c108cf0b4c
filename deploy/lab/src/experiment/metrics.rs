//! What an instance says about itself at `/metrics`, in OpenMetrics text.

/// Counters and gauges of one instance.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Vec<(String, f64)>);

impl Metrics {
    /// Reads OpenMetrics text; lines of another form are passed over.
    pub fn read(text: &str) -> Self {
        let line = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        };
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(lines.filter_map(line).collect())
    }

    /// The sum of all series of `name` whose labels include all of `labels`; 0 when there is none.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counters are whole and not negative"
    )]
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let is_meant = |series: &str| {
            let (found, rest) = series.split_once('{').unwrap_or((series, ""));
            let has = |(key, value): &(&str, &str)| rest.contains(&format!("{key}=\"{value}\""));
            found == name && labels.iter().all(has)
        };
        let meant = self.0.iter().filter(|(series, _)| is_meant(series));
        meant.map(|(_, value)| value).sum::<f64>() as u64
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
