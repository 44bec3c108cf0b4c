//! Removes what an earlier deployment brought and a newer one does not. Volume claims stay, and so does what is stored in them.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use kube::api::{DynamicObject, ListParams};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::manifest::{full_name, name};
use crate::reset::Belongings;

/// Removes what was left out, first who feeds, and waits until it is gone.
pub(super) async fn prune(cluster: &Cluster, left_out: &Belongings) -> Result<(), Error> {
    if left_out.is_empty() {
        return Ok(());
    }
    say!("what an earlier deployment brought and this one does not:");
    left_out.remove(cluster).await?;
    tell_claims(cluster, left_out).await
}

/// Says what would be removed.
pub(super) async fn tell(cluster: &Cluster, left_out: &Belongings) -> Result<(), Error> {
    for (_, object) in left_out.iter() {
        say!("{:60} would be removed", full_name(object));
    }
    tell_claims(cluster, left_out).await
}

/// Says which claims of what was left out stay, and how to remove them.
async fn tell_claims(cluster: &Cluster, left_out: &Belongings) -> Result<(), Error> {
    let owners: Vec<&DynamicObject> = left_out.iter().map(|(_, object)| object).collect();
    if !owners.iter().any(|owner| templates(owner).next().is_some()) {
        return Ok(());
    }
    let api = cluster.api::<PersistentVolumeClaim>();
    let all = cluster.insist("list the volume claims", async || {
        api.list(&ListParams::default()).await
    });
    let stay: Vec<String> = all.await?.items.iter().map(ResourceExt::name_any).collect();
    for owner in owners {
        let own: Vec<&str> = stay
            .iter()
            .map(String::as_str)
            .filter(|claim| is_claim_of(owner, claim))
            .collect();
        if !own.is_empty() {
            say!(
                "{}: what it stored stays; to remove it: kubectl --namespace {} delete pvc {}",
                full_name(owner),
                cluster.namespace(),
                own.join(" ")
            );
        }
    }
    Ok(())
}

/// Names of the templates of a workload's claims.
fn templates(owner: &DynamicObject) -> impl Iterator<Item = &str> {
    let templates = owner.data.pointer("/spec/volumeClaimTemplates");
    let templates = templates.and_then(Value::as_array).into_iter().flatten();
    templates.filter_map(|template| template.pointer("/metadata/name")?.as_str())
}

/// Claims of a StatefulSet are named `TEMPLATE-OWNER-NUMBER`.
fn is_claim_of(owner: &DynamicObject, claim: &str) -> bool {
    templates(owner).any(|template| {
        let start = format!("{template}-{}-", name(owner));
        let number = claim.strip_prefix(&start);
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    })
}
