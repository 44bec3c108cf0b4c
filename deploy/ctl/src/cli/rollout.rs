//! `airsidectl rollout`: starts, follows and steers the rollout of a new version.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Subcommand;

use super::{Place, code};
use airside_lab::platform::Platform;
use airside_lab::rollout::{
    Desk, Ending, Machine, Means, Order, Phase, Plan, Runner, Screen, Service, State,
};
use airside_lab::terminal::Table;

/// A running rollout takes note of an order in less than a second; the instances that an abort ends drain for some more.
const OBEYED_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

/// A new version takes over step by step, and is taken back when it falls behind.
#[derive(Debug, Subcommand)]
pub enum Rollout {
    /// Of the control panel: judged on errors and times.
    Cpanel(Plan),
    /// Of image analysis: judged also on faces, ages and genders in mirrored frames.
    ImageAnalysis(Plan),
    /// Of face recognition: judged also on the names in mirrored frames.
    FaceRecognition(Plan),
    /// Show every rollout and where it is.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Leave the weights as they are.
    Pause(Which),
    /// Go on, also where a killed airsidectl stopped.
    Resume(Which),
    /// Give the new version all requests at once.
    Promote(Which),
    /// Give the old version all requests again at once.
    Abort(Which),
}

/// The rollout that is meant.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// Its service; not needed when only one is under way.
    #[arg(value_enum)]
    service: Option<Service>,
}

/// Carries the command out. Fails unless the new version has all requests in the end, or the order was obeyed.
pub(super) async fn run<P: Platform>(
    place: &Place,
    command: Rollout,
    connect: impl AsyncFnOnce() -> Result<P>,
) -> Result<ExitCode> {
    let (service, plan) = match command {
        Rollout::Cpanel(plan) => (Service::Cpanel, plan),
        Rollout::ImageAnalysis(plan) => (Service::ImageAnalysis, plan),
        Rollout::FaceRecognition(plan) => (Service::FaceRecognition, plan),
        Rollout::Status { json } => return status(place, json),
        Rollout::Pause(which) => return order(place, &which, Order::Pause, connect).await,
        Rollout::Resume(which) => return order(place, &which, Order::Resume, connect).await,
        Rollout::Promote(which) => return order(place, &which, Order::Promote, connect).await,
        Rollout::Abort(which) => return order(place, &which, Order::Abort, connect).await,
    };
    start(place, service, plan, connect).await
}

fn desk(place: &Place, service: Service) -> Result<Desk> {
    let directory = place.open()?.rollout(service.name());
    Desk::open(&directory).with_context(|| format!("cannot use {}", directory.display()))
}

fn means<'a, P>(platform: &'a P, desk: &'a Desk, clock: &'a Machine) -> Means<'a, P, Machine> {
    let screen = Screen::stdout();
    Means {
        platform,
        desk,
        clock,
        screen,
    }
}

/// Starts a rollout, or goes on with the same one that was left.
async fn start<P: Platform>(
    place: &Place,
    service: Service,
    plan: Plan,
    connect: impl AsyncFnOnce() -> Result<P>,
) -> Result<ExitCode> {
    let desk = desk(place, service)?;
    let Some(_turn) = desk.turn()? else {
        bail!("a rollout of {service} is under way; `airsidectl rollout status` shows it");
    };
    let left = desk.state()?.filter(|state| !state.phase.is_over());
    if let Some(left) = &left
        && left.plan != plan
    {
        let share = left.share();
        bail!(
            "a rollout of {service} to {} was left at {share} %; `rollout resume` goes on with it, `rollout abort` ends it",
            left.plan.to
        );
    }
    let platform = connect().await?;
    let clock = Machine::default();
    let means = means(&platform, &desk, &clock);
    let carried_out = async {
        let runner = match left {
            Some(state) => Runner::go_on(means, state),
            None => Runner::prepare(means, service, plan).await?,
        };
        finish(&desk, runner.run(None)).await
    };
    platform.alone(&purpose(service), carried_out).await
}

/// What other operators are told.
fn purpose(service: Service) -> String {
    format!("rollout of {service}")
}

/// Waits for the end of a rollout that this process carries out.
async fn finish(desk: &Desk, running: impl Future<Output = Result<Ending>>) -> Result<ExitCode> {
    let decisions = desk.decisions();
    tokio::select! {
        ending = running => {
            let ending = ending?;
            say!("decisions: {}", decisions.display());
            Ok(code(ending == Ending::Completed))
        }
        asked = tokio::signal::ctrl_c() => {
            asked.context("cannot await Ctrl-C")?;
            bail!("left where it is; `airsidectl rollout resume`, `promote` or `abort` goes on");
        }
    }
}

