//! Conditions with a deadline.

use std::{
    fmt::Debug,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// Often enough that no test waits for it, seldom enough that the programs keep the processors.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks `probe` again and again until it has something.
///
/// # Errors
/// The probe failed, or had nothing within `limit`; `what` names the condition.
pub async fn eventually<T>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = probe().await? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("{what}: not within {limit:?}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks `probe` again and again until it has something, for as long as the progress that it tells instead keeps changing: for what
/// takes longer the busier the machine is.
///
/// # Errors
/// The probe failed, or told the same progress for all of `patience`; `what` names the condition.
pub async fn progressing<T, P: Debug + PartialEq>(
    what: &str,
    patience: Duration,
    mut probe: impl AsyncFnMut() -> Result<ControlFlow<T, P>>,
) -> Result<T> {
    let mut reached = None;
    let mut since = Instant::now();
    loop {
        let progress = match probe().await? {
            ControlFlow::Break(found) => return Ok(found),
            ControlFlow::Continue(progress) => Some(progress),
        };
        if progress != reached {
            reached = progress;
            since = Instant::now();
        } else if since.elapsed() >= patience {
            bail!("{what}: no progress within {patience:?}, at {reached:?}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
