//! One service or agent: started on a free port, announced, ready; asked, killed, restarted.

use std::{
    fs,
    net::SocketAddr,
    ops::{Deref, DerefMut},
    path::PathBuf,
    time::Duration,
};

use anyhow::Result;

use crate::{Answer, Case, Process, Spec, eventually, rest};

/// Enrolling a gallery takes a debug build a few seconds; the rest is for a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A running program that listens.
#[derive(Debug)]
pub struct Program {
    spec: Spec,
    process: Process,
    announce: PathBuf,
    address: SocketAddr,
}

impl Program {
    /// Starts a program on a free port and waits until it is ready.
    ///
    /// # Errors
    /// It ended, or was not ready in time; the error shows its last lines.
    pub async fn start(case: &Case, spec: Spec) -> Result<Self> {
        let mut program = Self::launch(case, spec).await?;
        program.ready().await?;
        Ok(program)
    }

    /// Starts a program on a free port and waits only until it listens.
    ///
    /// # Errors
    /// It ended, or did not listen in time; the error shows its last lines.
    pub async fn launch(case: &Case, spec: Spec) -> Result<Self> {
        let announce = case.directory().join(format!("{}.addr", spec.name));
        let spec = spec
            .flag("--listen", "127.0.0.1:0")
            .flag("--announce", &announce);
        // One of that name may have run before.
        let _ = fs::remove_file(&announce);
        let mut program = Self {
            process: spec.start(case)?,
            spec,
            announce,
            address: ([127, 0, 0, 1], 0).into(),
        };
        program.listening().await?;
        Ok(program)
    }

    async fn listening(&mut self) -> Result<()> {
        let what = format!("{} listens", self.spec.name);
        self.address = eventually(&what, READY_WITHIN, async || {
            self.process.still_running()?;
            let text = fs::read_to_string(&self.announce).unwrap_or_default();
            Ok(text.parse().ok())
        })
        .await?;
        Ok(())
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// It ended, or is not ready in time.
    pub async fn ready(&mut self) -> Result<()> {
        let what = format!("{} is ready", self.spec.name);
        let url = self.url("/readyz");
        eventually(&what, READY_WITHIN, async || {
            self.process.still_running()?;
            let answer = rest::get(&url).await.ok();
            Ok(answer.filter(|answer| answer.status == 200).map(drop))
        })
        .await
    }

    /// Starts it again after it was killed, with the same arguments, on a free port, until it is ready.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn restart(&mut self, case: &Case) -> Result<()> {
        let _ = fs::remove_file(&self.announce);
        self.process = self.spec.start(case)?;
        self.listening().await?;
        self.ready().await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://` and its address before this path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// `GET` of one of its paths.
    ///
    /// # Errors
    /// No answer.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        rest::get(&self.url(path)).await
    }

    /// `POST` of a JSON body to one of its paths.
    ///
    /// # Errors
    /// No answer.
    pub async fn post(&self, path: &str, body: &serde_json::Value) -> Result<Answer> {
        rest::post(&self.url(path), body).await
    }

    /// All samples of one of its metrics, added up; labels may be narrowed by a text such as `outcome="recorded"`.
    ///
    /// # Errors
    /// No answer.
    pub async fn metric(&self, name: &str, labels: &str) -> Result<f64> {
        let text = self.get("/metrics").await?.text();
        let of_metric = |line: &&str| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']) && rest.contains(labels))
        };
        let values = text.lines().filter(of_metric);
        Ok(values
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    }
}

impl Deref for Program {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Program {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}
