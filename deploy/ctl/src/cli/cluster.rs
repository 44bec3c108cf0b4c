//! The commands on a cluster.

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use airside_cluster::manifest::{self, Origin};
use airside_cluster::reset::Belongings;
use airside_cluster::{Cluster, ClusterPlatform, Whereabouts, deploy, doctor, logs};
use airside_lab::platform::Platform;
use airside_lab::terminal::Table;
use airside_lab::{experiment as lab, panel};
use anyhow::{Result, bail, ensure};
use serde_json::json;

use super::arguments::{Cameras, Command, Mesh, Place};
use super::experiment::{self, Bench};
use super::{code, context, drive, ledger, make, rollout, rules};

/// What is deployed unless something else is named.
const DEFAULT: &str = "deploy/k8s/overlays/default";

/// What to deploy.
#[derive(Debug, clap::Args)]
pub struct Deploy {
    /// A kustomize folder, a rendered file, or `-` for standard input.
    #[arg(default_value = DEFAULT, value_name = "DIR|FILE|-")]
    what: PathBuf,
    /// `server`: ask the API server what it would do, and change nothing.
    #[arg(long, value_enum, value_name = "WHERE")]
    dry_run: Option<DryRun>,
    /// Leave what an earlier deployment brought and this one does not, instead of removing it.
    #[arg(long)]
    keep: bool,
    /// How many seconds the pods may take to be ready.
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    ready_within: u64,
}

/// Who tries a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum DryRun {
    /// The API server, with everything that it would check.
    Server,
}

