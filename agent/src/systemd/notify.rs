//! Telling the service manager how the agent is (`sd_notify(3)`).

use std::{
    ffi::OsStr,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    sync::Arc,
    time::Duration,
};

use nix::time::{ClockId, clock_gettime};

/// Tells the service manager how the agent is; nothing where there is none.
#[derive(Clone, Debug, Default)]
pub struct Notify(Option<Arc<Socket>>);

#[derive(Debug)]
struct Socket {
    socket: UnixDatagram,
    manager: SocketAddr,
}

impl Notify {
    /// To the socket that `NOTIFY_SOCKET` names: a path, or an abstract name behind `@`.
    #[must_use]
    pub fn to(name: Option<&OsStr>) -> Self {
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Self::default();
        };
        let manager = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            _ => SocketAddr::from_pathname(name),
        };
        let socket = manager.and_then(|manager| {
            let socket = UnixDatagram::unbound()?;
            // A manager that does not read must not hold the agent up.
            socket.set_nonblocking(true)?;
            Ok(Socket { socket, manager })
        });
        match socket {
            Ok(socket) => Self(Some(Arc::new(socket))),
            Err(error) => {
                tracing::warn!(%error, "the service manager cannot be told anything (NOTIFY_SOCKET)");
                Self::default()
            }
        }
    }

    /// Whether there is anybody to tell.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    /// Started, or reloaded.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// The configuration is read again; [`ready`](Self::ready) ends this.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
        let now = now.unwrap_or_default().as_micros();
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={now}"));
    }

    /// The agent ends.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// One line on how the agent is.
    pub fn status(&self, line: &str) {
        self.send(&format!("STATUS={line}"));
    }

    /// The agent is alive.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    fn send(&self, state: &str) {
        let Some(Socket { socket, manager }) = self.0.as_deref() else {
            return;
        };
        if let Err(error) = socket.send_to_addr(state.as_bytes(), manager) {
            tracing::debug!(%error, state, "the service manager was not told");
        }
    }
}
