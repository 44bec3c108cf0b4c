//! The running local mesh as experiments and rollouts see it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use airside_lab::fetch::Answer;
use airside_lab::platform::{Change, Document, Instance, Platform};
use airside_mesh::istio::Source;
use anyhow::{Context, Result, bail};
use http::Method;

use super::control::{Client, Reply, Request, Scale, Snapshot};
use crate::envoy::{Admin, Program, ProgramError};
use crate::run_dir::RunDir;
use crate::supervise::{Phase, Report};

/// An instance that is asked past the mesh answers at once or is in trouble.
const ASK_DEADLINE: Duration = Duration::from_secs(10);

/// A running local mesh.
#[derive(Debug, Clone)]
pub struct LocalPlatform {
    control: Client,
    admin: Admin,
    client: airside_lab::fetch::Client,
    entrance: String,
    /// The rules of a reset.
    defaults: Vec<Source>,
    run_dir: RunDir,
    /// The repository.
    root: PathBuf,
}

impl LocalPlatform {
    /// The mesh that runs in `run_dir` of the repository `root`. `defaults` are the rules that a reset brings back.
    ///
    /// # Errors
    /// None runs there, or it does not answer.
    pub async fn connect(root: &Path, run_dir: &RunDir, defaults: Vec<Source>) -> Result<Self> {
        let control = Client::new(&run_dir.socket());
        let addresses = control.snapshot().await?.owner.addresses;
        Ok(Self {
            control,
            admin: Admin::new(addresses.admin),
            client: airside_lab::fetch::Client::new(ASK_DEADLINE),
            entrance: format!("http://{}", addresses.ingress),
            defaults,
            run_dir: run_dir.clone(),
            root: root.canonicalize().context("cannot find the repository")?,
        })
    }

    /// Its directory.
    pub fn run_dir(&self) -> &RunDir {
        &self.run_dir
    }

    /// The Envoy with which it runs.
    ///
    /// # Errors
    /// There is none.
    pub fn envoy(&self) -> Result<Program, ProgramError> {
        Program::find(&self.root)
    }

    async fn change(&self, request: Request) -> Result<Change> {
        match self.control.ask(&request).await? {
            Reply::Applied { elapsed, .. } => Ok(Change { elapsed }),
            Reply::Refused(problems) => bail!("{problems}"),
            other => bail!("the running mesh answers something else: {other:?}"),
        }
    }
}

impl Platform for LocalPlatform {
    fn entrance(&self) -> &str {
        &self.entrance
    }

    async fn apply(&self, rules: Vec<Source>) -> Result<Change> {
        self.change(Request::Apply(rules)).await
    }

    async fn reset(&self) -> Result<Change> {
        self.change(Request::Replace(self.defaults.clone())).await
    }

    async fn scale(&self, workload: &str, replicas: u32) -> Result<()> {
        let workload = workload.to_owned();
        let request = Request::Scale(Scale { workload, replicas });
        match self.control.ask(&request).await? {
            Reply::Scaled(_) => Ok(()),
            Reply::Refused(reason) | Reply::Failed(reason) => bail!("{reason}"),
            other => bail!("the running mesh answers something else: {other:?}"),
        }
    }

    async fn documents(&self) -> Result<Vec<Document>> {
        match self.control.ask(&Request::Documents).await? {
            Reply::Documents(documents) => Ok(documents),
            other => bail!("the running mesh answers something else: {other:?}"),
        }
    }

    async fn instances(&self) -> Result<Vec<Instance>> {
        let Snapshot { instances, .. } = self.control.snapshot().await?;
        Ok(instances.into_iter().filter_map(instance).collect())
    }

    async fn ask(&self, instance: &str, method: Method, path: &str) -> Result<Answer> {
        let instances = self.instances().await?;
        let known = instances.iter().find(|known| known.name == instance);
        let known = known.with_context(|| format!("there is no instance {instance}"))?;
        let address = known.address;
        let address = address.with_context(|| format!("{instance} does not listen yet"))?;
        let url = format!("http://{address}{path}");
        Ok(self.client.send(method, &url, &[]).await?)
    }

    async fn proxy_counters(&self) -> Result<BTreeMap<String, u64>> {
        Ok(self.admin.counters().await?)
    }
}

/// Envoy is none: it belongs to no service.
fn instance(report: Report) -> Option<Instance> {
    Some(Instance {
        service: report.service?,
        name: report.name,
        version: report.version,
        ready: report.phase == Phase::Ready,
        address: report.address,
    })
}
