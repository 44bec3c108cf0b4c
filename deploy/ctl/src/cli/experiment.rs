//! `airsidectl experiment`, and the two switches that experiments are made of: `canary` and `fault`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use http::Method;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Place, code};
use crate::compare;
use crate::local::LocalPlatform;
use airside_lab::experiment::{self, Experiment, Percent, Setup, Verdict};
use airside_lab::platform::Platform;
use airside_lab::report::Report;
use airside_lab::terminal::Table;
use airside_mesh::istio::Source;

/// What to carry out.
#[derive(Debug, clap::Args)]
pub struct Experiments {
    /// Names of experiments, `all` of them in turn, or `list` to see them.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// The directory of their Istio files.
    #[arg(long, default_value = "deploy/istio", value_name = "DIR")]
    files: PathBuf,
    /// Share of cpanel-canary.
    #[arg(long, default_value = "1", value_name = "PERCENT")]
    percent: Percent,
    /// Write what came of them as a page of the documentation.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Write what came of them for programs.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The canary's rules.
#[derive(Debug, clap::Args)]
pub struct Canary {
    /// Share of v2, with up to three decimals.
    #[arg(long, default_value = "1", value_name = "PERCENT")]
    percent: Percent,
    /// The rules with weights for v1 and v2.
    #[arg(
        short,
        long,
        default_value = "deploy/istio/cpanel-canary.yaml",
        value_name = "FILE"
    )]
    file: PathBuf,
    /// Print the rules with this share, for `kubectl apply -f -`, and change nothing.
    #[arg(long)]
    print: bool,
}

/// One instance that plays faulty or slow.
#[derive(Debug, clap::Args)]
pub struct Fault {
    /// The instance, `collector-v1-1`, or a workload, `collector-v1`: its last instance. Without a delay its /status changes between
    /// 503 and normal.
    instance: String,
    /// Let its /status wait that long instead, `200ms`; `0ms` ends it.
    #[arg(long, value_name = "TIME")]
    delay: Option<String>,
}

/// A name that no experiment has.
#[derive(Debug, thiserror::Error)]
#[error("there is no experiment `{name}`; there are: {known}")]
pub(super) struct Unknown {
    name: String,
    known: String,
}

/// Every experiment of the local mesh.
pub(super) fn of_local() -> Vec<Experiment<LocalPlatform>> {
    let mut all = experiment::all();
    all.push(compare::experiment());
    all
}

/// A system to experiment on, and when, with what and on what that is.
pub(super) struct Bench<P> {
    pub(super) platform: P,
    pub(super) circumstances: Vec<(String, String)>,
}

/// Carries experiments of `all` out. Fails unless all hold.
pub(super) async fn run<P: Platform>(
    place: &Place,
    wanted: Experiments,
    all: &[Experiment<P>],
    connect: impl AsyncFnOnce() -> Result<Bench<P>>,
) -> Result<ExitCode> {
    if wanted.names == ["list"] {
        list(all);
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = choose(all, &wanted.names)?;
    let setup = Setup {
        files: place.within(&wanted.files),
        percent: wanted.percent,
    };
    let Bench {
        platform,
        circumstances,
    } = connect().await?;
    let purpose = format!("experiment {}", wanted.names.join(" "));
    let conducted = conduct(&chosen, &platform, &setup);
    let report = Report {
        circumstances,
        verdicts: platform.alone(&purpose, conducted).await?,
    };
    if report.verdicts.len() > 1 {
        say!("\n{report}");
    }
    if let Some(file) = &wanted.write {
        write(&place.within(file), &report.to_markdown())?;
    }
    if let Some(file) = &wanted.json {
        write(&place.within(file), &format!("{:#}\n", report.to_json()))?;
    }
    Ok(code(report.holds()))
}

/// Carries experiments out in turn, until all are done or this program is asked to end.
async fn conduct<P: Platform>(
    chosen: &[&Experiment<P>],
    platform: &P,
    setup: &Setup,
) -> Result<Vec<Verdict>> {
    let stop = CancellationToken::new();
    let verdicts = async {
        let mut verdicts = Vec::new();
        for experiment in chosen {
            verdicts.push(experiment.conduct(platform, setup, stop.cancelled()).await);
            if stop.is_cancelled() {
                break;
            }
        }
        verdicts
    };
    tokio::select! {
        verdicts = verdicts => Ok(verdicts),
        error = asked_to_end(&stop) => Err(error),
    }
}

fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Cancels `stop` when this program is asked to end; the experiment under way then puts everything back. Returns only when
/// signals cannot be awaited.
async fn asked_to_end(stop: &CancellationToken) -> anyhow::Error {
    let signals = signal(SignalKind::interrupt())
        .and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)));
    let (mut interrupt, mut terminate) = match signals {
        Ok(signals) => signals,
        Err(error) => return anyhow::Error::new(error).context("cannot await Ctrl-C"),
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    complain!("interrupted: putting everything back");
    stop.cancel();
    std::future::pending().await
}

