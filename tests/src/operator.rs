//! An operator of a cluster at the terminal: airsidectl and kubectl, in one namespace of the cluster that $KUBECONFIG names.

use std::{path::Path, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::{Spec, case::repository};

/// Types commands that must succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Where.
    pub namespace: &'static str,
}

impl Operator {
    /// What a command of airsidectl says.
    ///
    /// # Errors
    /// It fails; the error has what it said.
    pub async fn ctl(self, arguments: &[&str]) -> Result<String> {
        let spec = Spec::bare("airsidectl", "airsidectl");
        let here = ["--target", "cluster", "--namespace", self.namespace];
        said(Command::new(spec.program()?).args(here).args(arguments)).await
    }

    /// What kubectl says.
    ///
    /// # Errors
    /// As [`ctl`](Self::ctl), or there is no kubectl.
    pub async fn kubectl(self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("kubectl");
        said(
            command
                .args(["--namespace", self.namespace])
                .args(arguments),
        )
        .await
    }
}

async fn said(command: &mut Command) -> Result<String> {
    let output = command
        .current_dir(repository())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let program = Path::new(command.as_std().get_program())
        .display()
        .to_string();
    let arguments: Vec<_> = command.as_std().get_args().map(ToOwned::to_owned).collect();
    let output = output
        .await
        .with_context(|| format!("{program} is needed"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{program} {arguments:?}: {said}{errors}"
    );
    Ok(said)
}
