//! How soon requests follow a rule.

use std::time::{Duration, Instant};

use airside_runtime::Mesh;
use anyhow::{Result, ensure};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;

/// Requests after a change was reported: all of them must follow it.
const AFTER: usize = 20;
/// A change that is not seen by then is lost.
const LIMIT: Duration = Duration::from_secs(10);

/// Applies a rule that sends everybody to this version of the panel, and asks `entrance` all the while who answers. The time from the
/// command's start to the first answer of that version.
///
/// # Errors
/// The rule is refused, no request follows it in time, or one does not any more.
pub async fn first_answer(
    entrance: &str,
    version: &str,
    apply: impl Future<Output = Result<()>>,
) -> Result<Duration> {
    let client = Mesh::new(None);
    let begun = Instant::now();
    let follows = async {
        while begun.elapsed() < LIMIT {
            if answers(&client, entrance, version).await? {
                return Ok(begun.elapsed());
            }
        }
        anyhow::bail!("no request followed the rule within {LIMIT:?}")
    };
    let ((), first) = tokio::try_join!(apply, follows)?;
    for _ in 0..AFTER {
        let answered = answers(&client, entrance, version).await?;
        ensure!(answered, "a request followed the old rule after the change");
    }
    Ok(first)
}

async fn answers(client: &Mesh, entrance: &str, version: &str) -> Result<bool> {
    let request = Request::get(format!("{entrance}/status")).body(Full::new(Bytes::new()))?;
    let answer = client.send(request, LIMIT).await?;
    ensure!(answer.status().is_success(), "{}", answer.status());
    let start = format!("CPanel {version} ");
    Ok(answer.into_body().starts_with(start.as_bytes()))
}
