//! The default rules and services of the repository.

use std::path::{Path, PathBuf};

use airside_mesh::istio::Source;
use airside_mesh::{Mesh, Registry, Rules, Service, resolve};

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate lies two levels below the root")
        .to_owned()
}

/// The services of the default topology.
pub(crate) fn registry() -> Registry {
    let names = [
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
    names.into_iter().map(Service::airside).collect()
}

/// Every rule file of a directory, in order of names.
pub(crate) fn sources(directory: &Path) -> Vec<Source> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .expect("the directory is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|file| {
            file.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| Source {
            file: file.file_name().expect("a file").to_string_lossy().into(),
            text: std::fs::read_to_string(file).expect("readable"),
        })
        .collect()
}

/// The default rules of the repository.
pub(crate) fn default_rules() -> Rules {
    let sources = sources(&root().join("deploy/istio/default"));
    Rules::read(&sources).expect("the default rules are sound")
}

/// The rules of one text.
pub(crate) fn rules(text: &str) -> Rules {
    let file = "test.yaml".to_owned();
    let text = text.to_owned();
    Rules::read(&[Source { file, text }]).expect("sound rules")
}

/// The default rules with `text` over them, resolved.
pub(crate) fn with(text: &str) -> Mesh {
    let newer = rules(text);
    resolve(&default_rules().overlaid(&newer), &registry()).expect("sound rules")
}
