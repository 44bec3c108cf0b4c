//! Which abilities of the pipeline are off, asked of the services that have them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use airside_runtime::Mesh;
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use serde::Deserialize;
use tokio::sync::Mutex;

/// An answer is good for that long: abilities change with a restart only, and every open page asks.
const FRESH: Duration = Duration::from_secs(10);
/// A page does not wait longer for this.
const LIMIT: Duration = Duration::from_secs(1);

/// Ability and why it is off.
pub(super) type Off = BTreeMap<String, String>;

/// The last answer.
#[derive(Debug, Default)]
pub(super) struct Abilities {
    last: Mutex<Option<(Instant, Off)>>,
}

/// The part of a readiness report that matters here.
#[derive(Deserialize)]
struct Report {
    #[serde(default)]
    off: Off,
}

impl Abilities {
    /// What is off at these services; one that does not answer is off itself.
    pub(super) async fn off(&self, mesh: &Mesh, services: [(&str, &Uri); 2]) -> Off {
        let mut last = self.last.lock().await;
        if let Some((when, off)) = last.as_ref()
            && when.elapsed() < FRESH
        {
            return off.clone();
        }
        let [first, second] = services.map(|(name, origin)| ask(mesh, name, origin));
        let (mut off, more) = tokio::join!(first, second);
        off.extend(more);
        *last = Some((Instant::now(), off.clone()));
        off
    }
}

async fn ask(mesh: &Mesh, name: &str, origin: &Uri) -> Off {
    let report = async {
        let request = Request::get(format!("{origin}readyz")).body(Full::new(Bytes::new()));
        let answer = mesh.send(request.ok()?, LIMIT).await.ok()?;
        serde_json::from_slice::<Report>(answer.body()).ok()
    };
    match report.await {
        Some(report) => report.off,
        None => Off::from([(name.to_owned(), "the service does not answer".to_owned())]),
    }
}
