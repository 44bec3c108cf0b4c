//! One whole-system test: its directory, its deadline, and the programs' last words when it fails.
#![allow(
    clippy::print_stderr,
    reason = "a failing test shows the logs of its programs"
)]

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};

/// Cases that hang fail after this; the slowest takes about a minute on two cores.
const DEADLINE: Duration = Duration::from_secs(240);
/// Lines of each log that are shown when a case fails.
const LAST_LINES: usize = 15;

/// One case at a time.
static TURN: Mutex<()> = Mutex::new(());

/// What a test works with.
#[derive(Debug)]
pub struct Case {
    directory: PathBuf,
}

impl Case {
    /// The case's own, empty directory; logs lie there as `*.log`. It stays when the case fails.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// Runs a test. `name` is its directory below `target/test-runs`.
///
/// # Panics
/// When the test fails or exceeds its deadline.
pub fn case(name: &str, test: impl AsyncFnOnce(&Case) -> Result<()>) {
    case_within(DEADLINE, name, test);
}

/// Runs what takes longer than other tests: a benchmark, all experiments.
///
/// # Panics
/// When it fails or exceeds this deadline.
pub fn case_within(deadline: Duration, name: &str, test: impl AsyncFnOnce(&Case) -> Result<()>) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = target().join("test-runs").join(name);
    let end = catch_unwind(AssertUnwindSafe(|| {
        let directory = directory.clone();
        run(&Case { directory }, deadline, test)
    }));
    if !matches!(end, Ok(Ok(()))) {
        show_logs(&directory);
    }
    match end {
        Ok(Ok(())) => {
            // What cannot be removed is emptied by the next run.
            let _ = fs::remove_dir_all(&directory);
        }
        Ok(Err(error)) => panic!("{error:#}"),
        Err(panic) => resume_unwind(panic),
    }
}

fn run(case: &Case, deadline: Duration, test: impl AsyncFnOnce(&Case) -> Result<()>) -> Result<()> {
    if case.directory.exists() {
        fs::remove_dir_all(&case.directory)?;
    }
    fs::create_dir_all(&case.directory)?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        match tokio::time::timeout(deadline, test(case)).await {
            Ok(result) => result,
            Err(_) => Err(anyhow!("not done within {deadline:?}")),
        }
    })
}

fn show_logs(directory: &Path) {
    let logs = fs::read_dir(directory).into_iter().flatten().flatten();
    for path in logs.map(|entry| entry.path()) {
        if path.extension().is_some_and(|end| end == "log") {
            eprintln!("--- {}\n{}", path.display(), last_lines(&path));
        }
    }
}

/// The end of a log.
pub(crate) fn last_lines(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

/// Cargo's target directory.
pub(crate) fn target() -> PathBuf {
    let programs = programs();
    programs.parent().map(Path::to_path_buf).unwrap_or(programs)
}

/// The directory of the programs that were built with this one, e.g. `target/debug`.
pub(crate) fn programs() -> PathBuf {
    let this = std::env::current_exe().unwrap_or_default();
    // target/debug/deps/system-0123456789abcdef
    this.ancestors()
        .nth(2)
        .map(Path::to_path_buf)
        .unwrap_or_default()
}

/// The repository.
#[must_use]
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The directory with `models.toml`.
///
/// # Errors
/// There is none.
pub fn models() -> Result<PathBuf> {
    let directory = std::env::var_os("AIRSIDE_MODELS")
        .map_or_else(|| repository().join("models"), PathBuf::from);
    fs::metadata(directory.join("models.toml"))
        .with_context(|| format!("no models in {}; run `make setup`", directory.display()))?;
    Ok(directory)
}
