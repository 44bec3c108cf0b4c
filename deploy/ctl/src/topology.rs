//! Which programs make up a local mesh.
//!
//! A topology is a TOML file with one `[[workload]]` for each service and version. Arguments and
//! environment may hold `{root}`, `{models}`, `{gallery}`, `{demo}` and `{data}` (a directory of the
//! instance's own that survives a restart).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::supervise::Group;
use airside_mesh::{Registry, Service};

/// How addresses of databases begin that instances can share.
const SERVERS: [&str; 2] = ["postgres://", "postgresql://"];

/// Why a topology cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("cannot read the topology {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no topology.
    #[error("{} is no topology: {reason}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// Where and why.
        reason: String,
    },
}

/// The programs of a mesh.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// PostgreSQL database that the workloads share which keep something; without one each has a file of its own.
    #[serde(default)]
    database: Option<String>,
    /// In order of their start.
    #[serde(rename = "workload")]
    pub workloads: Vec<Workload>,
}

/// One version of a service.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Host name of the service.
    pub name: String,
    /// Its version, also the label `version`.
    #[serde(default = "first_version")]
    pub version: String,
    /// How many instances at the start.
    #[serde(default = "one")]
    pub replicas: u32,
    /// Why it can only run once, if that is so.
    #[serde(default)]
    pub single: Option<String>,
    /// Program: a name beside airsidectl or in `PATH`, or a path.
    pub program: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Its environment, beside the one that every instance has.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Whether it keeps something in a database.
    #[serde(default)]
    pub keeps: bool,
    /// Whether it only feeds the others: it stops first, so that nothing is under way when they stop.
    #[serde(default)]
    pub feeds: bool,
}

/// Without the line itself, which may hold a password.
fn at_line(error: &toml::de::Error, text: &str) -> String {
    let start = error.span().map_or(0, |span| span.start);
    let line = text[..start].matches('\n').count() + 1;
    format!("line {line}: {}", error.message())
}

fn first_version() -> String {
    "v1".to_owned()
}

fn one() -> u32 {
    1
}

impl Topology {
    /// Reads a topology.
    ///
    /// # Errors
    /// A file that cannot be read, an unknown key, two workloads of one name and version.
    pub fn read(file: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(file).map_err(|source| Error::Unreadable {
            file: file.to_owned(),
            source,
        })?;
        let malformed = |reason: String| Error::Malformed {
            file: file.to_owned(),
            reason,
        };
        let mut topology: Self =
            toml::from_str(&text).map_err(|error| malformed(at_line(&error, &text)))?;
        topology.share().map_err(malformed)?;
        for (index, workload) in topology.workloads.iter().enumerate() {
            let same = |other: &Workload| other.full_name() == workload.full_name();
            if topology.workloads[..index].iter().any(same) {
                let name = workload.full_name();
                return Err(malformed(format!("workload {name} is there twice")));
            }
            if let Some(reason) = &workload.single
                && workload.replicas != 1
            {
                let name = workload.full_name();
                let replicas = workload.replicas;
                let problem = format!("workload {name}, replicas = {replicas}: {reason}");
                return Err(malformed(problem));
            }
        }
        Ok(topology)
    }

    /// Points those that keep something at the database, if there is one. Of them there may then be several.
    fn share(&mut self) -> Result<(), String> {
        let Some(address) = &self.database else {
            return Ok(());
        };
        if !SERVERS.iter().any(|scheme| address.starts_with(scheme)) {
            return Err("database: expected postgres://USER@HOST:PORT/DATABASE".to_owned());
        }
        for workload in self.workloads.iter_mut().filter(|workload| workload.keeps) {
            workload
                .env
                .insert("AIRSIDE_DATABASE".to_owned(), address.clone());
            workload.single = None;
        }
        Ok(())
    }

    /// The services that these workloads make up.
    pub fn registry(&self) -> Registry {
        self.workloads
            .iter()
            .map(|workload| Service::airside(&workload.name))
            .collect()
    }
}

