//! A clean Debian in an emulated machine, worked on by SSH as an installer does. `deploy/debian/machine.sh` makes its disk.
//!
//! ```text
//! this machine                 the device
//! 127.0.0.1:PORT  ──────────►  :22            (SSH, and within it to the device's loopback)
//! 127.0.0.1:any   ◄──────────  10.0.2.2:any   (the collector)
//! ```

use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use airside_tests::{Case, Process, Spec, case::repository, eventually, rest};
use anyhow::{Context as _, Result, ensure};
use tokio::process::{Child, Command};

/// This machine's loopback, as the device sees it.
pub(crate) const HOST: &str = "10.0.2.2";
/// It starts in 20 s where nothing else runs.
const BOOTED_WITHIN: Duration = Duration::from_secs(240);
/// The longest command installs some 150 packages.
const COMMAND_WITHIN: Duration = Duration::from_secs(900);

/// An emulated processor agrees on keys in seconds.
const TUNNEL_WITHIN: Duration = Duration::from_secs(60);
const ROOT: &str = "root@127.0.0.1";

/// A way to a port of the device's loopback.
pub(crate) struct Tunnel {
    url: String,
    _ssh: Child,
}

impl Tunnel {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// The running machine. Dropping it is pulling its plug; its disk is as before.
pub(crate) struct Device {
    process: Process,
    port: u16,
    directory: PathBuf,
}

impl Device {
    /// Boots and waits until commands can be given.
    pub(crate) async fn boot(case: &Case) -> Result<Self> {
        let directory = repository().join("target/machine");
        let file = |name: &str| directory.join(name).into_os_string();
        // Freed here, taken by the emulator at once.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let disk = format!(
            "file={},format=raw,if=virtio,snapshot=on",
            directory.join("disk.ext4").display()
        );
        let process = Spec::bare("device", "/usr/bin/qemu-system-x86_64")
            // Not KVM: it is not everywhere, and within a virtual machine not always sound.
            .flag("-accel", "tcg,thread=multi")
            .flag("-cpu", "max")
            .flag("-m", "1024")
            .flag("-kernel", file("vmlinuz"))
            .flag("-initrd", file("initrd.img"))
            .flag("-append", "root=/dev/vda rw console=ttyS0")
            .flag("-drive", disk)
            .flag(
                "-nic",
                format!("user,model=virtio,hostfwd=tcp:127.0.0.1:{port}-:22"),
            )
            .flag("-display", "none")
            .flag("-serial", "stdio")
            .arg("-no-reboot")
            .start(case)?;
        let mut device = Self {
            process,
            port,
            directory,
        };
        eventually("the device has booted", BOOTED_WITHIN, async || {
            device.process.still_running()?;
            Ok(device
                .run("systemctl is-system-running --wait")
                .await
                .ok()
                .map(drop))
        })
        .await?;
        Ok(device)
    }

    /// Carries out shell commands as root; what they printed.
    ///
    /// # Errors
    /// The last of them failed; the error shows what was said.
    pub(crate) async fn run(&self, script: &str) -> Result<String> {
        self.shell(script, Stdio::null()).await
    }

    /// Copies a file to the device.
    pub(crate) async fn copy(&self, from: &Path, to: &str) -> Result<()> {
        let file = File::open(from).with_context(|| format!("no {}", from.display()))?;
        self.shell(&format!("cat > {to}"), file.into())
            .await
            .map(drop)
    }

    /// Leads to a port of the device's loopback, until dropped.
    ///
    /// # Errors
    /// Nobody listens there.
    pub(crate) async fn tunnel(&self, port: u16) -> Result<Tunnel> {
        // Freed here, taken by SSH at once.
        let near = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let ssh = self
            .ssh()
            .args(["-N", "-L", &format!("127.0.0.1:{near}:127.0.0.1:{port}")])
            .arg(ROOT)
            .stdin(Stdio::null())
            .spawn()?;
        let tunnel = Tunnel {
            url: format!("http://127.0.0.1:{near}"),
            _ssh: ssh,
        };
        eventually("the tunnel leads there", TUNNEL_WITHIN, async || {
            let answer = rest::get(&format!("{}/healthz", tunnel.url)).await;
            Ok(answer.ok().map(drop))
        })
        .await?;
        Ok(tunnel)
    }

    fn ssh(&self) -> Command {
        let mut ssh = Command::new("ssh");
        let options = [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "BatchMode=yes",
            "ConnectTimeout=5",
        ];
        ssh.arg("-q")
            .args(options.into_iter().flat_map(|option| ["-o", option]))
            .args(["-p", &self.port.to_string(), "-i"])
            .arg(self.directory.join("key"))
            .kill_on_drop(true);
        ssh
    }

    async fn shell(&self, script: &str, input: Stdio) -> Result<String> {
        let mut ssh = self.ssh();
        let ssh = ssh.args([ROOT, script]).stdin(input).output();
        let output = tokio::time::timeout(COMMAND_WITHIN, ssh)
            .await
            .with_context(|| format!("`{script}` does not end"))??;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "`{script}` failed: {said}\n{errors}"
        );
        Ok(said)
    }
}
