//! Reading the configuration again while the agent runs: at `SIGHUP` from the file, by `PUT /config` from a body.
//!
//! What is refused changes nothing. What is accepted is in force for the cameras at once; settings that only a new process
//! takes over are named in the report and stay as they are.

mod persist;
mod report;

use std::{ffi::OsString, io, path::PathBuf, sync::Arc};

use airside_runtime::{config::Document, problem::Chain, tls};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot, watch},
};
use tokio_util::sync::CancellationToken;

pub use self::report::Report;
use crate::{
    fleet::{self, Helm, Wanted},
    settings::{self, Loaded, Settings},
    systemd::Notify,
};

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is refused.
    #[error(transparent)]
    Refused(#[from] settings::Error),
    /// A file that the uplink's TLS is to be made of.
    #[error("uplink.ca, uplink.certificate, uplink.key: {0}")]
    Tls(#[from] tls::Error),
    /// There is no file to write to.
    #[error("there is no configuration file to write: the agent was started without --config")]
    NoFile,
    /// The file cannot be written.
    #[error("cannot write {}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The agent ends.
    #[error("the agent is ending")]
    Ending,
}

struct Order {
    text: String,
    persist: bool,
    answer: oneshot::Sender<Result<Report, Error>>,
}

/// Has the configuration exchanged, and tells the one in force.
#[derive(Clone)]
pub struct Reload {
    orders: mpsc::Sender<Order>,
    in_force: watch::Receiver<Arc<str>>,
}

impl Reload {
    /// The configuration in force as TOML, without credentials.
    #[must_use]
    pub fn in_force(&self) -> Arc<str> {
        Arc::clone(&self.in_force.borrow())
    }

    /// Has this text in place of the file. With `persist` the file holds it afterwards.
    ///
    /// # Errors
    /// Nothing was changed, and why.
    pub async fn replace(&self, text: String, persist: bool) -> Result<Report, Error> {
        let (answer, answered) = oneshot::channel();
        let order = Order {
            text,
            persist,
            answer,
        };
        let sent = self.orders.send(order).await;
        sent.map_err(|_| Error::Ending)?;
        answered.await.map_err(|_| Error::Ending)?
    }
}

/// Reads the configuration again, one order after the other. An order that was taken on is carried out, whoever waits for it.
pub struct Reloader {
    /// The program's own, as at the start: flags still come first.
    args: Vec<OsString>,
    loaded: Loaded,
    means: Means,
    orders: mpsc::Receiver<Order>,
    in_force: watch::Sender<Arc<str>>,
}

/// What is changed, and who is told.
pub struct Means {
    /// The cameras with their spools and links.
    pub helm: Helm,
    /// What links by TLS are made of.
    pub tls: tls::Client,
    /// The service manager.
    pub notify: Notify,
}

/// A configuration that can be put in force.
struct Accepted {
    loaded: Loaded,
    /// Other files than those in force.
    tls: Option<tls::Prepared>,
}

impl Reloader {
    /// For an agent that was started with these arguments and runs with what they led to.
    #[must_use]
    pub fn new(args: Vec<OsString>, loaded: Loaded, means: Means) -> (Self, Reload) {
        let (sender, orders) = mpsc::channel(1);
        let (in_force, shown) = watch::channel(report::in_force(&loaded));
        let reloader = Self {
            args,
            loaded,
            means,
            orders,
            in_force,
        };
        let reload = Reload {
            orders: sender,
            in_force: shown,
        };
        (reloader, reload)
    }

    /// Carries out signals and orders until the agent ends.
    ///
    /// # Errors
    /// The process cannot listen to signals.
    pub async fn run(mut self, drain: CancellationToken) -> io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        loop {
            tokio::select! {
                () = drain.cancelled() => return Ok(()),
                _ = hangup.recv() => {
                    self.means.notify.reloading();
                    log(&self.reload().await);
                    self.means.notify.ready();
                }
                Some(order) = self.orders.recv() => {
                    let done = self.replace(order.text, order.persist).await;
                    log(&done);
                    // Who asked may have gone.
                    let _ = order.answer.send(done);
                }
            }
        }
    }

    async fn reload(&mut self) -> Result<Report, Error> {
        let (args, in_force) = (self.args.clone(), files(&self.loaded));
        let accepted = blocking(move || accept(settings::load(args)?, &in_force)).await;
        self.put_in_force(accepted?).await
    }

    async fn replace(&mut self, text: String, persist: bool) -> Result<Report, Error> {
        let (args, in_force) = (self.args.clone(), files(&self.loaded));
        let file = self.loaded.flags.server.config.clone();
        let file = match (persist, file) {
            (false, _) => None,
            (true, Some(file)) => Some(file),
            (true, None) => return Err(Error::NoFile),
        };
        let accepted = blocking(move || {
            let document = Document::new("configuration", text.clone());
            let accepted = accept(settings::load_with(args, document)?, &in_force)?;
            match file {
                Some(file) => match persist::write(&file, &text) {
                    Ok(()) => Ok(accepted),
                    Err(source) => Err(Error::Write { file, source }),
                },
                None => Ok(accepted),
            }
        });
        let report = self.put_in_force(accepted.await?).await?;
        Ok(Report {
            persisted: persist,
            ..report
        })
    }

    async fn put_in_force(&mut self, accepted: Accepted) -> Result<Report, Error> {
        let Accepted { loaded, tls } = accepted;
        let Settings {
            cameras,
            uplink,
            spool,
            ..
        } = loaded.settings.clone();
        if let Some(tls) = tls {
            self.means.tls.exchange(tls);
        }
        let wanted = Wanted {
            cameras,
            uplink,
            spool,
        };
        let changes = self.means.helm.steer(wanted).await;
        let changes = changes.ok_or(Error::Ending)?;
        report::take_over(&mut self.loaded, &loaded);
        let restart_needed = report::differences(&self.loaded, &loaded);
        self.in_force.send_replace(report::in_force(&self.loaded));
        Ok(Report {
            changes,
            restart_needed,
            persisted: false,
        })
    }
}

/// Reads the files that a configuration names for the uplink, unless they are those `in_force`: then who watches them says if
/// they are of no use.
fn accept(loaded: Loaded, in_force: &tls::Files) -> Result<Accepted, Error> {
    let files = files(&loaded);
    let tls = match files == *in_force {
        true => None,
        false => Some(tls::Prepared::new(files)?),
    };
    Ok(Accepted { loaded, tls })
}

fn files(loaded: &Loaded) -> tls::Files {
    let files = loaded.settings.uplink.tls();
    files.expect("it is checked when settings are loaded")
}

fn log(done: &Result<Report, Error>) {
    match done {
        Ok(report) => {
            let fleet::Changes {
                added,
                removed,
                restarted,
                redirected,
                ..
            } = &report.changes;
            tracing::info!(
                ?added,
                ?removed,
                ?restarted,
                ?redirected,
                "configuration reloaded"
            );
            if !report.restart_needed.is_empty() {
                let keys = report.restart_needed.join(", ");
                tracing::warn!(keys, "these settings are taken over by a new process only");
            }
        }
        Err(error) => {
            let reason = Chain(error).to_string();
            let reason = reason.strip_prefix("error: ").unwrap_or(&reason);
            tracing::error!(
                reason,
                "the configuration is refused; the old one stays in force"
            );
        }
    }
}

/// Where reading and writing files is allowed.
async fn blocking<T, E>(read: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Error>
where
    T: Send + 'static,
    E: Send + 'static,
    Error: From<E>,
{
    let done = tokio::task::spawn_blocking(read).await;
    done.map_err(|_| Error::Ending)?.map_err(Error::from)
}
