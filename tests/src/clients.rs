//! Clients that ask all the while something changes.

use std::{cell::Cell, time::Duration};

use anyhow::{Result, ensure};

/// One is answered by a panel alone, the other by a collector behind it.
const PATHS: [&str; 2] = ["/status", "/collector/status"];
/// Requests go on at this pace.
const PAUSE: Duration = Duration::from_millis(20);

/// Makes `changes` while two clients ask. `ask` makes requests for a path and says how many; one that failed is an error.
///
/// # Errors
/// The changes fail, a request does, or nobody was asked.
pub async fn while_asked<T>(
    ask: impl AsyncFn(&str) -> Result<u32>,
    changes: impl Future<Output = Result<T>>,
) -> Result<T> {
    let over = Cell::new(false);
    let changes = async {
        let changed = changes.await;
        over.set(true);
        changed
    };
    let client = async |path| {
        let mut count = 0;
        while !over.get() {
            count += ask(path).await?;
            tokio::time::sleep(PAUSE).await;
        }
        ensure!(count > 0, "nobody was asked for {path}");
        anyhow::Ok(())
    };
    let [one, other] = PATHS.map(client);
    // A request that failed ends the changes: what they do afterwards proves nothing.
    let (changed, (), ()) = tokio::try_join!(changes, one, other)?;
    Ok(changed)
}
