//! What the roles that keep something share: where they keep, for how long, and what a disk that fails means.
//!
//! Invariant: the service is not ready while it cannot write. A failing write is answered 503 or 507 and ends
//! nothing; the service tries by itself until writing works again, also when a server is away at the start. A database that
//! will never work (a refused password, a newer schema) ends the service.

mod place;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use airside_core::Timestamp;
use airside_runtime::{Problem, Readiness, carry::Carried, parse, problem::Chain, readiness};
use airside_store::{Alerts, Answer, Error, Persons, Place, Request, Settlements};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

pub use place::{Chosen, OnServer, PasswordFile, read_address};

/// How often a disk that failed is tried again.
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// How often what is too old is erased.
const PURGE_EVERY: Duration = Duration::from_secs(3_600);
/// How long a repeated request is known; retries come within seconds.
const REPEATABLE: Duration = Duration::from_secs(24 * 3_600);

/// Settings of the services that keep something.
#[derive(clap::Args, Clone, Debug)]
pub struct Storage {
    /// SQLite file to keep everything in, made with its directory if it is not there [default: .airside/data/ROLE.sqlite];
    /// or a PostgreSQL database that instances share, postgres://USER@HOST:PORT/DATABASE.
    #[arg(long, env = "AIRSIDE_DATABASE", value_name = "FILE|URL", value_parser = place::read)]
    pub database: Option<Chosen>,
    /// What else a server needs.
    #[command(flatten)]
    pub server: OnServer,
    /// Time after which what was stored is erased, pictures included.
    #[arg(long, env = "AIRSIDE_RETENTION", default_value = "30d", value_name = "TIME", value_parser = parse::duration)]
    pub retention: Duration,
}

impl Storage {
    /// Where a role keeps what it keeps.
    pub(crate) fn place(&self, role: &str) -> Result<Place, PasswordFile> {
        Ok(match &self.database {
            None => Place::File(format!(".airside/data/{role}.sqlite").into()),
            Some(Chosen::File(file)) => Place::File(file.clone()),
            Some(Chosen::Server(address)) => self.server.place(address, role)?,
        })
    }
}

/// Whether the store works.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    readiness: Readiness,
    failing: Arc<Mutex<Option<Failing>>>,
}

#[derive(Debug)]
struct Failing {
    /// Why, as it was logged.
    error: String,
    /// Until it works again.
    _waiting: readiness::Task,
}

impl Health {
    pub(crate) fn new(readiness: &Readiness) -> Self {
        Self {
            readiness: readiness.clone(),
            failing: Arc::default(),
        }
    }

    /// Notes how writing went; what went wrong becomes a problem for the caller.
    pub(crate) fn wrote<T>(&self, result: Result<T, Error>) -> Result<T, Problem> {
        if result.is_ok() {
            self.set_failing(None);
        }
        self.read(result)
    }

    /// Notes how reading went. A full disk can still be read: that alone is no recovery.
    pub(crate) fn read<T>(&self, result: Result<T, Error>) -> Result<T, Problem> {
        result.map_err(|error| self.refuse(&error))
    }

    /// Notes how opening went. What may work later is waited for.
    pub(crate) fn opened(&self, result: Result<(), Error>) -> Result<(), Error> {
        match result {
            Err(error) if may_work_later(&error) => {
                self.set_failing(Some(&error));
                Ok(())
            }
            result => result,
        }
    }

    fn refuse(&self, error: &Error) -> Problem {
        let (status, detail) = match error {
            // Nothing fails: others were first.
            Error::Busy(_) => {
                let detail = "the store is busy; try again";
                return Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
            }
            Error::Full(_) => (
                StatusCode::INSUFFICIENT_STORAGE,
                "nothing can be stored: the disk is full",
            ),
            Error::Unavailable(_) | Error::Open { .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the store does not work at the moment; try again later",
            ),
            Error::File { .. }
            | Error::Migrate { .. }
            | Error::Newer(_)
            | Error::TooOld(_)
            | Error::SchemaName(_)
            | Error::Statement(_)
            | Error::Content { .. } => return Problem::internal(error),
        };
        self.set_failing(Some(error));
        Problem::new(status, detail)
    }

