//! How a request is tried again.

use serde_json::{Value, json};

use crate::istio::Retries;

/// istiod's default, and `reset-before-request`, which istiod gives to the sidecar of the callee:
/// the one Envoy here stands in for both.
const RETRY_ON: &str = "connect-failure,refused-stream,unavailable,cancelled,\
                        retriable-status-codes,reset-before-request";
pub(super) const RETRIES: u32 = 2;

/// How often an instance is chosen anew that was tried before.
const OTHER_CHOICES: u32 = 5;

/// What a rule says about retries, else Istio's default; none if the rule switches them off.
/// Where requests stick to an instance, they are tried again there unless the rule says otherwise.
pub(super) fn translated(retries: Option<&Retries>, sticky: bool) -> Option<Value> {
    let mut policy = json!({
        "retry_on": RETRY_ON,
        "num_retries": RETRIES,
        "host_selection_retry_max_attempts": OTHER_CHOICES,
    });
    let mut elsewhere = !sticky;
    if let Some(retries) = retries {
        if retries.attempts == 0 {
            return None;
        }
        elsewhere = retries.retry_ignore_previous_hosts.unwrap_or(elsewhere);
        fill(&mut policy, retries);
    }
    if elsewhere {
        policy["retry_host_predicate"] = json!([{
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            },
        }]);
    }
    Some(policy)
}

fn fill(policy: &mut Value, retries: &Retries) {
    policy["num_retries"] = json!(retries.attempts);
    let (statuses, mut conditions) = retries.conditions();
    if !statuses.is_empty() || !conditions.is_empty() {
        if !statuses.is_empty() {
            if !conditions.contains(&"retriable-status-codes") {
                conditions.push("retriable-status-codes");
            }
            policy["retriable_status_codes"] = json!(statuses);
        }
        policy["retry_on"] = json!(conditions.join(","));
    }
    if let Some(timeout) = retries.per_try_timeout {
        policy["per_try_timeout"] = json!(timeout.to_string());
    }
    if let Some(pause) = retries.backoff {
        policy["retry_back_off"] = json!({ "base_interval": pause.to_string() });
    }
    if retries.retry_remote_localities == Some(true) {
        policy["retry_priority"] = json!({
            "name": "envoy.retry_priorities.previous_priorities",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
                "update_frequency": 2,
            },
        });
    }
}
