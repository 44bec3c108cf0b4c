//! How the uplink's TLS stands, as the interface tells it.

use std::time::SystemTime;

use airside_runtime::tls::Standing;
use serde::Serialize;

/// Of files that were given.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Tls {
    /// When the own certificate expires.
    certificate_expires: Option<String>,
    /// Whether it should have been renewed by now.
    renewal_due: bool,
    /// Why files that have changed are not in force.
    error: Option<String>,
}

impl Tls {
    /// `None` while there is nothing to tell.
    pub(super) fn of(standing: &Standing) -> Option<Self> {
        let Standing {
            validity, trouble, ..
        } = standing;
        let now = SystemTime::now();
        (validity.is_some() || trouble.is_some()).then(|| Self {
            certificate_expires: validity.map(|validity| validity.end()),
            renewal_due: validity.is_some_and(|validity| validity.is_nearly_over(now)),
            error: trouble.clone(),
        })
    }
}
