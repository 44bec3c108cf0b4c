//! The text in which services tell what they count.

/// A value with its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample<'a> {
    pub(crate) name: &'a str,
    labels: Vec<(&'a str, &'a str)>,
    pub(crate) value: u64,
}

impl<'a> Sample<'a> {
    /// A label's value, empty where there is none.
    pub(crate) fn label(&self, name: &str) -> &'a str {
        let found = self.labels.iter().find(|(label, _)| *label == name);
        found.map_or("", |(_, value)| *value)
    }
}

/// Every count in `text`. What is no count (a help line, a negative or broken number) is left out.
pub(crate) fn samples(text: &str) -> impl Iterator<Item = Sample<'_>> {
    text.lines().filter_map(sample)
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while let Some((label, value)) = rest.split_once("=\"") {
            // Label values here are routes and words; an escaped quote in one would need more than this.
            let (value, after) = value.split_once('"')?;
            labels.push((label.trim_start_matches(','), value));
            rest = after;
            if rest.starts_with('}') {
                break;
            }
        }
        rest = rest.strip_prefix('}')?;
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample {
        name,
        labels,
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_with_their_labels() {
        let text = "# HELP airside_requests Requests\n\
                    airside_requests_total{route=\"/cameras/{id}/state\",result=\"ok\"} 12\n\
                    airside_request_duration_seconds_sum{route=\"/\"} 0.25\n\
                    airside_gallery_persons 1\n\
                    airside_broken{route=\"/\n\
                    # EOF\n";
        let samples: Vec<Sample<'_>> = samples(text).collect();
        assert_eq!(samples.len(), 2, "{samples:?}");
        assert_eq!(samples[0].label("route"), "/cameras/{id}/state");
        assert_eq!((samples[0].label("result"), samples[0].value), ("ok", 12));
        assert_eq!(
            (samples[1].name, samples[1].label("route")),
            ("airside_gallery_persons", "")
        );
    }
}
