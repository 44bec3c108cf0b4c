//! The machine on which the agent runs: where it keeps its state, and what time it has.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use airside_tests::{Case, Spec, disk::SmallDisk};
use anyhow::{Context as _, Result, ensure};

/// The machine.
pub(super) struct Device {
    state: PathBuf,
    /// Words that start a program there.
    through: Vec<OsString>,
    config: Option<PathBuf>,
}

impl Device {
    /// With a directory of the case.
    pub(super) fn usual(case: &Case) -> Self {
        Self {
            state: case.directory().join("state"),
            through: Vec::new(),
            config: None,
        }
    }

    /// With this disk, and this configuration.
    pub(super) fn with_disk(case: &Case, disk: &SmallDisk, configuration: &str) -> Result<Self> {
        let file = case.directory().join("agent.toml");
        fs::write(&file, configuration)?;
        Ok(Self {
            state: disk.path().to_owned(),
            through: disk.inside(),
            config: Some(file),
        })
    }

    /// Where every program is started by these words.
    pub(super) fn through<T: Into<OsString>>(mut self, words: impl IntoIterator<Item = T>) -> Self {
        self.through.extend(words.into_iter().map(Into::into));
        self
    }

    /// The agent, filming this.
    pub(super) fn agent(&self, source: &Path, fps: u32) -> Spec {
        let agent = Spec::agent("gate")
            .flag("--state-dir", &self.state)
            .flag("--source", source)
            .flag("--fps", fps.to_string())
            .through(&self.through);
        match &self.config {
            Some(config) => agent.flag("--config", config),
            None => agent,
        }
    }

    /// How many pictures a killed agent has captured: what `airside-agent ledger verify` finds, without fault, on its disk.
    pub(super) async fn captured(&self) -> Result<u64> {
        let verify = Spec::bare("verify", "airside-agent")
            .arg("ledger")
            .arg("verify")
            .flag("--state-dir", &self.state)
            .through(&self.through);
        let output = verify.output().await?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        ensure!(output.status.success(), "ledger and disk differ: {said}");
        let number = |line: &str, place: usize| {
            let word = line.split_whitespace().nth(place);
            word.and_then(|word| word.parse::<u64>().ok())
        };
        let mut lines = said.lines();
        let captured = lines.nth(1).and_then(|line| number(line, 1));
        let captured = captured.with_context(|| format!("no ledger: {said}"))?;
        // Frames that were written just before the end.
        let unbooked = lines.find(|line| line.contains("more on disk"));
        let unbooked = unbooked.and_then(|line| number(line, 2));
        Ok(captured + unbooked.unwrap_or_default())
    }
}
