//! The socket of a running mesh: one request and one reply a connection, a line of JSON each.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::replicas::Wished;
use crate::run_dir::Owner;
use crate::supervise::Report;
use airside_lab::platform::Document;
use airside_mesh::istio::Source;

/// Rules of a whole directory fit many times.
const LINE_LIMIT: u64 = 8 << 20;
/// A change of rules takes at most some seconds.
const REPLY_DEADLINE: Duration = Duration::from_secs(60);
/// Instances may be waited for, or taken back, behind another one who scales.
const SCALE_DEADLINE: Duration = Duration::from_secs(180);

/// What can be asked of a running mesh.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Who runs, and what it is.
    Status,
    /// These rules over those in force.
    Apply(Vec<Source>),
    /// These rules in place of those in force.
    Replace(Vec<Source>),
    /// So many instances of a workload.
    Scale(Scale),
    /// The rules in force, document by document.
    Documents,
    /// An end of everything.
    Stop,
}

/// A wish for so many instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scale {
    /// Name of the workload, `cpanel-v2`, or of the role where only one version of it runs.
    pub workload: String,
    /// How many.
    pub replicas: u32,
}

/// What a running mesh answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Who runs.
    Status(Snapshot),
    /// The rules are in force.
    Applied {
        /// How many of each kind are in force, in words.
        rules: String,
        /// Whether anything is different from before.
        changed: bool,
        /// Until Envoy reported it.
        elapsed: Duration,
    },
    /// The instances that were asked for run, the others ended.
    Scaled(Scaled),
    /// The rules in force.
    Documents(Vec<Document>),
    /// What was asked was not done; everything is as before.
    Refused(String),
    /// What was asked was tried, failed, and was taken back.
    Failed(String),
    /// It ends.
    Stopping,
}

/// A mesh at one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Snapshot {
    /// Who runs it.
    pub owner: Owner,
    /// Its workloads, also those without instances, in order of the topology.
    pub workloads: Vec<Staffing>,
    /// Its instances.
    pub instances: Vec<Report>,
    /// Names of the instances that outlier detection leaves out at the moment.
    pub ejected: Vec<String>,
    /// The rules in force, in words.
    pub rules: String,
}

/// How many instances a workload has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staffing {
    /// Its full name, `cpanel-v2`.
    pub workload: String,
    /// How many there are, those that are draining left out.
    pub replicas: usize,
    /// How many of them are ready.
    pub ready: usize,
    /// Why there can only be one, if that is so.
    pub single: Option<String>,
}

/// A workload with as many instances as were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scaled {
    /// Its full name, `cpanel-v2`.
    pub workload: String,
    /// How many instances it has.
    pub replicas: u32,
    /// Those that take calls now and did not run before.
    pub started: Vec<String>,
    /// Those that were drained and ended.
    pub ended: Vec<String>,
    /// Whether no instance of any version is left to call.
    pub service_is_gone: bool,
    /// Until all that was done.
    pub elapsed: Duration,
}

impl fmt::Display for Scaled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.started.as_slice(), self.ended.as_slice()) {
            ([], []) => " already".to_owned(),
            (started, []) => format!(": {} started", started.join(", ")),
            (_, ended) => format!(": {} drained and ended", ended.join(", ")),
        };
        let replicas = match self.replicas {
            0 => "no instance".to_owned(),
            1 => "1 instance".to_owned(),
            many => format!("{many} instances"),
        };
        write!(f, "{} has {replicas}{what}", self.workload)?;
        if !(self.started.is_empty() && self.ended.is_empty()) {
            write!(f, " after {:.1?}", self.elapsed)?;
        }
        if self.service_is_gone {
            f.write_str("; no version of it is left: calls to it are answered 503")?;
        }
        Ok(())
    }
}

/// A request and where its reply goes.
pub(super) type Asked = (Request, oneshot::Sender<Reply>);

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nothing runs.
    #[error("no mesh is running; `airsidectl up` or `make run` starts one")]
    NotRunning,
    /// It runs and does not reply.
    #[error("the running mesh does not answer: {0}")]
    Silent(#[source] io::Error),
    /// It replies to another question.
    #[error("the running mesh answers something else: {0:?}")]
    Beside(Box<Reply>),
}

/// Who carries requests out.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    /// What concerns rules, and everything else.
    pub(super) operator: mpsc::Sender<Asked>,
    /// What concerns numbers of instances.
    pub(super) replicas: mpsc::Sender<Wished>,
}

/// Takes requests until it is dropped.
pub(super) struct Server {
    listener: UnixListener,
    path: PathBuf,
}

impl Server {
    /// Listens at `path`. A socket left there by a mesh that was killed is replaced: whoever holds
    /// the lock of the directory may.
    pub(super) fn bind(path: PathBuf) -> io::Result<Self> {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        Ok(Self { listener, path })
    }

    /// Hands requests on in the order asked. Rules change one after the other, and so do numbers of instances, which take
    /// longer.
    pub(super) async fn run(&self, desk: Desk) {
        let mut exchanges = JoinSet::new();
        loop {
            tokio::select! {
                Ok((stream, _)) = self.listener.accept() => {
                    exchanges.spawn(serve(stream, desk.clone()));
                }
                Some(ended) = exchanges.join_next() => match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::debug!(%error, "control request failed"),
                    Err(error) => tracing::error!(%error, "control request failed"),
                },
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn serve(mut stream: UnixStream, desk: Desk) -> io::Result<()> {
    let request: Request = read_line(&mut stream).await?;
    let (reply, replied) = oneshot::channel();
    let taken = match request {
        Request::Scale(scale) => desk.replicas.send((scale, reply)).await.is_ok(),
        request => desk.operator.send((request, reply)).await.is_ok(),
    };
    let reply = if taken { replied.await.ok() } else { None };
    let reply = reply.unwrap_or_else(|| Reply::Refused("the mesh is ending".to_owned()));
    write_line(&mut stream, &reply).await
}

/// Asks a running mesh.
#[derive(Debug, Clone)]
pub struct Client(PathBuf);

impl Client {
    /// The mesh whose socket is at `path`.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Asks, and waits for the reply.
    ///
    /// # Errors
    /// No mesh runs, or it does not reply.
    pub async fn ask(&self, request: &Request) -> Result<Reply, ControlError> {
        let mut stream = UnixStream::connect(&self.0)
            .await
            .map_err(|_| ControlError::NotRunning)?;
        let exchange = async {
            write_line(&mut stream, request).await?;
            read_line(&mut stream).await
        };
        let deadline = match request {
            Request::Scale(_) => SCALE_DEADLINE,
            _ => REPLY_DEADLINE,
        };
        let reply = tokio::time::timeout(deadline, exchange).await;
        reply
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(ControlError::Silent)
    }

    /// Asks who runs, and where.
    ///
    /// # Errors
    /// No mesh runs, or it does not reply.
    pub async fn snapshot(&self) -> Result<Snapshot, ControlError> {
        match self.ask(&Request::Status).await? {
            Reply::Status(snapshot) => Ok(snapshot),
            other => Err(ControlError::Beside(Box::new(other))),
        }
    }
}

async fn write_line<T: Serialize>(stream: &mut UnixStream, value: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    stream.write_all(&line).await
}

async fn read_line<T: for<'de> Deserialize<'de>>(stream: &mut UnixStream) -> io::Result<T> {
    let mut line = String::new();
    BufReader::new(stream)
        .take(LINE_LIMIT)
        .read_line(&mut line)
        .await?;
    Ok(serde_json::from_str(&line)?)
}
