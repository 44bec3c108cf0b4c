//! The local mesh as `make run` starts it, on free ports, with one more service.

use std::{fs, net::SocketAddr, time::Duration};

use airside_tests::{
    Case, Process, Program, Spec,
    case::{models, repository},
    eventually,
    films::Films,
};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// The service that takes frames and does nothing with them.
pub(super) const INTAKE: &str = "intake";
/// A dozen programs start; face recognition takes longest.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// A running mesh.
pub(super) struct Running<'a> {
    pub(super) case: &'a Case,
    pub(super) ingress: SocketAddr,
    pub(super) egress: SocketAddr,
    pub(super) admin: SocketAddr,
    instances: Vec<Value>,
    _up: Process,
}

impl<'a> Running<'a> {
    pub(super) async fn start(case: &'a Case) -> Result<Self> {
        let topology = case.directory().join("topology.toml");
        fs::write(&topology, with_intake()?)?;
        let films = Films::of_seconds(30).await?;
        let any = "127.0.0.1:0";
        let mut up = ctl(case, "up")
            .flag("--topology", topology)
            .flag("--models", models()?)
            .flag("--gallery", films.gallery())
            .flag("--demo", films.directory())
            .flag("--ingress", any)
            .flag("--egress", any)
            .flag("--admin", any)
            .start(case)?;
        let status = eventually("all are ready", READY_WITHIN, async || {
            up.still_running()?;
            let output = ctl(case, "status").arg("--json").output().await?;
            Ok(output.status.success().then_some(output.stdout))
        })
        .await?;
        let status: Value = serde_json::from_slice(&status)?;
        let address = |name: &str| -> Result<SocketAddr> {
            let address = &status["owner"]["addresses"][name];
            Ok(address.as_str().context("no address")?.parse()?)
        };
        let instances = status["instances"].as_array();
        Ok(Self {
            case,
            ingress: address("ingress")?,
            egress: address("egress")?,
            admin: address("admin")?,
            instances: instances.context("no instances")?.clone(),
            _up: up,
        })
    }

    /// What a command prints that must succeed.
    pub(super) async fn said(&self, command: &str, args: &[&str]) -> Result<String> {
        let spec = ctl(self.case, command);
        let spec = args.iter().fold(spec, |spec, arg| spec.arg(*arg));
        let output = spec.output().await?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{command} {args:?}: {said}{errors}"
        );
        Ok(said)
    }

    /// Process of an instance; Envoy's is `envoy`.
    pub(super) fn pid(&self, instance: &str) -> Result<u32> {
        let pid = self.instance(instance)?["pid"].as_u64();
        Ok(pid.context("it has no process")?.try_into()?)
    }

    /// Origin of an instance, past the mesh.
    pub(super) fn origin(&self, instance: &str) -> Result<String> {
        let address = self.instance(instance)?["address"].as_str();
        Ok(format!("http://{}", address.context("it has no address")?))
    }

    fn instance(&self, name: &str) -> Result<&Value> {
        let mut instances = self.instances.iter();
        instances
            .find(|instance| instance["name"] == name)
            .with_context(|| format!("no {name}"))
    }

    /// A panel that calls its section at its address.
    pub(super) async fn direct_panel(&self) -> Result<Program> {
        let registry = self.case.directory().join("direct.toml");
        let section = self.origin("section-1-v1-0")?;
        fs::write(
            &registry,
            format!("[[section]]\nid = 1\ndescription = \"section 1\"\nhost = \"{section}\"\n"),
        )?;
        let spec = Spec::role("cpanel-direct", "cpanel").flag("--registry", registry);
        Program::start(self.case, spec).await
    }

    /// A collector that calls its neighbours at their addresses.
    pub(super) async fn direct_collector(&self) -> Result<Program> {
        let spec = Spec::role("collector-direct", "collector")
            .flag("--image-analysis", self.origin("image-analysis-v1-0")?)
            .flag("--face-recognition", self.origin("face-recognition-v1-0")?)
            .flag("--section-grpc", self.origin("section-1-v1-0")?)
            .flag("--alerts", self.origin("alerts-v1-0")?)
            .flag("--cpanel", self.origin("cpanel-v1-0")?)
            .flag("--momentum", self.origin("momentum-v1-0")?);
        Program::start(self.case, spec).await
    }
}

/// The programs of the default topology and this one once more.
fn with_intake() -> Result<String> {
    let default = repository().join("deploy/local/topology.toml");
    let default = fs::read_to_string(&default)?;
    let this = std::env::current_exe()?;
    Ok(format!(
        "{default}\n[[workload]]\nname = {INTAKE:?}\nprogram = {this:?}\nargs = [{INTAKE:?}]\n"
    ))
}

fn ctl(case: &Case, command: &str) -> Spec {
    Spec::bare(&format!("airsidectl-{command}"), "airsidectl")
        .arg(command)
        .flag("--run-dir", case.directory().join("run"))
}
