//! Every difference there is, with its reason. One that does not occur any more is an error, like one that is not listed.

use crate::difference::{Difference, Side};

/// A difference that stays.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Where: `*` stands for the rest of a name or a whole one, `**` at the end for everything below.
    pub path: &'static str,
    /// Who says something; none where the two have nothing in common.
    pub side: Option<Side>,
    /// Why it is right like that.
    pub reason: &'static str,
}

/// All of them. `docs/conformance.md` names each.
pub const KNOWN: &[Known] = &[
    Known {
        path: "clusters/PassthroughCluster/**",
        side: None,
        reason: "a sidecar sees the address that a call was meant for; here, without interception, the host name says where to",
    },
    Known {
        path: "egress/allow_any/**",
        side: None,
        reason: "a call of the egress to itself would go round for ever, so that it is marked and answered 508",
    },
    Known {
        path: "*/*/routes/*/route/retry_policy/retry_on/reset-before-request",
        side: Some(Side::Airside),
        reason: "istiod gives it to the sidecar of the callee; one Envoy stands in for both sidecars",
    },
    Known {
        path: "clusters/outbound|*/per_connection_buffer_limit_bytes",
        side: Some(Side::Airside),
        reason: "a frame and its envelope are kept so that they can be sent again",
    },
    Known {
        path: "clusters/outbound|*/typed_extension_protocol_options/*/*/http2_protocol_options/initial_*",
        side: Some(Side::Airside),
        reason: "a frame of 1 MB passes without waiting for a window",
    },
    Known {
        path: "clusters/outbound|*/circuit_breakers/thresholds/0/track_remaining",
        side: Some(Side::Airside),
        reason: "Envoy tells how much of a limit is left",
    },
];

impl Known {
    /// Whether this is the difference that is meant.
    pub fn covers(&self, difference: &Difference) -> bool {
        let side = self.side.is_none_or(|side| side == difference.side());
        side && matches(self.path, &difference.path)
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    let mut names = path.split('/');
    for wanted in pattern.split('/') {
        if wanted == "**" {
            return true;
        }
        let Some(name) = names.next() else {
            return false;
        };
        let fits = match wanted.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == wanted,
        };
        if !fits {
            return false;
        }
    }
    names.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_names_parts_of_names_and_what_is_below() {
        assert!(matches(
            "clusters/outbound|*/type",
            "clusters/outbound|80||a/type"
        ));
        assert!(!matches(
            "clusters/outbound|*/type",
            "clusters/inbound|80||a/type"
        ));
        assert!(!matches("clusters/*/type", "clusters/a"));
        assert!(!matches("clusters/*", "clusters/a/type"));
        assert!(matches(
            "egress/allow_any/**",
            "egress/allow_any/routes/0/name"
        ));
        assert!(matches("egress/allow_any/**", "egress/allow_any"));
    }
}
