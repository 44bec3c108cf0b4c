//! A tunnel to the istiod of a cluster: `kubectl port-forward` onto free ports.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::task::AbortOnDropHandle;

/// Where istiod serves proxies without TLS, and where it answers `/debug`.
const PORTS: [u16; 2] = [15010, 15014];
const DEADLINE: Duration = Duration::from_secs(20);

/// Open for as long as it lives.
#[derive(Debug)]
pub(super) struct Tunnel {
    _kubectl: Child,
    /// Reads on, because a line for each connection follows, and nobody listening would end kubectl.
    _reader: AbortOnDropHandle<()>,
    local: [u16; 2],
}

impl Tunnel {
    /// Opens it.
    pub(super) async fn open() -> anyhow::Result<Self> {
        let mut kubectl = Command::new("kubectl")
            .args(["port-forward", "-n", "istio-system", "deployment/istiod"])
            .args(PORTS.map(|port| format!(":{port}")))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot run kubectl")?;
        let mut local = [0; 2];
        let stdout = kubectl.stdout.take().context("kubectl has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let hint = "no tunnel to deployment/istiod in istio-system; --xds and --debug name another address";
        while local.contains(&0) {
            let line = tokio::time::timeout(DEADLINE, lines.next_line())
                .await
                .context(hint)??;
            let Some(line) = line else { bail!(hint) };
            for (index, port) in PORTS.iter().enumerate() {
                if let Some(here) = forwarded(&line, *port) {
                    local[index] = here;
                }
            }
        }
        Ok(Self {
            _kubectl: kubectl,
            _reader: AbortOnDropHandle::new(tokio::spawn(async move {
                while let Ok(Some(_)) = lines.next_line().await {}
            })),
            local,
        })
    }

    /// Where proxies connect.
    pub(super) fn xds(&self) -> String {
        format!("127.0.0.1:{}", self.local[0])
    }

    /// Where questions are answered.
    pub(super) fn debug(&self) -> String {
        format!("127.0.0.1:{}", self.local[1])
    }
}

/// The port in `Forwarding from 127.0.0.1:40123 -> 15010`.
fn forwarded(line: &str, port: u16) -> Option<u16> {
    let (from, to) = line.strip_prefix("Forwarding from ")?.split_once(" -> ")?;
    let here = from.rsplit_once(':')?.1.parse().ok()?;
    (to.trim() == port.to_string()).then_some(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_port_is_read_off() {
        let line = "Forwarding from 127.0.0.1:40123 -> 15010";
        assert_eq!(forwarded(line, 15010), Some(40123));
        assert_eq!(forwarded(line, 15014), None);
        assert_eq!(forwarded("Handling connection for 40123", 15010), None);
    }
}
