//! The program as systemd starts it: what it tells over a socket of its kind, what signals do, and how it ends.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use airside_agent::status;
use clap::Parser as _;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use super::{collector::Collector, eventually};

const PROGRAM: &str = env!("CARGO_BIN_EXE_airside-agent");

/// systemd, and the agent that it started. The agent does not outlive it.
struct Systemd {
    folder: TempDir,
    socket: UnixDatagram,
    agent: Child,
}

impl Systemd {
    fn start(configuration: &str, watchdog_micros: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let socket = UnixDatagram::bind(path("notify")).unwrap();
        socket.set_nonblocking(true).unwrap();
        fs::write(path("agent.toml"), configuration).unwrap();
        let agent = Command::new(PROGRAM)
            .args(["--listen", "127.0.0.1:0", "--config"])
            .arg(path("agent.toml"))
            .arg("--announce")
            .arg(path("address"))
            .env("NOTIFY_SOCKET", path("notify"))
            .env("WATCHDOG_USEC", watchdog_micros.to_string())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            folder,
            socket,
            agent,
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("agent.toml")
    }

    fn url(&self) -> String {
        let address = fs::read_to_string(self.folder.path().join("address")).unwrap();
        format!("http://{address}")
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.agent.id() as i32), signal).unwrap();
    }

    /// What was told since this was asked last.
    fn heard(&self) -> Vec<String> {
        let mut buffer = [0; 1024];
        let next = || {
            let length = self.socket.recv(&mut buffer).ok()?;
            Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
        };
        std::iter::from_fn(next).collect()
    }

    /// All that is told until this is.
    async fn hears(&self, what: &str) -> Vec<String> {
        let mut heard = Vec::new();
        eventually(what, || {
            heard.extend(self.heard());
            heard.iter().any(|line| line.starts_with(what))
        })
        .await;
        heard
    }

    async fn cameras(&self) -> Vec<String> {
        let args = Asked::parse_from(["status", "--url", &self.url()]).args;
        let client = status::Client::new(args.url.as_ref().unwrap(), &args).unwrap();
        let told = status::read(&client).await.unwrap();
        told.cameras.into_iter().map(|camera| camera.id).collect()
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }
}

#[derive(clap::Parser)]
struct Asked {
    #[command(flatten)]
    args: status::Args,
}

fn camera(id: u8, destination: &str) -> String {
    format!(
        "[[camera]]\nid = {id}\nsource = \"test://\"\nwidth = 64\nheight = 48\n\
         stream = {{ section = 1, event = \"exit\", destination = \"{destination}\" }}\n"
    )
}

#[tokio::test]
async fn it_is_told_of_the_start_the_pulse_reloads_and_the_end() {
    let collector = Collector::recording().await;
    let one = camera(1, &collector.destination());
    let mut systemd = Systemd::start(&one, 40_000);
    let heard = systemd.hears("READY=1").await;
    assert!(
        !heard.iter().any(|line| line.starts_with("STOPPING")),
        "{heard:?}"
    );
    systemd.hears("STATUS=1 of 1 cameras capture").await;
    systemd.hears("WATCHDOG=1").await;

    fs::write(
        systemd.file(),
        format!("{one}{}", camera(2, &collector.destination())),
    )
    .unwrap();
    systemd.heard();
    systemd.signal(Signal::SIGHUP);
    let heard = systemd.hears("READY=1").await;
    let reloading = heard
        .iter()
        .position(|line| line.starts_with("RELOADING=1\nMONOTONIC_USEC="));
    let ready = heard.iter().position(|line| line == "READY=1");
    assert!(reloading.is_some() && reloading < ready, "{heard:?}");
    assert_eq!(systemd.cameras().await, ["1", "2"]);

    // A broken file changes nothing.
    fs::write(systemd.file(), "[[camera]]\nid = 3\n").unwrap();
    systemd.signal(Signal::SIGHUP);
    systemd.hears("READY=1").await;
    assert_eq!(systemd.cameras().await, ["1", "2"]);

    systemd.signal(Signal::SIGTERM);
    systemd.hears("STOPPING=1").await;
    let mut ended = None;
    eventually("it ends", || {
        ended = systemd.agent.try_wait().unwrap();
        ended.is_some()
    })
    .await;
    assert_eq!(ended.and_then(|status| status.code()), Some(0));
}

/// What the program prints, and how it ends.
fn run(args: &[&str]) -> Output {
    Command::new(PROGRAM).args(args).output().unwrap()
}

#[tokio::test]
async fn exit_codes_tell_what_is_to_be_done() {
    let collector = Collector::recording().await;
    let systemd = Systemd::start(&camera(1, &collector.destination()), 0);
    systemd.hears("READY=1").await;
    let well = run(&["status", "--json", "--url", &systemd.url()]);
    assert_eq!(well.status.code(), Some(0));
    let told: serde_json::Value = serde_json::from_slice(&well.stdout).unwrap();
    assert_eq!(told["health"], "ok");
    // A link that cannot be made is somebody's trouble.
    fs::write(systemd.file(), camera(1, "grpc://127.0.0.1:1")).unwrap();
    systemd.heard();
    systemd.signal(Signal::SIGHUP);
    systemd.hears("READY=1").await;
    let mut code = None;
    eventually("it is degraded", || {
        code = run(&["status", "--url", &systemd.url()]).status.code();
        code == Some(1)
    })
    .await;
    let gone = run(&["status", "--url", "http://127.0.0.1:1"]);
    assert_eq!(gone.status.code(), Some(2));

    let file = systemd.file();
    let file = file.to_str().unwrap();
    assert_eq!(run(&["config", "check", file]).status.code(), Some(0));
    fs::write(file, "fps = 500\n[[camera]]\nid = 1\n").unwrap();
    let refused = run(&["config", "check", file]);
    assert_eq!(refused.status.code(), Some(2));
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(
        text.contains(":1:1: key 'fps'") && text.contains(":2:1: key 'camera[0].source'"),
        "{text}"
    );
    let open = run(&["--listen", "0.0.0.0:0", "--source", "test://"]);
    assert_eq!(open.status.code(), Some(2));
    assert!(
        String::from_utf8(open.stderr)
            .unwrap()
            .contains("--trusted-network")
    );
}
