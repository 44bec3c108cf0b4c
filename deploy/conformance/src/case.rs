//! What is compared: rule files of our own, and every file that the repository puts into a mesh.

use std::path::{Path, PathBuf};

use airside_mesh::istio::{Problems, Source};
use airside_mesh::{Mesh, Registry, Rules, Service, resolve};
use anyhow::Context;

/// The services of the default topology.
pub const SERVICES: [&str; 9] = [
    "alerts",
    "camera-agent-1",
    "camera-agent-2",
    "collector",
    "cpanel",
    "face-recognition",
    "image-analysis",
    "momentum",
    "section-1",
];

/// Name of the case without any rule.
const NOTHING: &str = "nothing";
/// Name of the case with the default rules.
const DEFAULT: &str = "istio/default";

/// Rules that are in force together.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name, which is also that of its fixture: `rules/timeout`, `istio/cpanel-v2`.
    pub name: String,
    /// The case that its fixture is written against: only what differs from it stands there.
    pub base: Option<String>,
    /// Rules that `sources` come over, as with `airsidectl apply`.
    below: Vec<Source>,
    /// The case's own files.
    sources: Vec<Source>,
}

impl Case {
    /// Every case, one that others are written against before those.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn all() -> anyhow::Result<Vec<Self>> {
        let defaults = sources(&root().join("deploy/istio/default"))?;
        let mut cases = vec![
            Self {
                name: NOTHING.to_owned(),
                base: None,
                below: Vec::new(),
                sources: Vec::new(),
            },
            Self {
                name: DEFAULT.to_owned(),
                base: Some(NOTHING.to_owned()),
                below: Vec::new(),
                sources: defaults.clone(),
            },
        ];
        for source in sources(&root().join("deploy/istio"))? {
            if !source.file.starts_with("default/") {
                cases.push(Self::of("istio", Some(DEFAULT), defaults.clone(), source));
            }
        }
        for source in sources(&home().join("rules"))? {
            cases.push(Self::of("rules", Some(NOTHING), Vec::new(), source));
        }
        Ok(cases)
    }

    fn of(kind: &str, base: Option<&str>, below: Vec<Source>, source: Source) -> Self {
        let stem = source.file.trim_end_matches(".yaml");
        Self {
            name: format!("{kind}/{stem}"),
            base: base.map(str::to_owned),
            below,
            sources: vec![source],
        }
    }

    /// The files in the order in which they are put in force.
    pub fn files(&self) -> impl Iterator<Item = &Source> {
        self.below.iter().chain(&self.sources)
    }

    /// What the rules mean for the services there are.
    ///
    /// # Errors
    /// What `airsidectl apply` would refuse.
    pub fn mesh(&self) -> Result<Mesh, Problems> {
        let rules = Rules::read(&self.below)?.overlaid(&Rules::read(&self.sources)?);
        let registry: Registry = SERVICES.into_iter().map(Service::airside).collect();
        resolve(&rules, &registry)
    }
}

/// The folder of this crate, with rules and fixtures.
pub fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn root() -> PathBuf {
    home().join("../..")
}

/// Every rule file under `folder`, by name relative to it, in order of name.
fn sources(folder: &Path) -> anyhow::Result<Vec<Source>> {
    let mut found = Vec::new();
    collect(folder, "", &mut found)?;
    found.sort_by(|one, other| one.file.cmp(&other.file));
    Ok(found)
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<Source>) -> anyhow::Result<()> {
    let entries = folder
        .read_dir()
        .with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            collect(&path, &format!("{name}/"), found)?;
        } else if name.ends_with(".yaml") {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            found.push(Source { file: name, text });
        }
    }
    Ok(())
}
