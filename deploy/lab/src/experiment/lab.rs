//! The workplace of an experiment: what it may do to the system, and what has to be put back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use airside_mesh::istio::Source;
use anyhow::{Context, Result, bail, ensure};
use http::Method;
use serde_json::Value;

use super::{Check, Metrics, Percent, duration};
use crate::fetch::{Answer, Client};
use crate::load::{self, Options, Tally, Wanted};
use crate::platform::{Document, Instance, Platform};
use crate::terminal::indented;

/// Cameras and instances answer within a second; ten mean they hang.
const DEADLINE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(50);

/// What experiments are given.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The directory of the Istio files.
    pub files: PathBuf,
    /// Share of the canary.
    pub percent: Percent,
}

/// The workplace of one experiment.
pub struct Lab<'a, P> {
    platform: &'a P,
    setup: &'a Setup,
    client: Client,
    checks: Vec<Check>,
    before: Before,
}

/// How it was before the experiment, as far as the experiment changed it.
#[derive(Default)]
struct Before {
    rules: Vec<Document>,
    replicas: BTreeMap<String, u32>,
    /// Instances whose fault switch was touched.
    faults: BTreeSet<String>,
    /// Which cameras streamed.
    streaming: Option<BTreeMap<String, bool>>,
}

impl<'a, P: Platform> Lab<'a, P> {
    /// Begins an experiment: the default rules are in force.
    ///
    /// # Errors
    /// The platform does not answer.
    pub(super) async fn open(platform: &'a P, setup: &'a Setup) -> Result<Self> {
        let rules = platform.documents().await?;
        platform.reset().await?;
        Ok(Self {
            platform,
            setup,
            client: Client::new(DEADLINE),
            checks: Vec::new(),
            before: Before {
                rules,
                ..Before::default()
            },
        })
    }

