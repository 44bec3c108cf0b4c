//! A clean Debian in an emulated machine, worked on by SSH as an installer does. `deploy/debian/machine.sh` makes its disk.
//!
//! ```text
//! this machine                 the device
//! 127.0.0.1:PORT  ──────────►  :22            (one SSH connection, and within it to the device's loopback)
//! 127.0.0.1:any   ◄──────────  10.0.2.2:any   (the collector)
//! ```
//!
//! How fast it is depends on what else this machine does. Nothing here is given a time therefore, but [`PATIENCE`] without a sign of
//! life.

use std::{
    cell::Cell,
    fs::File,
    net::TcpListener,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use airside_tests::{Case, Process, Spec, case::repository, eventually, progressing, rest};
use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
    time::sleep,
};

/// This machine's loopback, as the device sees it.
pub(crate) const HOST: &str = "10.0.2.2";
/// How long everything may stand still. The longest step of a package's installation without a word takes seconds on a processor,
/// an emulated one is twenty times slower, and it may get a tenth of a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);
const ROOT: &str = "root@127.0.0.1";
/// The socket of the connection that all commands share, in the case's directory: its path is short there.
const SHARED: &str = "ssh";

/// The running machine. Dropping it is pulling its plug; its disk is as before.
pub(crate) struct Device {
    process: Process,
    port: u16,
    key: PathBuf,
    directory: PathBuf,
    _connection: Option<Child>,
}

impl Device {
    /// Boots and waits until commands can be given.
    pub(crate) async fn boot(case: &Case) -> Result<Self> {
        let machine = repository().join("target/machine");
        // Freed here, taken by the emulator at once.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut device = Self {
            process: emulator(&machine, port).start(case)?,
            port,
            key: machine.join("key"),
            directory: case.directory().to_owned(),
            _connection: None,
        };
        progressing("the device has booted", PATIENCE, async || {
            device.process.still_running()?;
            Ok(
                match device.run("systemctl is-system-running --wait").await {
                    Ok(_) => ControlFlow::Break(()),
                    Err(_) => ControlFlow::Continue(device.process.log().len()),
                },
            )
        })
        .await?;
        device._connection = Some(device.connect().await?);
        Ok(device)
    }

    /// The connection that spares every later command the agreement on keys, which takes an emulated processor seconds.
    async fn connect(&self) -> Result<Child> {
        let connection = self
            .ssh()
            .args(["-N", "-M", ROOT])
            .stdin(Stdio::null())
            .spawn()?;
        eventually("the connection stands", PATIENCE, async || {
            let check = self.ssh().args(["-O", "check", ROOT]).output().await?;
            Ok(check.status.success().then_some(()))
        })
        .await?;
        Ok(connection)
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

    /// Leads to a port of the device's loopback, for as long as the device runs: its URL.
    ///
    /// # Errors
    /// Nobody answers there.
    pub(crate) async fn tunnel(&self, port: u16) -> Result<String> {
        // Freed here, taken by SSH at once.
        let near = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let forward = format!("127.0.0.1:{near}:127.0.0.1:{port}");
        let asked = self
            .ssh()
            .args(["-O", "forward", "-L", &forward, ROOT])
            .output()
            .await?;
        ensure!(
            asked.status.success(),
            "no tunnel to port {port}: {asked:?}"
        );
        let url = format!("http://127.0.0.1:{near}");
        eventually("the tunnel leads there", PATIENCE, async || {
            Ok(rest::get(&format!("{url}/healthz")).await.ok().map(drop))
        })
        .await?;
        Ok(url)
    }

    fn ssh(&self) -> Command {
        let mut ssh = Command::new("ssh");
        let shared = format!("ControlPath={SHARED}");
        let options = [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "BatchMode=yes",
            "ConnectTimeout=60",
            &shared,
        ];
        ssh.arg("-q")
            .args(options.into_iter().flat_map(|option| ["-o", option]))
            .args(["-p", &self.port.to_string(), "-i"])
            .arg(&self.key)
            .current_dir(&self.directory)
            .kill_on_drop(true);
        ssh
    }

    async fn shell(&self, script: &str, input: Stdio) -> Result<String> {
        let mut child = self
            .ssh()
            .args([ROOT, script])
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let heard = Cell::new(Instant::now());
        let said = hear(child.stdout.take(), &heard);
        let errors = hear(child.stderr.take(), &heard);
        let ended = async { tokio::try_join!(said, errors, child.wait()) };
        let (said, errors, status) = tokio::select! {
            ended = ended => ended?,
            () = silence(&heard) => bail!("`{script}` has said nothing for {PATIENCE:?}"),
        };
        ensure!(status.success(), "`{script}` failed: {said}\n{errors}");
        Ok(said)
    }
}

fn emulator(machine: &Path, port: u16) -> Spec {
    let file = |name: &str| machine.join(name).into_os_string();
    let disk = machine.join("disk.ext4");
    Spec::bare("device", "/usr/bin/qemu-system-x86_64")
        // Not KVM: it is not everywhere, and within a virtual machine not always sound.
        .flag("-accel", "tcg,thread=multi")
        .flag("-cpu", "max")
        .flag("-m", "1024")
        .flag("-kernel", file("vmlinuz"))
        .flag("-initrd", file("initrd.img"))
        .flag(
            "-append",
            // Units of Debian's own that give up waiting would leave it `degraded`.
            format!(
                "root=/dev/vda rw console=ttyS0 systemd.default_timeout_start_sec={0} systemd.default_device_timeout_sec={0}",
                PATIENCE.as_secs()
            ),
        )
        .flag(
            "-drive",
            format!(
                "file={},format=raw,if=virtio,snapshot=on",
                disk.display()
            ),
        )
        .flag(
            "-nic",
            format!("user,model=virtio,hostfwd=tcp:127.0.0.1:{port}-:22"),
        )
        .flag("-display", "none")
        .flag("-serial", "stdio")
        .arg("-no-reboot")
}

/// Reads to the end; `heard` is when something came last.
async fn hear(
    from: Option<impl AsyncRead + Unpin>,
    heard: &Cell<Instant>,
) -> std::io::Result<String> {
    let mut from = from.expect("it was asked to be piped");
    let mut said = Vec::new();
    while from.read_buf(&mut said).await? > 0 {
        heard.set(Instant::now());
    }
    Ok(String::from_utf8_lossy(&said).trim().to_owned())
}

/// Ends once nothing was heard for so long.
async fn silence(heard: &Cell<Instant>) {
    while let Some(left) = PATIENCE.checked_sub(heard.get().elapsed()) {
        sleep(left).await;
    }
}
