//! `airsidectl ledger`: asks every agent and every collector, and compares.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use super::arguments::Place;
use super::{BAD_INPUT, client};
use crate::run_dir::{Locked, RunDir};
use crate::supervise::Report;
use airside_cluster::ClusterPlatform;
use airside_lab::fetch::Client;
use airside_lab::ledger::{self, Proof, Wanted, Whom};
use airside_lab::platform::{Instance, Platform};

/// A ledger of months is written within seconds.
const DEADLINE: Duration = Duration::from_secs(30);
/// How the host names of agents begin.
const AGENTS: &str = "camera-agent";
/// Host name of the collectors.
const COLLECTOR: &str = "collector";
/// File in a collector's own directory, see the topology.
const LEDGER_FILE: &str = "ledger.sqlite";

/// Whose ledgers are compared.
#[derive(Debug, Args)]
pub struct Ledger {
    /// Print JSON, with everything that is to be said of single frames.
    #[arg(long)]
    json: bool,
    /// Only the agent of this name.
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Only cameras of this name.
    #[arg(long, value_name = "ID")]
    camera: Option<String>,
    /// An agent beside those of the running system; several times for several.
    #[arg(long, value_name = "http://HOST:PORT")]
    agent_url: Vec<String>,
    /// A collector beside those of the running system; several times for several.
    #[arg(long, value_name = "http://HOST:PORT")]
    collector_url: Vec<String>,
}

/// Who keeps ledgers in a running system.
#[derive(Debug, Default)]
pub(super) struct Keepers {
    agents: Vec<Whom>,
    collectors: Vec<Whom>,
    gone: Vec<Whom>,
}

/// Compares. 0: every frame is accounted for; 1: the ledgers differ; 2: somebody could not be asked.
pub(super) async fn run(options: Ledger, keepers: Option<Keepers>) -> anyhow::Result<ExitCode> {
    let json = options.json;
    let wanted = wanted(options, keepers)?;
    let report = ledger::ask(&Client::new(DEADLINE), &wanted).await;
    if json {
        say!("{}", serde_json::to_string(&report)?);
    } else {
        say_on!("{report}");
    }
    Ok(match report.proof() {
        Proof::Whole => ExitCode::SUCCESS,
        Proof::Different => ExitCode::FAILURE,
        Proof::Open => ExitCode::from(BAD_INPUT),
    })
}

fn wanted(options: Ledger, keepers: Option<Keepers>) -> anyhow::Result<Wanted> {
    let by_urls = |urls: &[String]| urls.iter().map(|url| by_url(url)).collect();
    let mut wanted = Wanted {
        agents: by_urls(&options.agent_url),
        collectors: by_urls(&options.collector_url),
        agent: options.agent,
        camera: options.camera,
        gone: Vec::new(),
    };
    if let Some(keepers) = keepers {
        wanted.agents.extend(keepers.agents);
        wanted.collectors.extend(keepers.collectors);
        wanted.gone = keepers.gone;
    } else if wanted.agents.is_empty() || wanted.collectors.is_empty() {
        bail!("no mesh is running; name agents by --agent-url and collectors by --collector-url");
    }
    Ok(wanted)
}

/// Those of the local mesh, if it runs.
pub(super) async fn of_local(place: &Place) -> anyhow::Result<Option<Keepers>> {
    let run_dir = place.open()?;
    let Locked::Elsewhere(_) = run_dir.lock().context("cannot lock the run directory")? else {
        return Ok(None);
    };
    let instances = client(place)?.snapshot().await?.instances;
    Ok(Some(Keepers {
        agents: of_service(&instances, |name| name.starts_with(AGENTS)),
        collectors: of_service(&instances, |name| name == COLLECTOR),
        gone: scaled_away(&run_dir, &instances)?,
    }))
}

/// Those of a cluster. A collector that was scaled away has taken its ledger with it.
pub(super) async fn of_cluster(platform: &ClusterPlatform) -> anyhow::Result<Keepers> {
    let mut keepers = Keepers::default();
    for Instance { name, service, .. } in platform.instances().await? {
        let of = match service.as_str() {
            COLLECTOR => &mut keepers.collectors,
            service if service.starts_with(AGENTS) => &mut keepers.agents,
            _ => continue,
        };
        let origin = Ok(platform.origin_of(&name).await?);
        of.push(Whom { name, origin });
    }
    Ok(keepers)
}

fn by_url(url: &str) -> Whom {
    let origin = url.trim_end_matches('/').to_owned();
    Whom {
        name: origin.clone(),
        origin: Ok(origin),
    }
}

fn of_service(instances: &[Report], is_it: impl Fn(&str) -> bool) -> Vec<Whom> {
    let own = instances
        .iter()
        .filter(|report| report.service.as_deref().is_some_and(&is_it));
    let whom = own.map(|report| Whom {
        name: report.name.clone(),
        origin: match report.address {
            Some(address) => Ok(format!("http://{address}")),
            None => Err("it does not listen".to_owned()),
        },
    });
    whom.collect()
}

/// Collectors that no longer run and left a ledger.
fn scaled_away(run_dir: &RunDir, instances: &[Report]) -> anyhow::Result<Vec<Whom>> {
    let mut left = Vec::new();
    for name in run_dir
        .instances_with_data()
        .context("cannot read the run directory")?
    {
        let runs = instances.iter().any(|report| report.name == name);
        let file = run_dir.data(&name).join(LEDGER_FILE);
        if name.starts_with(COLLECTOR) && !runs && file.is_file() {
            left.push(Whom {
                name,
                origin: Err("it does not run; scale collector up to have it asked".to_owned()),
            });
        }
    }
    Ok(left)
}
