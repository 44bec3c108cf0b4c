//! A whole pipeline: every service once, both versions of the panel, agents as a test wants them, one egress.

use std::{
    collections::HashMap,
    fs, iter,
    ops::Index,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{
    Case, Program, Spec, case,
    egress::{Egress, Way},
};

/// Host names of the services, in the order of starting; the panel's versions share one.
const SERVICES: [(&str, &str); 8] = [
    ("momentum", "momentum"),
    ("alerts", "alerts"),
    ("section-1", "section-1"),
    ("image-analysis", "image-analysis"),
    ("face-recognition", "face-recognition"),
    ("cpanel-v1", "cpanel-v1"),
    ("cpanel-v2", "cpanel"),
    ("collector", "collector"),
];

/// The running programs by their names.
#[derive(Debug)]
pub struct Site {
    /// Every call between the programs goes this way.
    pub egress: Egress,
    programs: HashMap<String, Program>,
    directory: PathBuf,
}

impl Site {
    /// Starts every service and waits until all are ready. Persons of interest come from `gallery`.
    ///
    /// # Errors
    /// One does not start.
    pub async fn start(case: &Case, gallery: Option<PathBuf>) -> Result<Self> {
        let mut site = Self {
            egress: Egress::start().await?,
            programs: HashMap::new(),
            directory: case.directory().to_owned(),
        };
        let empty = case.directory().join("gallery");
        fs::create_dir_all(&empty)?;
        let gallery = gallery.unwrap_or(empty);
        for (name, host) in SERVICES {
            let spec = site.service(name, &gallery)?;
            site.launch(case, spec, host).await?;
        }
        for program in site.programs.values_mut() {
            program.ready().await?;
        }
        Ok(site)
    }

    fn service(&self, name: &str, gallery: &Path) -> Result<Spec> {
        let role = match name {
            "section-1" => "section",
            "cpanel-v1" | "cpanel-v2" => "cpanel",
            other => other,
        };
        let spec = Spec::role(name, role).flag("--egress", self.egress.url());
        let database = || self.directory.join(format!("{name}.sqlite"));
        Ok(match name {
            "alerts" | "section-1" => spec.flag("--database", database()),
            "collector" => spec.flag("--ledger", database()),
            "image-analysis" => spec.flag("--models", case::models()?),
            "face-recognition" => spec
                .flag("--models", case::models()?)
                .flag("--gallery", gallery),
            "cpanel-v1" | "cpanel-v2" => {
                let registry = self.directory.join("panel.toml");
                fs::copy(
                    case::repository().join("deploy/local/panel.toml"),
                    &registry,
                )?;
                spec.flag("--version", &name["cpanel-".len()..])
                    .flag("--registry", registry)
            }
            _ => spec,
        })
    }

    async fn launch(&mut self, case: &Case, spec: Spec, host: &str) -> Result<()> {
        let name = spec.name.clone();
        let program = Program::launch(case, spec).await?;
        self.egress.set(host, Way::To(program.address()));
        self.programs.insert(name, program);
        Ok(())
    }

    /// Starts an agent with one camera, `1`, that films `source` at this many frames a second.
    ///
    /// # Errors
    /// It does not start.
    pub async fn add_agent(
        &mut self,
        case: &Case,
        name: &str,
        source: impl AsRef<Path>,
        fps: u32,
    ) -> Result<()> {
        let spec = Spec::agent(name)
            .flag("--egress", self.egress.url())
            .flag("--source", source.as_ref())
            .flag("--fps", fps.to_string());
        self.launch(case, spec, name).await?;
        self.program_mut(name)?.ready().await
    }

    /// Starts an agent with this configuration file.
    ///
    /// # Errors
    /// It does not start.
    pub async fn add_configured_agent(
        &mut self,
        case: &Case,
        name: &str,
        config: impl AsRef<Path>,
    ) -> Result<()> {
        let spec = Spec::agent(name)
            .flag("--egress", self.egress.url())
            .flag("--config", config.as_ref());
        self.launch(case, spec, name).await?;
        self.program_mut(name)?.ready().await
    }

    /// Kills a program as a loss of power would; its host is away.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        self.egress.remove(host_of(name));
        self.program_mut(name)?.kill()
    }

    /// Starts a killed program again, on what it left on the disk.
    ///
    /// # Errors
    /// It does not start.
    pub async fn restart(&mut self, case: &Case, name: &str) -> Result<()> {
        let program = self.program_mut(name)?;
        program.restart(case).await?;
        let address = program.address();
        self.egress.set(host_of(name), Way::To(address));
        Ok(())
    }

    /// A running program.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn program_mut(&mut self, name: &str) -> Result<&mut Program> {
        self.programs
            .get_mut(name)
            .with_context(|| format!("no program {name}"))
    }

    /// All programs with their names.
    pub fn programs(&self) -> impl Iterator<Item = (&str, &Program)> {
        let mut rest = self.programs.iter();
        iter::from_fn(move || rest.next().map(|(name, program)| (name.as_str(), program)))
    }
}

impl Index<&str> for Site {
    type Output = Program;

    fn index(&self, name: &str) -> &Program {
        &self.programs[name]
    }
}

fn host_of(name: &str) -> &str {
    let known = SERVICES.iter().find(|(known, _)| *known == name);
    known.map_or(name, |(_, host)| host)
}
