//! Turns serde's words about a bad field into a hint for the author of the rule.

/// Fields that Istio knows and the local mesh does not carry out.
const NOT_CARRIED_OUT: &[&str] = &[
    "authority",
    "bind",
    "connectionPool",
    "consistentHash",
    "corsPolicy",
    "delegate",
    "exportTo",
    "fault",
    "headers",
    "ignoreUriCase",
    "localityLbSetting",
    "mirror",
    "mirrorPercentage",
    "mirrors",
    "outlierDetection",
    "portLevelSettings",
    "proxyProtocol",
    "redirect",
    "retries",
    "rewrite",
    "scheme",
    "sourceLabels",
    "sourceNamespace",
    "statPrefix",
    "targetPort",
    "tcp",
    "timeout",
    "tls",
    "tunnel",
    "warmup",
    "warmupDurationSecs",
    "withoutHeaders",
    "workloadSelector",
];

/// A typo is at most this many letters away from what was meant.
const TYPO_DISTANCE: usize = 3;

/// The message for the author, and what to write instead.
pub(super) fn explain(message: &str) -> (String, Option<String>) {
    let Some(field) = quoted(message.strip_prefix("unknown field ").unwrap_or_default()).next()
    else {
        return (message.to_owned(), None);
    };
    if NOT_CARRIED_OUT.contains(&field) {
        let hint =
            "Istio knows this field, the local mesh does not; docs/mesh.md lists what it takes";
        return (format!("`{field}` is not supported"), Some(hint.to_owned()));
    }
    let expected: Vec<&str> = quoted(message).skip(1).collect();
    let nearest = expected
        .iter()
        .map(|candidate| (distance(field, candidate), *candidate))
        .filter(|(distance, _)| *distance <= TYPO_DISTANCE)
        .min();
    let hint = match nearest {
        Some((_, candidate)) => format!("did you mean `{candidate}`?"),
        None if expected.is_empty() => "no field is taken here".to_owned(),
        None => format!("known here: {}", expected.join(", ")),
    };
    (format!("unknown field `{field}`"), Some(hint))
}

/// What stands between back-ticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Levenshtein's distance without regard to case.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_gets_the_nearest_name() {
        let (message, hint) = explain("unknown field `hots`, expected one of `host`, `subset`");
        assert_eq!(message, "unknown field `hots`");
        assert_eq!(hint.as_deref(), Some("did you mean `host`?"));
    }

    #[test]
    fn a_field_of_istio_is_told_from_a_typo() {
        let (message, hint) = explain("unknown field `retries`, expected `route`");
        assert_eq!(message, "`retries` is not supported");
        assert!(hint.is_some_and(|hint| hint.contains("docs/mesh.md")));
    }

    #[test]
    fn other_words_stay_as_they_are() {
        assert_eq!(
            explain("missing field `hosts`"),
            ("missing field `hosts`".to_owned(), None)
        );
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("weigth", "weight"), 2);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("Same", "same"), 0);
    }
}
