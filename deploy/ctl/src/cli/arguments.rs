//! The command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use super::cluster::{AllReset, Deploy};
use super::context::Show;
use super::experiment::{Canary, Experiments, Fault};
use super::ledger::Ledger;
use super::rollout::Rollout;
use super::rules;
use crate::local::{self, Flag, Wanted};
use airside_lab::load;

/// Runs, changes and measures Airside on this machine or in a cluster.
#[derive(Debug, Parser)]
#[command(name = "airsidectl", version, disable_help_subcommand = true)]
pub struct Arguments {
    /// Which mesh is meant.
    #[command(flatten)]
    pub place: Place,
    /// What of the program's own log is shown.
    #[arg(long, global = true, env = "AIRSIDE_LOG", default_value = LOG, value_name = "FILTER", value_parser = filter)]
    pub log: String,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The client of clusters logs each attempt that fails as an error; what became of it is said once, by whoever tries again.
const LOG: &str = "warn,kube_client=off";

fn filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "{error}; expected a level or a filter, `debug` or `airsidectl=debug`"
        )),
    }
}

/// Which mesh is meant.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// The repository; other paths are relative to it.
    #[arg(
        long,
        global = true,
        env = "AIRSIDE_ROOT",
        default_value = ".",
        value_name = "DIR"
    )]
    pub root: PathBuf,
    /// Directory of the running mesh: logs, data, Envoy's files.
    #[arg(
        long,
        global = true,
        env = "AIRSIDE_RUN_DIR",
        default_value = ".airside/run",
        value_name = "DIR"
    )]
    run_dir: PathBuf,
    /// Default rules: a directory of Istio files.
    #[arg(
        long,
        global = true,
        env = "AIRSIDE_RULES",
        default_value = "deploy/istio/default",
        value_name = "DIR"
    )]
    rules: PathBuf,
    /// Entrance of the system, for health, cameras and load; without it the running mesh's.
    #[arg(
        long,
        global = true,
        env = "AIRSIDE_URL",
        value_name = "http://HOST:PORT"
    )]
    pub url: Option<String>,
    /// Which kind of system is meant; without it what `airsidectl context` says.
    #[arg(long, global = true, env = "AIRSIDE_TARGET", value_enum)]
    pub(super) target: Option<Target>,
    /// Of the kubeconfig, for a cluster; without it what `airsidectl context` says, else the current one.
    #[arg(
        long,
        global = true,
        env = "AIRSIDE_CONTEXT",
        value_name = "NAME",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub(super) context: Option<String>,
    /// In a cluster; without it what `airsidectl context` says, else `airside`.
    #[arg(
        long,
        global = true,
        env = "AIRSIDE_NAMESPACE",
        value_name = "NAME",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub(super) namespace: Option<String>,
    /// What `airsidectl context --save` writes; without it `airside/context.toml` in the user's `.config`.
    #[arg(long, global = true, env = "AIRSIDE_CONTEXT_FILE", value_name = "FILE")]
    pub(super) context_file: Option<PathBuf>,
}

/// A kind of system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Target {
    /// The mesh on this machine.
    #[default]
    Local,
    /// A Kubernetes cluster with Istio.
    Cluster,
}

impl Place {
    /// `path` as seen from the repository.
    pub(super) fn within(&self, path: &Path) -> PathBuf {
        self.root.join(path)
    }

    pub(super) fn run_dir(&self) -> PathBuf {
        self.within(&self.run_dir)
    }

    /// The same place, with the files of a namespace of a cluster: where its rollouts are.
    pub(super) fn of_namespace(&self, namespace: &str) -> Self {
        let mut own = self.clone();
        own.run_dir = self.run_dir.join("cluster").join(namespace);
        own
    }

    pub(super) fn rules(&self) -> PathBuf {
        self.within(&self.rules)
    }
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start every service and Envoy, and keep them running until Ctrl-C.
    Up(Up),
    /// End the running mesh.
    Down,
    /// Show the instances of the running mesh; fails unless all are ready.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what a role, a version of it or an instance writes (`cpanel`, `cpanel-v2`, `envoy`).
    Logs {
        /// Role, version or instance.
        role: String,
        /// Go on with what is written from now on.
        #[arg(short, long)]
        follow: bool,
        /// Last lines of each log.
        #[arg(short = 'n', long, default_value_t = 50)]
        lines: usize,
    },
    /// Put Istio files in force, over the rules there are.
    Apply {
        /// A file or a directory of files; several times for several.
        #[arg(short = 'f', long = "file", value_name = "FILE", required = true, num_args = 1..)]
        files: Vec<PathBuf>,
    },
    /// Put the default rules in force, and no others.
    Reset,
    /// Run so many instances of a workload; returns once new ones take calls and others have ended.
    Scale {
        /// A role and version (`cpanel-v2`), or a role of which only one version runs.
        workload: String,
        /// How many instances.
        replicas: u32,
    },
    /// Look at rules without changing anything.
    #[command(subcommand)]
    Mesh(Mesh),
    /// Print every status line and both camera states; fails unless all answer.
    Health,
    /// Start or stop all cameras.
    Cameras(Cameras),
    /// Compare what agents and collectors say of every frame. Exit code 0: every frame is accounted for; 1: the ledgers
    /// differ; 2: somebody could not be asked.
    Ledger(Ledger),
    /// Send requests and show who answered; fails when one was not answered well.
    Load(load::Options),
    /// Carry out experiments: apply rules, drive load, measure, judge, put everything back; fails unless all hold.
    Experiment(Experiments),
    /// Give v2 of the control panel any share of the requests.
    Canary(Canary),
    /// Let one instance play faulty or slow.
    Fault(Fault),
    /// Let a new version take over step by step while it keeps up; fails when it was taken back.
    #[command(subcommand)]
    Rollout(Rollout),
    /// Make what a demonstration needs.
    #[command(subcommand)]
    Demo(Demo),
    /// Show which system is meant, and why; keep it for the next time.
    Context(Show),
    /// Bring a cluster to what the manifests say, and wait until everything is ready.
    Deploy(Deploy),
    /// Say what a cluster lacks, with the remedy for each; fails when it lacks anything.
    Doctor,
    /// Remove everything that airsidectl created in the namespace, and nothing else; asks first.
    AllReset(AllReset),
}

