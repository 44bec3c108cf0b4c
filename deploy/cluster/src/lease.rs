//! One operator at a time: a Lease in the namespace, as the control plane's own parts use it.
//!
//! ```text
//! free, released, or silent for as long as a claim lives ──▶ ours ──▶ renewed … ──▶ released
//! held by somebody else ──▶ refused, with who and since when
//! ```
//!
//! Whether another holder is silent is judged by watching, never by comparing clocks of two machines.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{DeleteParams, ObjectMeta, PostParams};

use crate::cluster::Cluster;
use crate::error::Error;
use crate::labels;

/// Name of the Lease.
const NAME: &str = "airside-operator";
/// A claim lives so long without a sign of life, as those of the control plane do.
const LIFETIME: Duration = Duration::from_secs(15);
/// Three signs of life within a lifetime: two may be late.
const SIGN: Duration = Duration::from_secs(5);
/// How often a claim that looks dead is looked at.
const POLL: Duration = Duration::from_secs(1);

impl Cluster {
    /// Carries out `work` as the only operator of the namespace. `purpose` is what others are told.
    ///
    /// # Errors
    /// Another operator is at work, or takes over because this one was silent for too long; else what `work` says.
    pub async fn in_turn<T>(
        &self,
        purpose: &str,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let claim = Claim::make(self, purpose).await?;
        let done = tokio::select! {
            done = work => done,
            lost = claim.keep() => Err(lost.into()),
        };
        claim.release().await;
        done
    }
}

impl Cluster {
    /// Removes the Lease itself, when there is nothing left to take turns at.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn forget_turns(&self) -> Result<(), Error> {
        let api = self.api::<Lease>();
        let params = DeleteParams::default();
        self.find("remove the operators' lease", async || {
            api.delete(NAME, &params).await
        })
        .await
        .map(drop)
    }
}

/// The claim of this process.
struct Claim<'a> {
    cluster: &'a Cluster,
    holder: String,
}

impl<'a> Claim<'a> {
    async fn make(cluster: &'a Cluster, purpose: &str) -> Result<Self, Error> {
        let claim = Self {
            cluster,
            holder: format!("{} ({purpose})", identity()),
        };
        let mut seen = None;
        let mut watched = Duration::ZERO;
        loop {
            let Some(lease) = claim.read().await? else {
                if claim.write(claim.fresh()).await? {
                    return Ok(claim);
                }
                continue;
            };
            if is_free(&lease) || watched > LIFETIME {
                if claim.write(claim.taken(lease)).await? {
                    return Ok(claim);
                }
                continue;
            }
            let sign = lease.metadata.resource_version.clone();
            if !looks_dead(&lease) || seen.as_ref().is_some_and(|seen| *seen != sign) {
                return Err(claim.busy(&lease));
            }
            seen = Some(sign);
            tokio::time::sleep(POLL).await;
            watched += POLL;
        }
    }

    /// Gives signs of life for ever; ends when somebody else has the claim.
    async fn keep(&self) -> Error {
        loop {
            tokio::time::sleep(SIGN).await;
            match self.renew().await {
                Ok(()) => {}
                Err(error) => return error,
            }
        }
    }

    async fn renew(&self) -> Result<(), Error> {
        loop {
            let lease = self.read().await?;
            let Some(mut lease) = lease else {
                if self.write(self.fresh()).await? {
                    return Ok(());
                }
                continue;
            };
            if holder(&lease) != Some(self.holder.as_str()) {
                return Err(self.busy(&lease));
            }
            if let Some(spec) = &mut lease.spec {
                spec.renew_time = Some(MicroTime(Timestamp::now()));
            }
            if self.write(lease).await? {
                return Ok(());
            }
        }
    }

