//! The local mesh as `make run` starts it, on free ports, with one more service.

use std::{fs, path::PathBuf};

use airside_tests::{Case, LocalMesh, Program, Spec, case::repository};
use anyhow::{Context as _, Result};
use serde_json::Value;

/// The service that takes frames and does nothing with them.
pub(super) const INTAKE: &str = "intake";

/// A running mesh and where to find its parts.
pub(super) struct Running<'a> {
    pub(super) mesh: LocalMesh<'a>,
    pub(super) egress: String,
    pub(super) admin: String,
    instances: Vec<Value>,
}

impl<'a> Running<'a> {
    pub(super) async fn start(case: &'a Case) -> Result<Self> {
        let topology = case.directory().join("topology.toml");
        fs::write(&topology, with_intake()?)?;
        let topology = topology.display().to_string();
        let mesh = LocalMesh::start(case, &[("--topology", &topology)]).await?;
        // They stream from the start, and their frames would be measured with the others.
        mesh.said("cameras", &["stop"]).await?;
        let status: Value = serde_json::from_str(&mesh.said("status", &["--json"]).await?)?;
        let origin = |name: &str| -> Result<String> {
            let address = status["owner"]["addresses"][name].as_str();
            Ok(format!("http://{}", address.context("no address")?))
        };
        Ok(Self {
            egress: origin("egress")?,
            admin: origin("admin")?,
            instances: mesh.instances().await?,
            mesh,
        })
    }

    /// A file for this run.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.mesh.case.directory().join(name)
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
        let registry = self.file("direct.toml");
        let section = self.origin("section-1-v1-0")?;
        fs::write(
            &registry,
            format!("[[section]]\nid = 1\ndescription = \"section 1\"\nhost = \"{section}\"\n"),
        )?;
        let spec = Spec::role("cpanel-direct", "cpanel").flag("--registry", registry);
        Program::start(self.mesh.case, spec).await
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
        Program::start(self.mesh.case, spec).await
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
