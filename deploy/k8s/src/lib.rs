//! The manifests for Kubernetes as programs see them: overlays as kustomize renders them, and the table of docs/kubernetes.md that says
//! who may call whom.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Every overlay.
pub const OVERLAYS: [&str; 7] = [
    "default",
    "film",
    "monitored",
    "nodes",
    "plain",
    "postgres",
    "scaled",
];

/// The repository.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The documents of an overlay, by the kustomize that `make setup` brings.
///
/// # Errors
/// It cannot be rendered; says kustomize's reason.
pub fn render(overlay: &str) -> Result<Vec<Value>> {
    Ok(serde_saphyr::from_multiple(&render_text(overlay)?)?)
}

/// As [`render`], as one text.
///
/// # Errors
/// It cannot be rendered; says kustomize's reason.
pub fn render_text(overlay: &str) -> Result<String> {
    let kustomize = repository().join(".airside/kubernetes/kustomize");
    let rendering = Command::new(&kustomize)
        .arg("build")
        .arg(repository().join("deploy/k8s/overlays").join(overlay))
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{}: run `make setup`", kustomize.display()))?;
    let reason = String::from_utf8_lossy(&rendering.stderr);
    ensure!(rendering.status.success(), "{overlay}: {reason}");
    Ok(String::from_utf8(rendering.stdout)?)
}

/// A row of the table: this caller may call that service with these requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// Service account of the caller, which is also its label `app`.
    pub caller: String,
    /// Label `app` of who is called.
    pub callee: String,
    /// Method and path of each kind of request, in the order of the table.
    pub requests: Vec<(String, String)>,
}

/// The rows of the table in docs/kubernetes.md.
///
/// # Errors
/// The file is missing, or has no such table.
pub fn permissions() -> Result<Vec<Permission>> {
    let page = fs::read_to_string(repository().join("docs/kubernetes.md"))?;
    let table = page
        .split_once("\n| caller | may call | with | for |\n")
        .context("docs/kubernetes.md has no table of who may call whom")?
        .1;
    let rows = table
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'));
    rows.map(row).collect()
}

fn row(line: &str) -> Result<Permission> {
    let mut cells = line.trim_matches('|').split('|');
    let mut cell = || cells.next().map(code).context("a row with too few cells");
    let (caller, callee, requests) = (cell()?, cell()?, cell()?);
    let request = |text: &String| {
        let (method, path) = text.split_once(' ').context("a request is METHOD PATH")?;
        Ok((method.to_owned(), path.to_owned()))
    };
    Ok(Permission {
        caller: caller.concat(),
        callee: callee.concat(),
        requests: requests.iter().map(request).collect::<Result<_>>()?,
    })
}

/// What stands between backticks.
fn code(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}
