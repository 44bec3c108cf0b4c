//! The service manager: what it tells the agent (`systemd.exec(5)`), and what it is told.
//!
//! Its watchdog is fed **only while frames move**: while no camera that streams is stuck. A camera moves when it takes a
//! picture, and as well when it fails, waits, and is opened again, since a dead camera is its own matter and a new process would not bring it back.
//! A camera is stuck when nothing of that happened for longer than any of it may take: a driver that never
//! returns, a pipeline that does not stop, a disk that hangs, a runtime that no longer runs. Then the watchdog starves and the manager starts a
//! new process.

mod notify;
mod pulse;

use std::{env, ffi::OsString, os::unix::ffi::OsStrExt as _, path::PathBuf, time::Duration};

pub use self::{notify::Notify, pulse::Pulse};

/// What the service manager tells by environment.
#[derive(Clone, Debug, Default)]
pub struct Manager {
    /// How it is told of the agent.
    pub notify: Notify,
    /// It ends the agent when it has not heard for so long that frames move.
    pub watchdog: Option<Duration>,
    /// Where the agent may keep what outlives it.
    pub state_dir: Option<PathBuf>,
}

impl Manager {
    /// Reads what it tells this process, from variables looked up by `variable`.
    #[must_use]
    pub fn from(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        // The variables of another process of this service may have been inherited.
        let is_meant =
            number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|micros| is_meant && *micros > 0);
        // Several directories are separated by colons.
        let state_dirs = variable("STATE_DIRECTORY");
        let state_dir = state_dirs
            .as_ref()
            .and_then(|dirs| env::split_paths(dirs).next());
        Self {
            notify: Notify::to(variable("NOTIFY_SOCKET").as_deref()),
            watchdog: watchdog.map(Duration::from_micros),
            state_dir: state_dir.filter(|dir| !dir.as_os_str().as_bytes().is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(variables: &[(&str, &str)]) -> Manager {
        Manager::from(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn the_environment_is_read() {
        let own = std::process::id().to_string();
        let manager = told(&[
            ("WATCHDOG_USEC", "2000000"),
            ("WATCHDOG_PID", &own),
            ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"),
        ]);
        assert_eq!(manager.watchdog, Some(Duration::from_secs(2)));
        assert_eq!(manager.state_dir, Some("/var/lib/a".into()));
        assert!(!manager.notify.is_heard());
        let none = told(&[("WATCHDOG_USEC", "2000000"), ("WATCHDOG_PID", "1")]);
        assert_eq!((none.watchdog, none.state_dir), (None, None));
    }
}
