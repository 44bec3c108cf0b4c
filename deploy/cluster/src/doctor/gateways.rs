//! Gateways of other namespaces that Airside's gateway pods would serve as well.

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};

use super::{Finding, mesh};
use crate::cluster::Cluster;
use crate::deploy::has_kind;
use crate::error::Error;

/// What the label `istio` of Airside's gateway pods says.
const OWN: [&str; 2] = ["ingressgateway", "agents-gateway"];
/// istiod's setting by which a Gateway is for the pods of its own namespace.
const SCOPED: &str = "PILOT_SCOPE_GATEWAY_TO_NAMESPACE";

pub(super) async fn gateways(cluster: &Cluster) -> Result<Finding, Error> {
    let (group, version, kind) = ("networking.istio.io", "v1", "Gateway");
    if !has_kind(cluster, &format!("{group}/{version}"), kind).await? {
        return mesh::kinds(cluster).await;
    }
    let api = cluster.everywhere::<Deployment>();
    let params = ListParams::default().labels("app=istiod");
    let istiods = cluster.insist("look for istiod", async || api.list(&params).await);
    if istiods.await?.items.iter().any(is_scoped) {
        let words = "each gateway serves the Gateways of its own namespace alone";
        return Ok(Finding::Sound(words.to_owned()));
    }
    let kind = GroupVersionKind::gvk(group, version, kind);
    let api = cluster.dynamic(&ApiResource::from_gvk_with_plural(&kind, "gateways"), None);
    let all = cluster.insist("look for Gateways of others", async || {
        api.list(&ListParams::default()).await
    });
    Ok(judge(&all.await?.items, cluster.namespace()))
}

fn is_scoped(istiod: &Deployment) -> bool {
    let pod = istiod
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref());
    let containers = pod.into_iter().flat_map(|pod| &pod.containers);
    containers
        .flat_map(|container| container.env.iter().flatten())
        .any(|entry| entry.name == SCOPED && entry.value.as_deref() == Some("true"))
}

fn judge(gateways: &[DynamicObject], namespace: &str) -> Finding {
    let taken = |gateway: &&DynamicObject| {
        let selected = gateway.data.pointer("/spec/selector/istio");
        let selected = selected.and_then(serde_json::Value::as_str);
        gateway.namespace().as_deref() != Some(namespace)
            && selected.is_some_and(|selected| OWN.contains(&selected))
    };
    let names: Vec<String> = gateways
        .iter()
        .filter(taken)
        .map(|gateway| {
            let place = gateway.namespace().unwrap_or_default();
            format!("{place}/{}", gateway.name_any())
        })
        .collect();
    if names.is_empty() {
        return Finding::Sound("no Gateway of another namespace selects Airside's".to_owned());
    }
    Finding::lack(
        format!(
            "the gateways here serve Gateways of other namespaces too, whose requests they answer and who answer theirs: {}",
            names.join(", ")
        ),
        format!(
            "{SCOPED}=true in istiod's environment, or another label `istio` for the gateways of one of them"
        ),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn gateway(namespace: &str, selector: &Value) -> DynamicObject {
        let document = json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "Gateway",
            "metadata": { "name": "one", "namespace": namespace },
            "spec": { "selector": selector },
        });
        serde_json::from_value(document).expect("a Gateway")
    }

    #[test]
    fn only_a_gateway_of_others_that_selects_our_pods_is_in_the_way() {
        let ours = gateway("airside", &json!({ "istio": "ingressgateway" }));
        let apart = gateway("shop", &json!({ "istio": "shop" }));
        let sound = judge(&[ours.clone(), apart.clone()], "airside");
        assert!(matches!(sound, Finding::Sound(_)), "{sound}");
        let theirs = gateway("other", &json!({ "istio": "ingressgateway" }));
        let found = judge(&[ours, apart, theirs], "airside").to_string();
        assert!(found.contains(": other/one\n"), "{found}");
    }

    #[test]
    fn an_istiod_says_whether_its_gateways_keep_to_their_namespaces() {
        let istiod = |value: &str| -> Deployment {
            let container =
                json!({ "name": "discovery", "env": [{ "name": SCOPED, "value": value }] });
            let spec = json!({
                "selector": {},
                "template": { "spec": { "containers": [container] } },
            });
            serde_json::from_value(json!({ "spec": spec })).expect("a Deployment")
        };
        assert!(is_scoped(&istiod("true")) && !is_scoped(&istiod("false")));
        assert!(!is_scoped(&Deployment::default()));
    }
}
