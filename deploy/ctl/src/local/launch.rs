//! How each program of a topology is started.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::Options;
use airside_mesh::envoy::Addresses;

use crate::envoy::Program;
use crate::run_dir::RunDir;
use crate::supervise::{Launch, Reached};
use crate::topology::{Places, Workload};

/// What a service is told of its time to drain: less than the mesh gives it before it is killed.
const DRAIN_TIMEOUT: &str = "2s";

/// Name of Envoy among the instances.
pub(super) const ENVOY: &str = "envoy";

/// What all programs have in common.
#[derive(Debug, Clone)]
pub(super) struct Launcher {
    pub(super) options: Options,
    pub(super) run_dir: RunDir,
    pub(super) addresses: Addresses,
    pub(super) envoy: Program,
    /// Address of the mesh view.
    pub(super) mesh_view: String,
}

impl Launcher {
    /// An instance of a workload. What every program is told alike, it is told by environment.
    pub(super) fn instance(&self, workload: &Workload, index: u32) -> anyhow::Result<Launch> {
        let Self {
            options,
            run_dir,
            addresses,
            ..
        } = self;
        let name = workload.instance_name(index);
        let data = run_dir.data(&name);
        std::fs::create_dir_all(&data)
            .with_context(|| format!("cannot make {}", data.display()))?;
        let places = Places {
            root: options.root.clone(),
            models: options.models.clone(),
            gallery: options.gallery.clone(),
            demo: options.demo.clone(),
            data,
        };
        let announcement = run_dir.announcement(&name);
        let mut env: BTreeMap<String, String> = [
            ("AIRSIDE_LISTEN", "127.0.0.1:0".to_owned()),
            (
                "AIRSIDE_ANNOUNCE",
                announcement.to_string_lossy().into_owned(),
            ),
            ("AIRSIDE_INSTANCE", name.clone()),
            ("AIRSIDE_VERSION", workload.version.clone()),
            ("AIRSIDE_EGRESS", format!("http://{}", addresses.egress)),
            ("AIRSIDE_MESH_VIEW", self.mesh_view.clone()),
            ("AIRSIDE_DRAIN_TIMEOUT", DRAIN_TIMEOUT.to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        for (key, value) in &workload.env {
            env.insert(key.clone(), places.fill(value));
        }
        Ok(Launch {
            service: Some(workload.name.clone()),
            version: workload.version.clone(),
            program: program(&workload.program),
            args: workload.args.iter().map(|arg| places.fill(arg)).collect(),
            env,
            directory: options.root.clone(),
            log: run_dir.log(&name),
            reached: Reached::Announced(announcement),
            ready_path: "/readyz",
            name,
        })
    }

    /// Envoy itself.
    pub(super) fn envoy(&self) -> Launch {
        let directory = self.run_dir.envoy();
        Launch {
            name: ENVOY.to_owned(),
            service: None,
            version: "-".to_owned(),
            program: self.envoy.path().to_owned(),
            args: Program::arguments().map(str::to_owned).into(),
            env: BTreeMap::new(),
            log: Program::log(&directory),
            directory,
            reached: Reached::At(self.addresses.admin),
            ready_path: "/ready",
        }
    }
}

/// A program of ours lies beside us; any other is looked up in `PATH`.
fn program(name: &str) -> PathBuf {
    let beside = std::env::current_exe().ok();
    let beside = beside
        .as_deref()
        .and_then(Path::parent)
        .map(|directory| directory.join(name));
    match beside {
        Some(path) if path.is_file() => path,
        _ => PathBuf::from(name),
    }
}