/// Leaves an order for the process that carries the rollout out; without one, does so itself.
async fn order<P: Platform>(
    place: &Place,
    which: &Which,
    order: Order,
    connect: impl AsyncFnOnce() -> Result<P>,
) -> Result<ExitCode> {
    let service = meant(place, which)?;
    let desk = desk(place, service)?;
    let state = unfinished(&desk, service)?;
    let Some(_turn) = desk.turn()? else {
        desk.leave(order)?;
        return obeyed(&desk, &state, order).await;
    };
    let platform = connect().await?;
    let clock = Machine::default();
    let runner = Runner::go_on(means(&platform, &desk, &clock), state);
    if order == Order::Pause {
        runner.pause()?;
        return Ok(ExitCode::SUCCESS);
    }
    let carried_out = finish(&desk, runner.run(Some(order)));
    let ending = platform.alone(&purpose(service), carried_out).await?;
    // Who aborts wants the old version back.
    Ok(if order == Order::Abort {
        ExitCode::SUCCESS
    } else {
        ending
    })
}

/// Waits until the other process has taken note.
async fn obeyed(desk: &Desk, before: &State, order: Order) -> Result<ExitCode> {
    let begun = Instant::now();
    loop {
        let state = desk.state()?.context("its state is gone")?;
        let done = match order {
            Order::Pause => state.phase == Phase::Paused,
            Order::Resume => state.phase != Phase::Paused,
            Order::Promote => state.phase == Phase::Completed,
            Order::Abort => state.phase.is_over(),
        };
        if done {
            let share = state.share();
            say!(
                "{} {}: {share} %, {}",
                state.service,
                state.plan.to,
                state.reason
            );
            return Ok(ExitCode::SUCCESS);
        }
        ensure!(
            begun.elapsed() < OBEYED_WITHIN,
            "the rollout has not obeyed within {OBEYED_WITHIN:?}; it is at {} %",
            before.share()
        );
        tokio::time::sleep(POLL).await;
    }
}

fn unfinished(desk: &Desk, service: Service) -> Result<State> {
    match desk.state()? {
        Some(state) if !state.phase.is_over() => Ok(state),
        Some(state) => bail!("the rollout of {service} is over: {}", state.reason),
        None => bail!("there is no rollout of {service}"),
    }
}

/// The service that is named, or the only one with a rollout under way.
fn meant(place: &Place, which: &Which) -> Result<Service> {
    if let Some(service) = which.service {
        return Ok(service);
    }
    let states = states(place)?.into_iter();
    let open: Vec<Service> = states
        .filter(|state| !state.phase.is_over())
        .map(|state| state.service)
        .collect();
    match open.as_slice() {
        [only] => Ok(*only),
        [] => bail!("no rollout is under way"),
        _ => bail!("several rollouts are under way; name one of their services"),
    }
}

fn states(place: &Place) -> Result<Vec<State>> {
    let mut states = Vec::new();
    for service in Service::ALL {
        states.extend(desk(place, service)?.state()?);
    }
    Ok(states)
}

fn status(place: &Place, json: bool) -> Result<ExitCode> {
    let states = states(place)?;
    if json {
        say!("{}", serde_json::to_string(&states)?);
        return Ok(ExitCode::SUCCESS);
    }
    if states.is_empty() {
        say!("there was no rollout yet");
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new([
        "service", "from", "to", "share", "step", "state", "since", "why",
    ]);
    for state in &states {
        let carried_out = desk(place, state.service)?.turn()?.is_none();
        let phase = match state.phase {
            Phase::Judging => "judging",
            Phase::Paused => "paused",
            Phase::Promoting => "promoting",
            Phase::GoingBack => "going back",
            Phase::RolledBack => "rolled back",
            Phase::Abandoned => "abandoned",
            Phase::Completed => "completed",
        };
        let left = !carried_out && !state.phase.is_over();
        table.row([
            state.service.to_string(),
            state.from().to_owned(),
            state.plan.to.clone(),
            format!("{} %", state.share()),
            format!(
                "{} of {}",
                (state.step + 1).min(state.plan.steps.count()),
                state.plan.steps.count()
            ),
            format!(
                "{phase}{}",
                if left {
                    ", left: `rollout resume` goes on"
                } else {
                    ""
                }
            ),
            state.since.to_string(),
            state.reason.clone(),
        ]);
    }
    say_on!("{table}");
    Ok(ExitCode::SUCCESS)
}