    /// Lets others take their turn. Who cannot be told finds out when the claim has died.
    async fn release(&self) {
        let released = async {
            let lease = self.read().await?;
            if let Some(mut lease) = lease.filter(|lease| holder(lease) == Some(&self.holder)) {
                if let Some(spec) = &mut lease.spec {
                    spec.holder_identity = None;
                }
                self.write(lease).await?;
            }
            Ok::<_, Error>(())
        };
        match tokio::time::timeout(SIGN, released).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the claim was not released"),
            Err(_) => tracing::warn!("the claim was not released: no answer"),
        }
    }

    async fn read(&self) -> Result<Option<Lease>, Error> {
        let api = self.cluster.api::<Lease>();
        self.cluster
            .find("read the operators' lease", async || api.get(NAME).await)
            .await
    }

    /// Whether it was written; not if somebody else was faster.
    async fn write(&self, lease: Lease) -> Result<bool, Error> {
        let api = self.cluster.api::<Lease>();
        let params = PostParams {
            field_manager: Some(labels::MANAGER.to_owned()),
            ..PostParams::default()
        };
        let is_new = lease.metadata.resource_version.is_none();
        let written = self.cluster.insist("write the operators' lease", async || {
            let written = if is_new {
                api.create(&params, &lease).await
            } else {
                api.replace(NAME, &params, &lease).await
            };
            match written {
                Ok(_) => Ok(true),
                Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
                Err(error) => Err(error),
            }
        });
        written.await
    }

    fn fresh(&self) -> Lease {
        let mut metadata = ObjectMeta {
            name: Some(NAME.to_owned()),
            ..ObjectMeta::default()
        };
        labels::own_it(&mut metadata);
        self.taken(Lease {
            metadata,
            spec: None,
        })
    }

    fn taken(&self, lease: Lease) -> Lease {
        let now = MicroTime(Timestamp::now());
        let before = lease.spec.unwrap_or_default();
        Lease {
            metadata: lease.metadata,
            spec: Some(LeaseSpec {
                holder_identity: Some(self.holder.clone()),
                lease_duration_seconds: Some(lifetime()),
                acquire_time: Some(now.clone()),
                renew_time: Some(now),
                lease_transitions: Some(before.lease_transitions.unwrap_or_default() + 1),
                ..LeaseSpec::default()
            }),
        }
    }

    fn busy(&self, lease: &Lease) -> Error {
        let spec = lease.spec.as_ref();
        let since = spec.and_then(|spec| spec.acquire_time.as_ref());
        Error::Busy {
            holder: holder(lease).unwrap_or("another operator").to_owned(),
            namespace: self.cluster.namespace().to_owned(),
            since: since.map_or_else(|| "some time".to_owned(), |since| format!("{:.0}", since.0)),
            seconds: LIFETIME.as_secs(),
        }
    }
}

fn lifetime() -> i32 {
    i32::try_from(LIFETIME.as_secs()).expect("some seconds")
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref()
}

fn is_free(lease: &Lease) -> bool {
    holder(lease).is_none_or(str::is_empty)
}

/// Whether its last sign of life is older than a claim lives, by this machine's clock: worth watching.
fn looks_dead(lease: &Lease) -> bool {
    let renewed = lease
        .spec
        .as_ref()
        .and_then(|spec| spec.renew_time.as_ref());
    renewed.is_none_or(|renewed| {
        let silent = Timestamp::now().duration_since(renewed.0);
        silent > jiff::SignedDuration::try_from(LIFETIME).expect("some seconds")
    })
}

/// Who this is, for people: user, machine, process.
fn identity() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let (user, host) = (user(), host.trim());
    format!("{user}@{host}, process {}", std::process::id())
}

/// The name of the user in the local list, else the number.
fn user() -> String {
    let id = std::fs::metadata("/proc/self")
        .map(|own| own.uid())
        .unwrap_or_default();
    let id = id.to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    // NAME:PASSWORD:ID:…
    let own = users
        .lines()
        .find(|line| line.split(':').nth(2) == Some(&id));
    let name = own.and_then(|line| line.split(':').next());
    name.map_or(id.clone(), str::to_owned)
}