    fn set_failing(&self, error: Option<&Error>) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(error) = error else {
            *failing = None;
            return;
        };
        let error = Chain(error).to_string();
        let known = failing.get_or_insert_with(|| Failing {
            error: String::new(),
            _waiting: self.readiness.task("store"),
        });
        // A server that went away may come back with another trouble.
        if known.error != error {
            tracing::error!(error, "the store fails");
            known.error = error;
        }
    }

    fn is_failing(&self) -> bool {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.is_some()
    }
}

/// Whether this is worth waiting for.
pub(crate) fn may_work_later(error: &Error) -> bool {
    matches!(
        error,
        Error::Full(_) | Error::Unavailable(_) | Error::Busy(_)
    )
}

/// Whether a server, found at last, is none that this service can use.
fn is_final(error: &Error) -> bool {
    matches!(
        error,
        Error::Open { .. }
            | Error::File { .. }
            | Error::Migrate { .. }
            | Error::Newer(_)
            | Error::TooOld(_)
    )
}

/// What [`maintain`] takes care of.
pub(crate) trait Kept: Clone + Send + Sync + 'static {
    /// Finds out whether writing works.
    fn probe(&self) -> impl Future<Output = Result<(), Error>> + Send;
    /// Erases what was stored before `kept` and the requests answered before `repeatable`.
    fn purge(
        &self,
        kept: Timestamp,
        repeatable: Timestamp,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

impl Kept for Persons {
    async fn probe(&self) -> Result<(), Error> {
        Self::probe(self).await
    }

    async fn purge(&self, kept: Timestamp, repeatable: Timestamp) -> Result<(), Error> {
        Self::purge(self, kept, repeatable).await
    }
}

impl Kept for Alerts {
    async fn probe(&self) -> Result<(), Error> {
        Self::probe(self).await
    }

    async fn purge(&self, kept: Timestamp, repeatable: Timestamp) -> Result<(), Error> {
        Self::purge(self, kept, repeatable).await
    }
}

impl Kept for Settlements {
    async fn probe(&self) -> Result<(), Error> {
        Self::probe(self).await
    }

    async fn purge(&self, kept: Timestamp, _: Timestamp) -> Result<(), Error> {
        Self::purge(self, kept).await
    }
}

/// Erases what is too old and tries a failing store again, until the drain.
///
/// # Errors
/// It was away at first, and is none that this service can use.
pub(crate) async fn maintain(
    kept: impl Kept,
    retention: Duration,
    health: Health,
    drain: CancellationToken,
) -> Result<(), Error> {
    let mut tick = tokio::time::interval(PROBE_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next_purge = Instant::now();
    while drain.run_until_cancelled(tick.tick()).await.is_some() {
        if health.is_failing() {
            let probed = kept.probe().await;
            if let Err(error) = &probed
                && is_final(error)
            {
                return probed;
            }
            // What failed is in the log and in the readiness; the next tick tries again.
            if health.wrote(probed).is_err() {
                continue;
            }
        }
        if Instant::now() >= next_purge {
            let now = Timestamp::now();
            let purged = kept.purge(now.before(retention), now.before(REPEATABLE));
            if health.wrote(purged.await).is_ok() {
                next_purge = Instant::now() + PURGE_EVERY;
            }
        }
    }
    Ok(())
}

/// The request under way, if a mesh may repeat it.
pub(crate) fn repeatable(target: &str) -> Option<Request> {
    Carried::current().request_id().map(|id| Request {
        target: target.to_owned(),
        id: id.to_owned(),
    })
}

/// An answer that can be kept and given again.
pub(crate) fn created(body: &impl Serialize) -> Answer {
    Answer {
        status: StatusCode::CREATED.as_u16(),
        content_type: "application/json".to_owned(),
        body: serde_json::to_vec(body).expect("answers hold numbers and texts alone"),
    }
}

/// Gives a kept answer.
pub(crate) fn respond(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let headers = [(header::CONTENT_TYPE, answer.content_type)];
    (status, headers, answer.body).into_response()
}
