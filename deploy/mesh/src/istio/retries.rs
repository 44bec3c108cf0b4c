//! Repeated tries.

use serde::Deserialize;

use super::Duration;
use super::inspect::Inspector;

/// Envoy's names of what is tried again: HTTP's first, from `cancelled` on gRPC's.
const CONDITIONS: [&str; 16] = [
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "envoy-ratelimited",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

/// How often and when a request is tried again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retries {
    /// Tries after the first; 0 means none.
    #[serde(default)]
    pub attempts: u32,
    /// How long each try may take; without it, as long as the whole request.
    pub per_try_timeout: Option<Duration>,
    /// What is tried again: Envoy's conditions and HTTP statuses, separated by commas.
    pub retry_on: Option<String>,
    /// Whether instances elsewhere are tried as well.
    pub retry_remote_localities: Option<bool>,
    /// Whether an instance that failed is passed over.
    pub retry_ignore_previous_hosts: Option<bool>,
    /// The pause before the first further try.
    pub backoff: Option<Duration>,
}

impl Retries {
    /// The statuses in `retry_on`, and the conditions.
    pub fn conditions(&self) -> (Vec<u16>, Vec<&str>) {
        let mut statuses = Vec::new();
        let mut names = Vec::new();
        let said = self.retry_on.iter().filter(|text| !text.is_empty());
        for part in said.flat_map(|text| text.split(',')) {
            match part.parse() {
                Ok(status) => statuses.push(status),
                Err(_) => names.push(part),
            }
        }
        (statuses, names)
    }

    pub(super) fn inspect(&self, at: &mut Inspector<'_>) {
        let says_how = self.per_try_timeout.is_some()
            || self.retry_on.is_some()
            || self.retry_remote_localities.is_some();
        if self.attempts == 0 && says_how {
            at.field("attempts").refuse(
                "0 switches retries off, but there is more about them",
                "say how many, or say nothing else",
            );
        }
        at.field("perTryTimeout").duration(self.per_try_timeout);
        at.field("backoff").duration(self.backoff);
        let (statuses, names) = self.conditions();
        let mut at = at.field("retryOn");
        for status in statuses {
            if !(100..600).contains(&status) {
                at.refuse(format!("{status} is no status"), "100 to 599");
            }
        }
        for name in names {
            if name.trim() != name || name.is_empty() {
                at.refuse(
                    format!("`{name}` is a part of it"),
                    "commas alone separate, and nothing is empty",
                );
            } else if !CONDITIONS.contains(&name) {
                let hint = format!("HTTP statuses, or {}", CONDITIONS.join(", "));
                at.refuse(format!("`{name}` is nothing that can be retried"), hint);
            }
        }
    }
}
