//! Turns serde's words about a bad field into a hint for the author of the rule.

/// Fields that Istio knows and the local mesh does not carry out, and what to do instead.
const NOT_CARRIED_OUT: &[(&str, &str)] = &[
    ("bind", ONE_ADDRESS),
    ("bytes", "write it as `string`"),
    (
        "consecutiveErrors",
        "Istio passes over it; consecutive5xxErrors or consecutiveGatewayErrors",
    ),
    ("defaultEndpoint", "name the service in a VirtualService"),
    ("delegate", "put the rules into this VirtualService"),
    (
        "exponentialDelay",
        "Istio has no such delay either; fixedDelay",
    ),
    ("exportTo", "one machine, one mesh: rules are for everyone"),
    (
        "http2Error",
        "Istio has no such fault either; httpStatus or grpcStatus",
    ),
    ("localityLbSetting", ONE_PLACE),
    (
        "outlierDetectionHttpErrorCodes",
        "Istio passes over it; consecutive5xxErrors or consecutiveGatewayErrors",
    ),
    ("proxyProtocol", "services read HTTP and nothing before it"),
    ("sourceLabels", ONE_CALLER),
    ("sourceNamespace", ONE_CALLER),
    ("statPrefix", "counters are those of the clusters"),
    ("targetPort", ONE_ADDRESS),
    (
        "tcp",
        "services speak HTTP and gRPC; `http` has rules for both",
    ),
    ("tls", "on one machine nothing is encrypted; leave it out"),
    ("tunnel", "instances are reached directly"),
    ("workloadSelector", ONE_CALLER),
    ("zoneAwareLbSetting", ONE_PLACE),
];

const ONE_ADDRESS: &str = "every server of a gateway is reached at the one ingress address";
const ONE_CALLER: &str = "one Envoy calls for all services and does not tell them apart";
const ONE_PLACE: &str = "all instances are in one place";

/// A typo is at most this many letters away from what was meant.
const TYPO_DISTANCE: usize = 3;

/// The message for the author, and what to write instead.
pub(super) fn explain(message: &str) -> (String, Option<String>) {
    for what in ["field", "variant"] {
        let unknown = message.strip_prefix(&format!("unknown {what} "));
        if let Some(found) = unknown.and_then(|rest| quoted(rest).next()) {
            return unknown_name(what, found, message);
        }
    }
    let hint = if message.ends_with("expected a string") {
        Some("text, in quotes where it looks like something else")
    } else if message.ends_with("expected u32") || message.ends_with("expected u16") {
        Some("a whole number, not below 0")
    } else {
        None
    };
    (message.to_owned(), hint.map(str::to_owned))
}

fn unknown_name(what: &str, found: &str, message: &str) -> (String, Option<String>) {
    let refused = NOT_CARRIED_OUT.iter().find(|(name, _)| *name == found);
    if let Some((_, hint)) = refused {
        let hint = format!("{hint}; docs/mesh.md lists what is taken");
        return (format!("`{found}` is not supported"), Some(hint));
    }
    let expected: Vec<&str> = quoted(message).skip(1).collect();
    let nearest = expected
        .iter()
        .map(|candidate| (distance(found, candidate), *candidate))
        .filter(|(distance, _)| *distance <= TYPO_DISTANCE)
        .min();
    let hint = match nearest {
        Some((_, candidate)) => format!("did you mean `{candidate}`?"),
        None if expected.is_empty() => "no field is taken here".to_owned(),
        None => format!("known here: {}", expected.join(", ")),
    };
    let what = if what == "field" { what } else { "value" };
    (format!("unknown {what} `{found}`"), Some(hint))
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
        let (message, hint) = explain("unknown variant `RANDON`, expected `RANDOM`");
        assert_eq!(message, "unknown value `RANDON`");
        assert_eq!(hint.as_deref(), Some("did you mean `RANDOM`?"));
    }

    #[test]
    fn a_field_of_istio_is_told_from_a_typo() {
        let (message, hint) = explain("unknown field `delegate`, expected `route`");
        assert_eq!(message, "`delegate` is not supported");
        assert!(hint.is_some_and(|hint| hint.contains("docs/mesh.md")));
    }

    #[test]
    fn a_bad_value_says_what_is_taken() {
        let (_, hint) = explain("invalid type: integer `3`, expected a string");
        assert!(hint.is_some_and(|hint| hint.contains("quotes")));
        let (_, hint) = explain("invalid value: integer `-1`, expected u32");
        assert!(hint.is_some_and(|hint| hint.contains("not below 0")));
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
