//! Conditions with a deadline.

use std::time::{Duration, Instant};

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