    /// The system itself.
    pub fn platform(&self) -> &'a P {
        self.platform
    }

    /// Share of the canary.
    pub(super) fn percent(&self) -> Percent {
        self.setup.percent
    }

    /// Notes a figure.
    pub fn check(&mut self, check: Check) {
        self.checks.push(check);
    }

    pub(super) fn into_checks(self) -> Vec<Check> {
        self.checks
    }

    /// The Istio file of an experiment.
    ///
    /// # Errors
    /// There is none.
    pub fn file(&self, name: &str) -> Result<Source> {
        let path = self.setup.files.join(format!("{name}.yaml"));
        let file = path.display().to_string();
        let file = file.trim_start_matches("./").to_owned();
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {file}"))?;
        Ok(Source { file, text })
    }

    /// Puts the Istio file `name` in force.
    ///
    /// # Errors
    /// There is no such file, or it is refused.
    pub async fn apply(&self, name: &str) -> Result<()> {
        self.put_in_force(self.file(name)?).await
    }

    /// Puts rules in force.
    ///
    /// # Errors
    /// They are refused.
    pub async fn put_in_force(&self, rules: Source) -> Result<()> {
        let file = rules.file.clone();
        let change = self.platform.apply(vec![rules]).await?;
        say!("   {file} in force after {}", duration(change.elapsed));
        Ok(())
    }

    /// Puts the default rules in force.
    ///
    /// # Errors
    /// The platform does not answer.
    pub async fn reset(&self) -> Result<()> {
        let change = self.platform.reset().await?;
        say!(
            "   default rules in force after {}",
            duration(change.elapsed)
        );
        Ok(())
    }

    /// Drives load at the entrance and shows who answered.
    ///
    /// # Errors
    /// The entrance is no address.
    pub async fn load(&self, options: &Options, wanted: &[(&str, f64)]) -> Result<Tally> {
        let wanted: Wanted = wanted
            .iter()
            .map(|(version, share)| ((*version).to_owned(), *share))
            .collect();
        let tally = self.drive(options).await?.wanting(wanted);
        say!("   {options}\n\n{}", indented(&tally));
        Ok(tally)
    }

    /// Drives load at the entrance.
    ///
    /// # Errors
    /// The entrance is no address.
    pub async fn drive(&self, options: &Options) -> Result<Tally> {
        Ok(load::drive(self.platform.entrance(), options, |_| {}).await?)
    }

    /// Asks the entrance.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        let url = format!("{}{path}", self.platform.entrance());
        Ok(self.client.get(&url).await?)
    }

    /// Instances of a service that take traffic, in order of names.
    ///
    /// # Errors
    /// The platform does not answer.
    pub async fn ready(&self, service: &str) -> Result<Vec<Instance>> {
        let mut instances = self.platform.instances().await?;
        instances.retain(|instance| instance.service == service && instance.ready);
        instances.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(instances)
    }

    /// What an instance counts.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn metrics(&self, instance: &str) -> Result<Metrics> {
        let answer = self.platform.ask(instance, Method::GET, "/metrics").await?;
        Ok(Metrics::read(&answer.body))
    }

    /// What the proxies count under `figure` (`upstream_rq_retry`) for calls to a service, all ports and subsets together.
    ///
    /// # Errors
    /// A proxy does not answer.
    pub async fn proxy_count(&self, service: &str, figure: &str) -> Result<u64> {
        self.proxy_sum(service, figure, |_| true).await
    }

    /// The same for calls to one port of the service.
    ///
    /// # Errors
    /// A proxy does not answer.
    pub async fn proxy_count_at(&self, service: &str, port: u16, figure: &str) -> Result<u64> {
        let port = port.to_string();
        self.proxy_sum(service, figure, |called| called == port)
            .await
    }

    async fn proxy_sum(
        &self,
        service: &str,
        figure: &str,
        is_meant: impl Fn(&str) -> bool,
    ) -> Result<u64> {
        let end = format!(".svc.cluster.local.{figure}");
        // cluster.outbound|PORT|SUBSET|SERVICE.NAMESPACE.svc.cluster.local.FIGURE
        let counts = |name: &str| {
            let mut parts = name.strip_prefix("cluster.outbound|")?.splitn(3, '|');
            let (port, host) = (parts.next()?, parts.nth(1)?);
            let host = host.strip_suffix(&end)?.split_once('.')?.0;
            Some(host == service && is_meant(port))
        };
        let counters = self.platform.proxy_counters().await?;
        let meant = counters
            .iter()
            .filter(|(name, _)| counts(name) == Some(true));
        Ok(meant.map(|(_, count)| count).sum())
    }

    /// Runs so many instances of a workload.
    ///
    /// # Errors
    /// There is no such workload, or it does not come up.
    pub async fn scale(&mut self, workload: &str, replicas: u32) -> Result<()> {
        let now = self.replicas(workload).await?;
        self.before
            .replicas
            .entry(workload.to_owned())
            .or_insert(now);
        if now != replicas {
            self.platform.scale(workload, replicas).await?;
            say!("   {workload}: {now} → {replicas} instances");
        }
        Ok(())
    }

    async fn replicas(&self, workload: &str) -> Result<u32> {
        let instances = self.platform.instances().await?;
        let of_workload = instances
            .iter()
            .filter(|instance| format!("{}-{}", instance.service, instance.version) == workload);
        Ok(u32::try_from(of_workload.count())?)
    }

    /// Lets an instance play faulty: its `/status` answers 503.
    ///
    /// # Errors
    /// It has no such switch.
    pub async fn set_faulty(&mut self, instance: &str, faulty: bool) -> Result<()> {
        self.before.faults.insert(instance.to_owned());
        if self.is_faulty(instance).await? != faulty {
            self.switch(instance, "/fault").await?;
        }
        Ok(())
    }

    /// Lets an instance be slow: its `/status` waits that long.
    ///
    /// # Errors
    /// It has no such switch.
    pub async fn set_slow(&mut self, instance: &str, delay: Duration) -> Result<()> {
        self.before.faults.insert(instance.to_owned());
        let path = format!("/fault?delay={}ms", delay.as_millis());
        self.switch(instance, &path).await
    }

    async fn is_faulty(&self, instance: &str) -> Result<bool> {
        let status = self.platform.ask(instance, Method::GET, "/status").await?;
        Ok(!status.status.is_success())
    }

    async fn switch(&self, instance: &str, path: &str) -> Result<()> {
        let answer = self.platform.ask(instance, Method::GET, path).await?;
        let said = answer.body.trim();
        ensure!(answer.status.is_success(), "{instance}: {path}: {said}");
        say!("   {instance}: {said}");
        Ok(())
    }

    /// Starts or stops all cameras.
    ///
    /// # Errors
    /// One does not follow.
    pub async fn cameras(&mut self, on: bool) -> Result<()> {
        if self.before.streaming.is_none() {
            self.before.streaming = Some(self.streaming().await?);
        }
        self.production(on).await
    }

    async fn production(&self, on: bool) -> Result<()> {
        let toggle = if on { "on" } else { "off" };
        self.post(&format!("/production?toggle={toggle}")).await?;
        say!("   cameras {toggle}");
        Ok(())
    }

    async fn post(&self, path: &str) -> Result<()> {
        let url = format!("{}{path}", self.platform.entrance());
        let answer = self.client.send(Method::POST, &url, &[]).await?;
        let (status, body) = (answer.status, answer.body.trim());
        ensure!(status.is_success(), "{path}: {status}: {body}");
        Ok(())
    }

    /// Every registered camera and its state.
    ///
    /// # Errors
    /// One does not answer.
    pub async fn camera_states(&self) -> Result<BTreeMap<String, Value>> {
        let cameras: Value = serde_json::from_str(&self.get("/cameras").await?.body)?;
        let mut states = BTreeMap::new();
        for camera in cameras["cameras"].as_array().into_iter().flatten() {
            let id = camera["id"].to_string();
            let answer = self.get(&format!("/cameras/{id}/state")).await?;
            ensure!(
                answer.status.is_success(),
                "camera {id}: {}",
                answer.body.trim()
            );
            states.insert(id, serde_json::from_str(&answer.body)?);
        }
        Ok(states)
    }

    async fn streaming(&self) -> Result<BTreeMap<String, bool>> {
        let states = self.camera_states().await?.into_iter();
        Ok(states
            .map(|(id, state)| (id, state["streaming"] == true))
            .collect())
    }

    /// Waits until `seen` gives something.
    ///
    /// # Errors
    /// It fails, or has nothing to give within `deadline`; what cameras complain of meanwhile is told as well.
    pub async fn until<T>(
        &self,
        what: &str,
        deadline: Duration,
        mut seen: impl AsyncFnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let waiting = async {
            loop {
                if let Some(seen) = seen().await? {
                    return Ok(seen);
                }
                tokio::time::sleep(POLL).await;
            }
        };
        match tokio::time::timeout(deadline, waiting).await {
            Ok(seen) => seen,
            Err(_) => {
                // Whoever waits for pictures waits for cameras; that one is not asked about does not matter then.
                let states = self.camera_states().await.unwrap_or_default();
                let late = format!("{what}: not within {}", duration(deadline));
                bail!("{}", [vec![late], complaints(&states)].concat().join("; "))
            }
        }
    }

    /// Puts back what the experiment changed. Goes on when a part of it fails; tells the first failure.
    pub(super) async fn put_back(&mut self) -> Result<()> {
        let before = std::mem::take(&mut self.before);
        let mut done = Ok(());
        for instance in &before.faults {
            done = done.and(self.mend(instance).await);
        }
        for (workload, replicas) in before.replicas {
            done = done.and(self.scale(&workload, replicas).await);
        }
        done = done.and(self.put_back_rules(&before.rules).await);
        if let Some(streaming) = before.streaming {
            done = done.and(self.put_back_cameras(&streaming).await);
        }
        done
    }

    async fn mend(&self, instance: &str) -> Result<()> {
        self.switch(instance, "/fault?delay=0ms").await?;
        if self.is_faulty(instance).await? {
            self.switch(instance, "/fault").await?;
        }
        Ok(())
    }

    async fn put_back_rules(&self, rules: &[Document]) -> Result<()> {
        self.platform.reset().await?;
        let sources = rules.iter().map(Document::source).collect();
        self.platform.apply(sources).await?;
        Ok(())
    }

    async fn put_back_cameras(&self, streaming: &BTreeMap<String, bool>) -> Result<()> {
        let any = streaming.values().any(|on| *on);
        self.production(any).await?;
        for (id, _) in streaming.iter().filter(|(_, on)| any && !**on) {
            self.post(&format!("/cameras/{id}/stream?toggle=off"))
                .await?;
        }
        Ok(())
    }
}

/// What is wrong with cameras, in their own words.
fn complaints(states: &BTreeMap<String, Value>) -> Vec<String> {
    let of_camera = |(id, state): (&String, &Value)| {
        let errors = ["camera-error", "link-error"].map(|error| state[error].as_str());
        let said = errors
            .into_iter()
            .flatten()
            .map(|error| format!("camera {id}: {error}"));
        said.collect::<Vec<_>>()
    };
    states.iter().flat_map(of_camera).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cameras_tell_what_is_wrong_in_their_own_words() {
        let states = [
            ("1", json!({"camera": "capturing", "camera-error": null})),
            (
                "2",
                json!({"camera": "failed", "camera-error": "demo/camera-2.mp4 does not exist", "link-error": "no route"}),
            ),
        ];
        let states = states.map(|(id, state)| (id.to_owned(), state)).into();
        let wanted = [
            "camera 2: demo/camera-2.mp4 does not exist",
            "camera 2: no route",
        ];
        assert_eq!(complaints(&states), wanted);
    }
}
