//! The socket of a running mesh: one request and one reply a connection, a line of JSON each.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use crate::run_dir::Owner;
use crate::supervise::Report;
use airside_mesh::istio::Source;

/// Rules of a whole directory fit many times.
const LINE_LIMIT: u64 = 8 << 20;
/// A change of rules takes at most some seconds.
const REPLY_DEADLINE: Duration = Duration::from_secs(60);

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
    /// An end of everything.
    Stop,
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
    /// The rules are not in force; those before are.
    Refused(String),
    /// It ends.
    Stopping,
}

/// A mesh at one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Snapshot {
    /// Who runs it.
    pub owner: Owner,
    /// Its instances.
    pub instances: Vec<Report>,
    /// The rules in force, in words.
    pub rules: String,
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

    /// Hands requests on, one after the other: each is quick, and rules change in the order asked.
    pub(super) async fn run(&self, requests: mpsc::Sender<Asked>) {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                continue;
            };
            if let Err(error) = serve(stream, &requests).await {
                tracing::debug!(%error, "control request failed");
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn serve(mut stream: UnixStream, requests: &mpsc::Sender<Asked>) -> io::Result<()> {
    let request: Request = read_line(&mut stream).await?;
    let (reply, replied) = oneshot::channel();
    let gone = |_| io::Error::other("the mesh is ending");
    requests
        .send((request, reply))
        .await
        .map_err(|_| gone(()))?;
    let reply = replied.await.map_err(|_| gone(()))?;
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
        let reply = tokio::time::timeout(REPLY_DEADLINE, exchange).await;
        reply
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(ControlError::Silent)
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
