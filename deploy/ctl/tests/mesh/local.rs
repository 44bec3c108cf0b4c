//! A mesh of stand-ins: `airsidectl up` as a process, with tiny programs and a real Envoy.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use airsidectl::local::Snapshot;
use airsidectl::supervise::{Phase, Report};

use crate::bench;

/// Generous for a loaded machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

const RULES: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: airside}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cpanel}
spec:
  host: cpanel
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
---
";

pub(crate) fn all_to(subset: &str) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: cpanel-ingress}}
spec:
  hosts: ['*']
  gateways: [airside]
  http:
  - route: [{{destination: {{host: cpanel, subset: {subset}, port: {{number: 8080}}}}}}]
"
    )
}

/// A mesh of stand-ins in a directory of its own.
pub(crate) struct Local {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) up: Child,
}

impl Local {
    /// Both versions of a panel, all calls to v1, and a camera with these further lines.
    pub(crate) async fn start(camera: &str) -> Self {
        let workloads = [
            workload("cpanel", "v1", "]"),
            workload("cpanel", "v2", "]"),
            workload("camera", "v1", camera),
        ];
        Self::of(&workloads.concat()).await
    }

    /// These workloads.
    pub(crate) async fn of(topology: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join("topology.toml"), topology).expect("written");
        std::fs::create_dir(directory.path().join("rules")).expect("made");
        let rules = format!("{RULES}{}", all_to("v1"));
        std::fs::write(directory.path().join("rules/all.yaml"), rules).expect("written");
        let output = File::create(directory.path().join("output")).expect("made");
        let up = command(directory.path())
            .args(["up", "--topology"])
            .arg(directory.path().join("topology.toml"))
            .args([
                "--ingress",
                "127.0.0.1:0",
                "--egress",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
            ])
            .stdout(output)
            .spawn()
            .expect("airsidectl starts");
        let mut local = Self { directory, up };
        local
            .until(|reports| reports.iter().all(|report| report.phase == Phase::Ready))
            .await;
        local
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        command(self.directory.path())
            .args(arguments)
            .output()
            .expect("airsidectl runs")
    }

    pub(crate) fn snapshot(&self) -> Option<Snapshot> {
        serde_json::from_slice(&self.run(&["status", "--json"]).stdout).ok()
    }

    pub(crate) async fn until(&mut self, holds: impl Fn(&[Report]) -> bool) -> Snapshot {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let ended = self.up.try_wait().expect("a child");
            assert!(ended.is_none(), "ended: {}", self.output());
            if let Some(snapshot) = self.snapshot()
                && holds(&snapshot.instances)
            {
                return snapshot;
            }
            assert!(
                Instant::now() < deadline,
                "{:?}\n{}",
                self.snapshot(),
                self.output()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("output")).unwrap_or_default()
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    }
}

/// A stand-in as a workload: `more` goes on with its arguments.
pub(crate) fn workload(name: &str, version: &str, more: &str) -> String {
    let stand_in = bench::root().join("deploy/ctl/tests/mesh/stand_in.py");
    format!(
        "[[workload]]\nname = '{name}'\nversion = '{version}'\nprogram = 'python3'\nargs = ['{}'{more}\n",
        stand_in.display()
    )
}

impl Drop for Local {
    fn drop(&mut self) {
        // What it started ends with it.
        let _ = self.up.kill();
        let _ = self.up.wait();
    }
}

pub(crate) fn command(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_airsidectl"));
    command
        // Whatever the one who tests means otherwise.
        .args(["--target", "local", "--root"])
        .arg(bench::root())
        .arg("--run-dir")
        .arg(directory.join("run"))
        .arg("--rules")
        .arg(directory.join("rules"))
        .stdin(Stdio::null());
    command
}

pub(crate) fn text(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}