impl Workload {
    /// Name and version, as a Deployment would be named.
    pub fn full_name(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// Name of an instance, as a pod would be named.
    pub fn instance_name(&self, index: u32) -> String {
        format!("{}-{index}", self.full_name())
    }

    /// Whether this is the name of one of its instances.
    pub fn is_instance(&self, name: &str) -> bool {
        let index = name
            .strip_prefix(&self.full_name())
            .and_then(|rest| rest.strip_prefix('-'));
        index.is_some_and(|index| index.parse::<u32>().is_ok())
    }

    /// When its instances end.
    pub fn group(&self) -> Group {
        if self.feeds {
            Group::Feeders
        } else {
            Group::Services
        }
    }
}

/// What stands for the names in braces.
#[derive(Debug, Clone)]
pub struct Places {
    /// The repository.
    pub root: PathBuf,
    /// Models directory.
    pub models: PathBuf,
    /// Persons of interest.
    pub gallery: PathBuf,
    /// Demo films.
    pub demo: PathBuf,
    /// The instance's own directory.
    pub data: PathBuf,
}

impl Places {
    /// `text` with its names replaced.
    pub fn fill(&self, text: &str) -> String {
        let names = [
            ("{root}", &self.root),
            ("{models}", &self.models),
            ("{gallery}", &self.gallery),
            ("{demo}", &self.demo),
            ("{data}", &self.data),
        ];
        names.iter().fold(text.to_owned(), |text, (name, path)| {
            text.replace(name, &path.to_string_lossy())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Topology, Error> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("topology.toml");
        std::fs::write(&file, text).expect("written");
        Topology::read(&file)
    }

    #[test]
    fn the_default_topology_is_sound() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../local/topology.toml");
        let topology = Topology::read(&file).expect("sound");
        let names: Vec<String> = topology.workloads.iter().map(Workload::full_name).collect();
        assert!(names.contains(&"cpanel-v2".to_owned()), "{names:?}");
        assert_eq!(topology.registry().services().count(), names.len() - 3);
    }

    #[test]
    fn a_topology_at_fault_is_refused() {
        let unknown = read("[[workload]]\nname = 'a'\nprogram = 'p'\nport = 1");
        assert!(unknown.is_err_and(|error| error.to_string().contains("port")));
        let twice = "[[workload]]\nname = 'a'\nprogram = 'p'\n".repeat(2);
        assert!(read(&twice).is_err_and(|error| error.to_string().contains("a-v1 is there twice")));
        let single = "[[workload]]\nname = 'a'\nprogram = 'p'\nreplicas = 2\nsingle = 'one disk'\n";
        assert!(read(single).is_err_and(|error| error.to_string().contains("one disk")));
    }

    #[test]
    fn a_database_is_shared_by_those_that_keep_something() {
        let workload = "[[workload]]\nname = 'alerts'\nprogram = 'p'\nreplicas = 3\nkeeps = true\nsingle = 'one file'\n";
        assert!(read(workload).is_err_and(|error| error.to_string().contains("one file")));
        let file = read(&format!("database = 'a.sqlite'\n{workload}"));
        assert!(file.is_err_and(|error| error.to_string().contains("postgres://USER")));
        let open = read(&format!("database = 'postgres://a:s3cret@db\n{workload}"));
        let told = open.expect_err("no TOML").to_string();
        assert!(
            told.contains("line 1") && !told.contains("s3cret"),
            "{told}"
        );
        let database = "postgres://airside@db/airside";
        let topology = read(&format!("database = '{database}'\n{workload}")).expect("sound");
        let alerts = &topology.workloads[0];
        assert_eq!((&alerts.single, alerts.replicas), (&None, 3));
        assert_eq!(alerts.env["AIRSIDE_DATABASE"], database);
    }

    #[test]
    fn names_in_braces_are_replaced() {
        let places = Places {
            root: "/r".into(),
            models: "/m".into(),
            gallery: "/g".into(),
            demo: "/d".into(),
            data: "/own".into(),
        };
        assert_eq!(places.fill("{data}/x:{demo}{other}"), "/own/x:/d{other}");
    }
}
