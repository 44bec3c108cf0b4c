//! The local mesh with a real Envoy, as `airsidectl up` starts it, on free ports and in the case's own directory.

use std::{process::Output, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{Answer, Case, Process, Spec, case::models, eventually, films::Films, rest};

/// Twelve programs start; on a busy machine face recognition takes longest.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// A running mesh.
#[derive(Debug)]
pub struct LocalMesh<'a> {
    /// The case that it belongs to.
    pub case: &'a Case,
    /// `airsidectl up`.
    pub up: Process,
    /// Where clients reach it, `http://host:port`.
    pub ingress: String,
}

impl<'a> LocalMesh<'a> {
    /// Starts it on films of 30 s, with these flags of `up` beside, and waits until all is ready.
    ///
    /// # Errors
    /// It does not start; the error shows its last lines.
    pub async fn start(case: &'a Case, flags: &[(&str, &str)]) -> Result<Self> {
        let films = Films::of_seconds(30).await?;
        let any = "127.0.0.1:0";
        let spec = ctl(case, "up")
            .flag("--models", models()?)
            .flag("--gallery", films.gallery())
            .flag("--demo", films.directory())
            .flag("--ingress", any)
            .flag("--egress", any)
            .flag("--admin", any);
        let spec = flags
            .iter()
            .fold(spec, |spec, (flag, value)| spec.flag(flag, *value));
        let mut up = spec.start(case)?;
        let status = eventually("all are ready", READY_WITHIN, async || {
            up.still_running()?;
            let output = ctl(case, "status").arg("--json").output().await?;
            Ok(output.status.success().then_some(output))
        })
        .await?;
        let status: Value = serde_json::from_slice(&status.stdout)?;
        let ingress = status
            .pointer("/owner/addresses/ingress")
            .and_then(Value::as_str);
        let ingress = format!("http://{}", ingress.with_context(|| status.to_string())?);
        Ok(Self { case, up, ingress })
    }

    /// A command of airsidectl on this mesh.
    #[must_use]
    pub fn command(&self, command: &str, args: &[&str]) -> Spec {
        let spec = ctl(self.case, command);
        args.iter().fold(spec, |spec, arg| spec.arg(*arg))
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// It does not end within ten seconds.
    pub async fn ctl(&self, command: &str, args: &[&str]) -> Result<Output> {
        self.command(command, args).output().await
    }

    /// What a command prints that must succeed.
    ///
    /// # Errors
    /// It fails; the error shows what it said.
    pub async fn said(&self, command: &str, args: &[&str]) -> Result<String> {
        let output = self.ctl(command, args).await?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{command} {args:?}: {said}{errors}"
        );
        Ok(said)
    }

    /// `GET` at the entrance.
    ///
    /// # Errors
    /// No answer.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        rest::get(&format!("{}{path}", self.ingress)).await
    }

    /// The programs that run now.
    ///
    /// # Errors
    /// The mesh does not answer.
    pub async fn instances(&self) -> Result<Vec<Value>> {
        let status: Value = serde_json::from_slice(&self.ctl("status", &["--json"]).await?.stdout)?;
        status["instances"].as_array().cloned().context("instances")
    }

    /// One of them.
    ///
    /// # Errors
    /// There is none of this name.
    pub async fn instance(&self, name: &str) -> Result<Value> {
        let mut instances = self.instances().await?.into_iter();
        instances
            .find(|instance| instance["name"] == name)
            .with_context(|| format!("no {name}"))
    }
}

fn ctl(case: &Case, command: &str) -> Spec {
    Spec::bare(&format!("airsidectl-{command}"), "airsidectl")
        .arg(command)
        .flag("--run-dir", case.directory().join("run"))
}