/// How to remove everything.
#[derive(Debug, clap::Args)]
pub struct AllReset {
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// Carries a command out on a cluster.
pub(super) async fn run(
    place: &Place,
    whereabouts: &Whereabouts,
    command: Command,
) -> Result<ExitCode> {
    let local = place;
    let place = &place.of_namespace(&whereabouts.namespace);
    let cluster = async || Cluster::connect(whereabouts).await;
    let platform = async || platform(place, cluster().await?).await;
    match command {
        Command::Up(_) | Command::Down => {
            bail!(
                "this is for the mesh on this machine: --target local; on a cluster, `deploy` and `all-reset`"
            )
        }
        Command::Mesh(Mesh::Explain { files, .. }) if files.is_empty() => {
            bail!("on a cluster name the files to explain; `istioctl` explains what is in force")
        }
        Command::Mesh(look) => super::look_at(local, look).await,
        Command::Context(show) => context::run(local, &show),
        Command::Demo(demo) => make(&demo),
        Command::Deploy(options) => deploy(place, whereabouts, &cluster().await?, &options).await,
        Command::Doctor => Ok(code(doctor::examine(&cluster().await?).await)),
        Command::AllReset(options) => all_reset(&cluster().await?, &options).await,
        Command::Status { json } => status(&cluster().await?, json).await,
        Command::Logs {
            role,
            follow,
            lines,
        } => {
            logs::logs(&cluster().await?, &role, lines, follow).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Apply { .. } | Command::Reset | Command::Canary(_) | Command::Scale { .. } => {
            change(place, &platform().await?, command).await
        }
        Command::Health => Ok(code(panel::health(platform().await?.entrance()).await)),
        Command::Cameras(Cameras { toggle }) => {
            let platform = platform().await?;
            Ok(code(
                panel::cameras(platform.entrance(), toggle.is_on()).await,
            ))
        }
        Command::Ledger(options) => {
            let platform = platform().await?;
            let keepers = ledger::of_cluster(&platform).await?;
            ledger::run(options, Some(keepers)).await
        }
        Command::Rollout(command) => rollout::run(place, command, platform).await,
        Command::Load(options) => drive(platform().await?.entrance(), &options).await,
        Command::Experiment(wanted) => {
            let bench = async || bench(platform().await?).await;
            experiment::run(place, wanted, &lab::all(), bench).await
        }
        Command::Fault(fault) => experiment::fault(&platform().await?, &fault).await,
    }
}

/// Changes rules or numbers, as the only operator.
async fn change(place: &Place, platform: &ClusterPlatform, command: Command) -> Result<ExitCode> {
    let (purpose, rules) = match command {
        Command::Scale { workload, replicas } => {
            let scaled = platform.scale(&workload, replicas);
            platform.alone("scale", scaled).await?;
            say!("{workload}: {replicas} take traffic");
            return Ok(ExitCode::SUCCESS);
        }
        Command::Apply { files } => ("apply", Some(rules::read(&files)?)),
        Command::Canary(canary) => match canary.rules(place)? {
            Some(rules) => ("canary", Some(vec![rules])),
            None => return Ok(ExitCode::SUCCESS),
        },
        _ => ("reset", None),
    };
    let change = match rules {
        Some(rules) => platform.alone(purpose, platform.apply(rules)).await?,
        None => platform.alone(purpose, platform.reset()).await?,
    };
    say!("in force at every proxy after {:.0?}", change.elapsed);
    Ok(ExitCode::SUCCESS)
}

async fn platform(place: &Place, cluster: Cluster) -> Result<ClusterPlatform> {
    let defaults = rules::read(&[place.rules()])?;
    ClusterPlatform::connect(cluster, place.url.as_deref(), defaults).await
}

async fn deploy(
    place: &Place,
    whereabouts: &Whereabouts,
    cluster: &Cluster,
    options: &Deploy,
) -> Result<ExitCode> {
    let within;
    let origin = if options.what == Path::new("-") {
        Origin::Input
    } else {
        within = place.within(&options.what);
        if within.is_dir() {
            Origin::Folder(&within)
        } else {
            Origin::File(&within)
        }
    };
    let mut objects = manifest::read(&origin.text().await?)?;
    manifest::move_to(&mut objects, &whereabouts.namespace);
    let options = deploy::Options {
        dry_run: options.dry_run.is_some(),
        keep: options.keep,
        ready_within: Duration::from_secs(options.ready_within),
    };
    deploy::deploy(cluster, objects, &options).await?;
    Ok(ExitCode::SUCCESS)
}

async fn all_reset(cluster: &Cluster, options: &AllReset) -> Result<ExitCode> {
    let belongings = Belongings::find(cluster).await?;
    let namespace = cluster.namespace();
    if belongings.is_empty() {
        say!("nothing in namespace {namespace} was created by airsidectl");
        return Ok(ExitCode::SUCCESS);
    }
    if !options.yes {
        for name in belongings.names() {
            say!("{name}");
        }
        ensure!(
            agreed(&format!(
                "Remove all of this, with what is stored, from namespace {namespace}?"
            ))?,
            "nothing was removed"
        );
    }
    let removed = async { Ok(belongings.remove(cluster).await?) };
    cluster.in_turn("all-reset", removed).await?;
    cluster.forget_turns().await?;
    Ok(ExitCode::SUCCESS)
}

/// Asks the one at the terminal.
fn agreed(question: &str) -> Result<bool> {
    let input = std::io::stdin();
    ensure!(
        input.is_terminal(),
        "nobody is there to be asked; --yes agrees"
    );
    say_on!("{question} [y/N] ");
    std::io::Write::flush(&mut std::io::stdout())?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

async fn status(cluster: &Cluster, json: bool) -> Result<ExitCode> {
    let workloads = cluster.workloads().await?;
    let instances = cluster.instances().await?;
    if json {
        let workloads: Vec<_> = workloads
            .iter()
            .map(|one| json!({"workload": one.name, "replicas": one.wanted, "ready": one.ready, "single": one.single}))
            .collect();
        let instances: Vec<_> = instances
            .iter()
            .map(|one| json!({"name": one.name, "service": one.service, "version": one.version, "ready": one.ready, "address": one.address}))
            .collect();
        say!(
            "{}",
            json!({"namespace": cluster.namespace(), "workloads": workloads, "instances": instances})
        );
    } else {
        let mut table = Table::new(["workload", "replicas", "ready", ""]);
        for one in &workloads {
            let single = one.single.as_ref();
            table.row([
                one.name.clone(),
                one.wanted.to_string(),
                one.ready.to_string(),
                single.map_or_else(String::new, |reason| format!("only one: {reason}")),
            ]);
        }
        say!("namespace {}\n\n{table}", cluster.namespace());
        let mut table = Table::new(["instance", "version", "address", "state"]);
        for one in &instances {
            let address = one.address.map(|address| address.to_string());
            table.row([
                one.name.clone(),
                one.version.clone(),
                address.unwrap_or_else(|| "-".to_owned()),
                if one.ready { "ready" } else { "not ready" }.to_owned(),
            ]);
        }
        say_on!("{table}");
    }
    let sound = workloads.iter().all(|one| one.ready == one.wanted);
    Ok(code(sound && !workloads.is_empty()))
}

/// A cluster to experiment on.
async fn bench(platform: ClusterPlatform) -> Result<Bench<ClusterPlatform>> {
    let mut circumstances = experiment::this_program();
    let namespace = platform.cluster().namespace().to_owned();
    circumstances.push(("Kubernetes".to_owned(), platform.cluster().version().await?));
    circumstances.push(("namespace".to_owned(), namespace));
    Ok(Bench {
        platform,
        circumstances,
    })
}
