//! When an instance that fails is left out.

use serde_json::{Map, Value, json};

use crate::istio::OutlierDetection;

/// Puts the detection into a cluster. However few sound instances are left, Istio goes on with
/// those alone unless a rule says otherwise.
pub(super) fn put(cluster: &mut Value, detection: Option<&OutlierDetection>) {
    let least = detection.map_or(0, |detection| detection.min_health_percent);
    cluster["common_lb_config"] = json!({ "healthy_panic_threshold": { "value": least } });
    if let Some(detection) = detection {
        cluster["outlier_detection"] = translated(detection);
    }
}

/// Istio judges by errors in a row alone, never by a share of successes.
fn translated(detection: &OutlierDetection) -> Value {
    let mut outliers = Map::new();
    outliers.insert("enforcing_success_rate".into(), json!(0));
    let in_a_row = [
        ("consecutive_5xx", detection.consecutive_5xx_errors),
        (
            "consecutive_gateway_failure",
            detection.consecutive_gateway_errors,
        ),
    ];
    for (field, limit) in in_a_row {
        if let Some(limit) = limit {
            let enforced = if limit > 0 { 100 } else { 0 };
            outliers.insert(field.into(), json!(limit));
            outliers.insert(format!("enforcing_{field}"), json!(enforced));
        }
    }
    let times = [
        ("interval", detection.interval),
        ("base_ejection_time", detection.base_ejection_time),
    ];
    for (field, time) in times {
        if let Some(time) = time {
            outliers.insert(field.into(), json!(time.to_string()));
        }
    }
    if detection.max_ejection_percent > 0 {
        let percent = detection.max_ejection_percent;
        outliers.insert("max_ejection_percent".into(), json!(percent));
    }
    if detection.split_external_local_origin_errors {
        put_local_origin(&mut outliers, detection);
    }
    Value::Object(outliers)
}

fn put_local_origin(outliers: &mut Map<String, Value>, detection: &OutlierDetection) {
    outliers.insert("split_external_local_origin_errors".into(), json!(true));
    outliers.insert("enforcing_local_origin_success_rate".into(), json!(0));
    let limit = detection.consecutive_local_origin_failures;
    if let Some(limit) = limit.filter(|limit| *limit > 0) {
        outliers.insert("consecutive_local_origin_failure".into(), json!(limit));
        outliers.insert(
            "enforcing_consecutive_local_origin_failure".into(),
            json!(100),
        );
    }
}
