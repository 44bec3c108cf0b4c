//! When an instance that fails is left out.

use serde::Deserialize;

use super::Duration;
use super::inspect::Inspector;

/// When an instance that fails is left out, and for how long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutlierDetection {
    /// Whether failed connections are counted apart from answers.
    #[serde(default)]
    pub split_external_local_origin_errors: bool,
    /// Failed connections in a row.
    pub consecutive_local_origin_failures: Option<u32>,
    /// Answers 502, 503 or 504 in a row; 0 means never.
    pub consecutive_gateway_errors: Option<u32>,
    /// Answers 5xx in a row; 5, if nothing is said; 0 means never.
    pub consecutive_5xx_errors: Option<u32>,
    /// Time between looks at who may come back; 10 s, if nothing is said.
    pub interval: Option<Duration>,
    /// How long an instance is left out the first time; 30 s, if nothing is said. Each further time is as much longer.
    pub base_ejection_time: Option<Duration>,
    /// How many instances may be left out at once; 0 means the default, 10.
    #[serde(default)]
    pub max_ejection_percent: u32,
    /// With fewer instances than this left, all of them are called again, sound or not.
    #[serde(default)]
    pub min_health_percent: u32,
}

impl OutlierDetection {
    pub(super) fn inspect(&self, at: &mut Inspector<'_>) {
        let local = self.consecutive_local_origin_failures.unwrap_or_default();
        if local > 0 && !self.split_external_local_origin_errors {
            at.field("consecutiveLocalOriginFailures").refuse(
                "is counted only apart from answers",
                "splitExternalLocalOriginErrors: true",
            );
        }
        at.field("interval").duration(self.interval);
        at.field("baseEjectionTime")
            .duration(self.base_ejection_time);
        let percentages = [
            ("maxEjectionPercent", self.max_ejection_percent),
            ("minHealthPercent", self.min_health_percent),
        ];
        for (name, percent) in percentages {
            if percent > 100 {
                at.field(name)
                    .refuse(format!("{percent} is no percentage"), "0 to 100");
            }
        }
    }
}