/// Rules, looked at.
#[derive(Debug, Subcommand)]
pub enum Mesh {
    /// Say whether files would be taken over, on top of the default rules.
    Check {
        /// Files or directories of files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The programs that the rules are for.
        #[arg(
            long,
            default_value = "deploy/local/topology.toml",
            value_name = "FILE"
        )]
        topology: PathBuf,
    },
    /// Say in plain words, host by host, what is in force in the running mesh; with files, what
    /// would be on top of the default rules.
    Explain {
        /// Files or directories of files.
        files: Vec<PathBuf>,
        /// The programs that the rules are for.
        #[arg(
            long,
            default_value = "deploy/local/topology.toml",
            value_name = "FILE"
        )]
        topology: PathBuf,
    },
}

/// All cameras.
#[derive(Debug, Args)]
pub struct Cameras {
    /// What to do with them.
    #[arg(value_enum)]
    pub toggle: Toggle,
}

/// A switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Toggle {
    /// Stream.
    Start,
    /// Do not stream.
    Stop,
}

impl Toggle {
    pub(super) fn is_on(self) -> bool {
        self == Self::Start
    }
}

/// What a demonstration needs.
#[derive(Debug, Subcommand)]
pub enum Demo {
    /// Make two films of people passing, and the truth about them.
    Footage(airside_footage::Options),
}

/// How to start a mesh.
#[derive(Debug, Args)]
pub struct Up {
    /// Return once everything is ready, and leave it running.
    #[arg(long)]
    pub detach: bool,
    /// The programs to run.
    #[arg(
        long,
        env = "AIRSIDE_TOPOLOGY",
        default_value = "deploy/local/topology.toml",
        value_name = "FILE"
    )]
    topology: PathBuf,
    /// Face nets for the programs.
    #[arg(
        long,
        env = "AIRSIDE_MODELS",
        default_value = "models",
        value_name = "DIR"
    )]
    models: PathBuf,
    /// Persons of interest for the programs.
    #[arg(
        long,
        env = "AIRSIDE_GALLERY",
        default_value = "gallery",
        value_name = "DIR"
    )]
    gallery: PathBuf,
    /// Films for the programs.
    #[arg(long, env = "AIRSIDE_DEMO", default_value = "demo", value_name = "DIR")]
    demo: PathBuf,
    /// Where clients reach the system; port 0 takes any.
    #[arg(
        long,
        env = "AIRSIDE_INGRESS",
        default_value = "127.0.0.1:31221",
        value_name = "IP:PORT"
    )]
    ingress: SocketAddr,
    /// Where services reach each other; port 0 takes any.
    #[arg(long, default_value = "127.0.0.1:15001", value_name = "IP:PORT")]
    egress: SocketAddr,
    /// Envoy's own interface; port 0 takes any.
    #[arg(
        long,
        env = "AIRSIDE_ENVOY_ADMIN",
        default_value = "127.0.0.1:15000",
        value_name = "IP:PORT"
    )]
    admin: SocketAddr,
}

impl Up {
    /// What is to run, with absolute paths.
    pub(super) fn resolve(&self, place: &Place) -> anyhow::Result<local::Options> {
        let root = std::fs::canonicalize(&place.root)
            .with_context(|| format!("--root {}", place.root.display()))?;
        let flag = |name, address| Flag { name, address };
        Ok(local::Options {
            run_dir: root.join(&place.run_dir),
            topology: root.join(&self.topology),
            rules: rules::read(&[root.join(&place.rules)])?,
            models: root.join(&self.models),
            gallery: root.join(&self.gallery),
            demo: root.join(&self.demo),
            wanted: Wanted {
                ingress: flag("--ingress", self.ingress),
                egress: flag("--egress", self.egress),
                admin: flag("--admin", self.admin),
            },
            root,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