/// The experiments that are meant, each once, in their order.
fn choose<'a, P: Platform>(
    all: &'a [Experiment<P>],
    names: &[String],
) -> Result<Vec<&'a Experiment<P>>> {
    let is_meant = |name: &String, experiment: &Experiment<P>| name == "all" || experiment.is(name);
    for name in names {
        if !all.iter().any(|experiment| is_meant(name, experiment)) {
            let known: Vec<&str> = all.iter().map(|experiment| experiment.name).collect();
            return Err(Unknown {
                name: name.clone(),
                known: known.join(", "),
            }
            .into());
        }
    }
    let chosen = all
        .iter()
        .filter(|experiment| names.iter().any(|name| is_meant(name, experiment)));
    Ok(chosen.collect())
}

fn list<P: Platform>(all: &[Experiment<P>]) {
    let mut table = Table::new(["experiment", "what must be seen", "also"]);
    for experiment in all {
        table.row([
            experiment.name.to_owned(),
            experiment.sight.to_owned(),
            experiment.aliases.join(", "),
        ]);
    }
    say_on!("{table}");
}

/// The running local mesh, and what it runs on.
pub(super) async fn local_bench(place: &Place) -> Result<Bench<LocalPlatform>> {
    let platform = super::platform(place).await?;
    let cores = std::thread::available_parallelism().context("cannot count the processors")?;
    let machine = format!(
        "{cores} processors, {}, everything on it",
        std::env::consts::OS
    );
    let mut circumstances = this_program();
    circumstances.push(("Envoy".to_owned(), envoy_version(&platform)?));
    circumstances.push(("machine".to_owned(), machine));
    Ok(Bench {
        platform,
        circumstances,
    })
}

/// When, and by which Airside.
pub(super) fn this_program() -> Vec<(String, String)> {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC");
    let build = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    let version = format!("{}, {build} build", env!("CARGO_PKG_VERSION"));
    vec![
        ("date".to_owned(), now.to_string()),
        ("Airside".to_owned(), version),
    ]
}

fn envoy_version(platform: &LocalPlatform) -> Result<String> {
    let mut envoy = std::process::Command::new(platform.envoy()?.path());
    let said = envoy
        .arg("--version")
        .output()
        .context("cannot ask Envoy for its version")?;
    // `… version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = said.split('/').find(|part| part.split('.').count() == 3);
    Ok(version.unwrap_or("of an unknown version").to_owned())
}

impl Canary {
    /// The rules with that share; none if they were only to be printed.
    pub(super) fn rules(&self, place: &Place) -> Result<Option<Source>> {
        let path = place.within(&self.file);
        let file = path.display().to_string();
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {file}"))?;
        let rules = Source { file, text };
        let rules = self.percent.rules(&rules).map_err(anyhow::Error::msg)?;
        if self.print {
            say_on!("{}", rules.text);
            return Ok(None);
        }
        Ok(Some(rules))
    }
}

/// Lets an instance play faulty or slow.
pub(super) async fn fault<P: Platform>(platform: &P, fault: &Fault) -> Result<ExitCode> {
    let mut path = "/fault".to_owned();
    if let Some(delay) = &fault.delay {
        let plain = delay
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
        ensure!(
            plain,
            "--delay {delay}: expected a number and its unit, 200ms"
        );
        // Writing to a string does not fail.
        let _ = write!(path, "?delay={delay}");
    }
    let instance = instance(platform, &fault.instance).await?;
    let answer = platform.ask(&instance, Method::GET, &path).await?;
    let said = answer.body.trim();
    ensure!(answer.status.is_success(), "{instance}: {said}");
    say!("{instance}: {said}");
    Ok(ExitCode::SUCCESS)
}

/// The instance of this name, or the last one of the workload of this name.
async fn instance<P: Platform>(platform: &P, name: &str) -> Result<String> {
    let instances = platform.instances().await?;
    if instances.iter().any(|one| one.name == name) {
        return Ok(name.to_owned());
    }
    let of_workload = instances
        .into_iter()
        .filter(|one| format!("{}-{}", one.service, one.version) == name);
    let mut names: Vec<String> = of_workload.map(|one| one.name).collect();
    names.sort();
    let last = names.pop();
    last.with_context(|| format!("there is neither an instance nor a workload {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_choose_experiments_in_their_order_and_once() {
        let all = of_local();
        let choose = |names: &[&str]| -> Result<Vec<&str>> {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let chosen = choose(&all, &names)?;
            Ok(chosen.iter().map(|experiment| experiment.name).collect())
        };
        let twice = choose(&["health-outlier", "cpanel-v2", "outlier"]).expect("known");
        assert_eq!(twice, ["cpanel-v2", "outlier"]);
        assert_eq!(choose(&["all"]).expect("known").len(), all.len());
        let unknown = choose(&["cpanel-v3"]).expect_err("unknown").to_string();
        assert!(
            unknown.contains("cpanel-v3") && unknown.contains("cpanel-50-50"),
            "{unknown}"
        );
    }

    #[test]
    fn no_name_means_two_experiments() {
        let all = of_local();
        let names = all
            .iter()
            .flat_map(|experiment| std::iter::once(&experiment.name).chain(experiment.aliases));
        let names: Vec<&str> = names.copied().collect();
        let different: std::collections::BTreeSet<&&str> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{names:?}");
    }
}
