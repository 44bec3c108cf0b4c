//! Who answers: name, version and instance of a service.

use std::sync::Arc;

/// Who answers. Shown in `/status`, in the header `x-airside-instance` and in the log.
#[derive(Clone, Debug)]
pub struct Identity {
    /// As in `/status`, e.g. `Section 1` or `CPanel`.
    pub name: Arc<str>,
    /// Version label, e.g. `v1`.
    pub version: Arc<str>,
    /// Instance, the pod's name in a cluster, e.g. `cpanel-v2-0`.
    pub instance: Arc<str>,
    /// Whether `/status` tells the instance, so that a spread over replicas can be seen.
    pub tells_instance: bool,
}

impl Identity {
    /// The line of `/status`, e.g. `CPanel v2 : Online - cpanel-v2-0`.
    #[must_use]
    pub fn online(&self) -> String {
        self.line("Online")
    }

    /// The line of `/status` in faulty mode, e.g. `CPanel v2 : Error 503 - cpanel-v2-0`.
    #[must_use]
    pub fn faulty(&self) -> String {
        format!(
            "{} {} : Error 503 - {}",
            self.name, self.version, self.instance
        )
    }

    fn line(&self, state: &str) -> String {
        let Self {
            name,
            version,
            instance,
            tells_instance,
        } = self;
        if *tells_instance {
            format!("{name} {version} : {state} - {instance}")
        } else {
            format!("{name} {version} : {state}")
        }
    }
}
