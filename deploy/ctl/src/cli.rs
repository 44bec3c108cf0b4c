//! The commands of airsidectl.

mod arguments;
mod background;
mod cluster;
mod context;
mod experiment;
mod footage;
mod ledger;
mod rollout;
pub mod rules;

pub use arguments::{Arguments, Command};

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::local::{self, Client, LocalPlatform, Reply, Request, Scale, Snapshot, Staffing};
use crate::logs::Logs;
use crate::run_dir::{Locked, RunDir};
use crate::supervise::{Phase, Report};
use crate::topology;
use airside_lab::platform::{Document, Platform};
use airside_lab::terminal::Table;
use airside_lab::{load, panel};
use airside_mesh::istio::{Problems, Source};
use arguments::{Cameras, Demo, Mesh, Place};
use context::Meant;
use rules::Unusable;

/// How long `down` waits for the end, a little more than a mesh takes for it.
const DOWN_DEADLINE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(50);

/// Exit code for bad input, as every program of Airside has it.
const BAD_INPUT: u8 = 2;

/// Carries a command out.
///
/// # Errors
/// What kept it from being carried out.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { place, command, .. } = arguments;
    match place.meant()? {
        Meant::Cluster(whereabouts) => cluster::run(&place, &whereabouts, command).await,
        Meant::Local => run_local(&place, command).await,
    }
}

/// Carries a command out on this machine.
async fn run_local(place: &Place, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Up(options) if options.detach => background::up(place).await,
        Command::Up(options) => {
            local::up(&options.resolve(place)?).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Down => down(place).await,
        Command::Status { json } => status(place, json).await,
        Command::Logs {
            role,
            follow,
            lines,
        } => {
            let mut logs = Logs::of(&place.open()?, &role)?;
            logs.print_last(lines)?;
            if follow {
                logs.follow().await?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Apply { files } => {
            let sources = rules::read(&files)?;
            change(place, Request::Apply(sources)).await
        }
        Command::Reset => {
            let sources = rules::read(&[place.rules()])?;
            change(place, Request::Replace(sources)).await
        }
        Command::Scale { workload, replicas } => scale(place, workload, replicas).await,
        Command::Mesh(look) => look_at(place, look).await,
        Command::Health => Ok(code(panel::health(&origin(place).await?).await)),
        Command::Cameras(Cameras { toggle }) => Ok(code(
            panel::cameras(&origin(place).await?, toggle.is_on()).await,
        )),
        Command::Ledger(options) => ledger::run(options, ledger::of_local(place).await?).await,
        Command::Rollout(command) => {
            rollout::run(place, command, async || platform(place).await).await
        }
        Command::Load(options) => drive(&origin(place).await?, &options).await,
        Command::Experiment(wanted) => {
            let all = experiment::of_local();
            let bench = async || experiment::local_bench(place).await;
            experiment::run(place, wanted, &all, bench).await
        }
        Command::Canary(canary) => match canary.rules(place)? {
            Some(rules) => change(place, Request::Apply(vec![rules])).await,
            None => Ok(ExitCode::SUCCESS),
        },
        Command::Fault(fault) => experiment::fault(&platform(place).await?, &fault).await,
        Command::Deploy(_) | Command::Doctor | Command::AllReset(_) => {
            bail!(
                "this is for a cluster: --target cluster, or `airsidectl context --target cluster --save`"
            )
        }
        Command::Context(show) => context::run(place, &show),
        Command::Demo(demo) => make(&demo),
    }
}

/// Looks at rules without changing anything.
async fn look_at(place: &Place, look: Mesh) -> anyhow::Result<ExitCode> {
    match look {
        Mesh::Check { files, topology } => {
            let topology = place.within(&topology);
            rules::check(&place.rules(), &files, &topology)
        }
        Mesh::Explain { files, topology } => {
            let base = if files.is_empty() {
                in_force(place).await?
            } else {
                rules::read(&[place.rules()])?
            };
            rules::explain(&base, &files, &place.within(&topology))
        }
    }
}

/// Makes what a demonstration needs.
fn make(demo: &Demo) -> anyhow::Result<ExitCode> {
    let Demo::Footage(options) = demo;
    footage::run(options)?;
    Ok(ExitCode::SUCCESS)
}

/// Sends requests to the entrance, and shows who answered.
async fn drive(origin: &str, options: &load::Options) -> anyhow::Result<ExitCode> {
    let tally = load::run(origin, options).await?;
    if options.json {
        say!("{}", tally.to_json());
    } else {
        say_on!("\n{tally}");
    }
    Ok(code(tally.errors() == 0))
}

/// How to end after an error: 2 for bad input, 1 for everything else.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    let bad_input = error.is::<Problems>()
        || error.is::<topology::Error>()
        || error.is::<Unusable>()
        || error.is::<experiment::Unknown>()
        || error
            .downcast_ref::<airside_cluster::Error>()
            .is_some_and(airside_cluster::Error::is_bad_input);
    if bad_input {
        ExitCode::from(BAD_INPUT)
    } else {
        ExitCode::FAILURE
    }
}

fn code(sound: bool) -> ExitCode {
    if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The entrance of the system: the one named, else the running mesh's.
async fn origin(place: &Place) -> anyhow::Result<String> {
    match &place.url {
        Some(url) => Ok(url.trim_end_matches('/').to_owned()),
        None => {
            let snapshot = client(place)?.snapshot().await?;
            Ok(format!("http://{}", snapshot.owner.addresses.ingress))
        }
    }
}

/// The running mesh, to be changed and looked at.
async fn platform(place: &Place) -> anyhow::Result<LocalPlatform> {
    let defaults = rules::read(&[place.rules()])?;
    LocalPlatform::connect(&place.root, &place.open()?, defaults).await
}

/// The rules of the running mesh.
async fn in_force(place: &Place) -> anyhow::Result<Vec<Source>> {
    let documents = platform(place).await?.documents().await?;
    Ok(documents.iter().map(Document::source).collect())
}

fn client(place: &Place) -> anyhow::Result<Client> {
    Ok(Client::new(&place.open()?.socket()))
}

async fn change(place: &Place, request: Request) -> anyhow::Result<ExitCode> {
    match client(place)?.ask(&request).await? {
        Reply::Applied {
            rules,
            changed,
            elapsed,
        } => {
            if changed {
                say!("in force after {elapsed:.0?}: {rules}");
            } else {
                say!("nothing changed: {rules}");
            }
            Ok(ExitCode::SUCCESS)
        }
        Reply::Refused(problems) => {
            complain!("{problems}\nnothing changed, the rules before are in force");
            Ok(ExitCode::from(BAD_INPUT))
        }
        other => bail!("the running mesh answers something else: {other:?}"),
    }
}

async fn scale(place: &Place, workload: String, replicas: u32) -> anyhow::Result<ExitCode> {
    let wish = Scale { workload, replicas };
    match client(place)?.ask(&Request::Scale(wish)).await? {
        Reply::Scaled(scaled) => {
            say!("{scaled}");
            Ok(ExitCode::SUCCESS)
        }
        Reply::Refused(reason) => {
            complain!("{reason}");
            Ok(ExitCode::from(BAD_INPUT))
        }
        Reply::Failed(reason) => {
            complain!("{reason}");
            Ok(ExitCode::FAILURE)
        }
        other => bail!("the running mesh answers something else: {other:?}"),
    }
}

async fn down(place: &Place) -> anyhow::Result<ExitCode> {
    let run_dir = place.open()?;
    if let Locked::Here(_) = run_dir.lock().context("cannot lock the run directory")? {
        say!("no mesh is running");
        return Ok(ExitCode::SUCCESS);
    }
    client(place)?.ask(&Request::Stop).await?;
    let ended = async {
        while let Ok(Locked::Elsewhere(_)) = run_dir.lock() {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(DOWN_DEADLINE, ended)
        .await
        .with_context(|| format!("it has not ended within {DOWN_DEADLINE:?}"))?;
    say!("ended");
    Ok(ExitCode::SUCCESS)
}

async fn status(place: &Place, json: bool) -> anyhow::Result<ExitCode> {
    let snapshot = client(place)?.snapshot().await?;
    if json {
        say!("{}", serde_json::to_string(&snapshot)?);
    } else {
        say!("{}  (process {})", snapshot.owner.url(), snapshot.owner.pid);
        say!("rules: {}\n", snapshot.rules);
        say!("{}", workloads(&snapshot.workloads));
        say_on!("{}", instances(&snapshot));
    }
    let ready = |report: &Report| report.phase == Phase::Ready;
    Ok(code(snapshot.instances.iter().all(ready)))
}

fn workloads(staffing: &[Staffing]) -> Table {
    let mut table = Table::new(["workload", "replicas", "ready", ""]);
    for one in staffing {
        let single = one.single.as_ref();
        table.row([
            one.workload.clone(),
            one.replicas.to_string(),
            one.ready.to_string(),
            single.map_or_else(String::new, |reason| format!("only one: {reason}")),
        ]);
    }
    table
}

fn instances(snapshot: &Snapshot) -> Table {
    let columns = [
        "instance", "version", "pid", "address", "state", "restarts", "uptime",
    ];
    let mut table = Table::new(columns);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    for report in &snapshot.instances {
        let mut state = format!("{:?}", report.phase).to_lowercase();
        if snapshot.ejected.contains(&report.name) {
            state += ", ejected";
        }
        table.row([
            report.name.clone(),
            report.version.clone(),
            or_dash(report.pid.map(|pid| pid.to_string())),
            or_dash(report.address.map(|address| address.to_string())),
            state,
            report.restarts.to_string(),
            format!("{} s", report.uptime.as_secs()),
        ]);
    }
    table
}

impl Place {
    fn open(&self) -> anyhow::Result<RunDir> {
        let path = self.run_dir();
        RunDir::open(&path).with_context(|| format!("cannot use {}", path.display()))
    }
}
