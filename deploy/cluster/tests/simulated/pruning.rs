//! What an earlier deployment brought and a newer one does not.

use airside_cluster::deploy::{Options, deploy};
use airside_cluster::{ClusterPlatform, manifest};
use airside_lab::platform::Platform;
use airside_mesh::istio::Source;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::deploying::{DEPLOYMENT, MANIFEST, RULE, SERVICE, objects, options, words};
use crate::server::{NAMESPACE, Server};

/// Stays in every deployment.
const STAYS: &str = "/api/v1/namespaces/airside/configmaps/panel";
const CAMERA: &str = "/apis/apps/v1/namespaces/airside/statefulsets/camera-agent-1-v1";
const CLAIMS: &str = "/api/v1/namespaces/airside/persistentvolumeclaims";
/// What the newer deployment brings.
const PANEL: &str = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: panel}\ndata: {a: b}\n";
const AGENT: &str = "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: camera-agent-1-v1}\n\
    spec: {replicas: 1, volumeClaimTemplates: [{metadata: {name: spool}}]}\n";

fn whole() -> Vec<DynamicObject> {
    manifest::read(&format!("{MANIFEST}{PANEL}{AGENT}")).expect("a sound manifest")
}

fn rest() -> Vec<DynamicObject> {
    manifest::read(PANEL).expect("a sound manifest")
}

/// With everything deployed, and the claim that came of it.
async fn deployed() -> Server {
    let server = Server::start().await;
    deploy(&server.cluster(), whole(), &options())
        .await
        .expect("deployed");
    // A claim has the labels of its template, and its StatefulSet's owner may have named it in a manifest as well.
    let labels =
        json!({"app.kubernetes.io/managed-by": "airsidectl", "airside.dev/deployed": "true"});
    for name in [
        "spool-camera-agent-1-v1-0",
        "spool-camera-agent-1-v1-spare-0",
    ] {
        let claim = json!({"metadata": {"name": name, "labels": labels}});
        server.world().put(&format!("{CLAIMS}/{name}"), claim);
    }
    server.world().writes.clear();
    server
}

/// What was removed, in order.
fn removed(server: &Server) -> Vec<String> {
    let world = server.world();
    let removed = world
        .writes
        .iter()
        .filter_map(|write| write.strip_prefix("DELETE "));
    removed.map(str::to_owned).collect()
}

#[tokio::test]
async fn what_is_left_out_is_removed_in_order_after_the_rest_is_ready_and_claims_stay() {
    let server = deployed().await;
    deploy(&server.cluster(), rest(), &options())
        .await
        .expect("deployed");
    assert_eq!(removed(&server), [DEPLOYMENT, CAMERA, RULE, SERVICE]);
    let world = server.world();
    let applied = |write: &String| *write == format!("PATCH {STAYS}");
    let first_removed = |write: &String| write.starts_with("DELETE");
    assert!(
        world.writes.iter().position(applied) < world.writes.iter().position(first_removed),
        "{:?}",
        world.writes
    );
    let left = |path: &str| world.objects.contains_key(path);
    assert!(left(STAYS) && left("/api/v1/namespaces/airside"));
    assert!(left(&format!("{CLAIMS}/spool-camera-agent-1-v1-0")));
}

#[tokio::test]
async fn what_others_made_and_what_changes_brought_stays() {
    let server = deployed().await;
    let foreign = json!({"kind": "Service", "metadata": {"name": "other"}});
    // Labelled as ours by a manifest, and applied by somebody else.
    let applied = json!({"kind": "Service", "metadata": {"name": "applied", "labels": {"app.kubernetes.io/managed-by": "airsidectl"}}});
    let at = |name: &str| format!("/api/v1/namespaces/airside/services/{name}");
    server.world().put(&at("other"), foreign);
    server.world().put(&at("applied"), applied);
    let rule = |name: &str, hosts: &str| Source {
        file: format!("{name}.yaml"),
        text: format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}}}\nspec: {{hosts: [{hosts}]}}\n"
        ),
    };
    let platform =
        ClusterPlatform::connect(server.cluster(), Some("http://127.0.0.1:1"), Vec::new())
            .await
            .expect("connected");
    // One that a change brought, and one that it changed: the latter is still the deployment's.
    platform
        .apply(vec![rule("canary", "cpanel"), rule("collector", "other")])
        .await
        .expect("applied");
    deploy(&server.cluster(), rest(), &options())
        .await
        .expect("deployed");
    let world = server.world();
    for path in [
        at("other"),
        at("applied"),
        RULE.replace("collector", "canary"),
    ] {
        assert!(world.objects.contains_key(&path), "{path} is gone");
    }
    assert!(!world.objects.contains_key(RULE), "it was deployed");
}

#[tokio::test]
async fn nothing_is_removed_by_a_try_or_where_it_is_to_be_kept() {
    let server = deployed().await;
    let dry = Options {
        dry_run: true,
        ..options()
    };
    let keep = Options {
        keep: true,
        ..options()
    };
    for options in [dry, keep] {
        deploy(&server.cluster(), rest(), &options)
            .await
            .expect("deployed");
        assert_eq!(removed(&server), [""; 0]);
    }
    // What was kept once is still known as what a deployment brought.
    deploy(&server.cluster(), rest(), &options())
        .await
        .expect("deployed");
    assert_eq!(removed(&server).len(), 4);
}

#[tokio::test]
async fn nothing_is_removed_before_what_stays_is_ready() {
    let server = deployed().await;
    server.world().comes_up = false;
    server.world().objects.retain(|path, _| path != DEPLOYMENT);
    let soon = Options {
        ready_within: std::time::Duration::from_secs(1),
        ..options()
    };
    deploy(&server.cluster(), objects(), &soon)
        .await
        .expect_err("not ready");
    assert_eq!(removed(&server), [""; 0]);
    assert_ne!(server.world().objects.get(CAMERA), None::<&Value>);
}

#[tokio::test]
async fn a_missing_right_to_remove_is_named_before_anything_is_changed() {
    let server = deployed().await;
    server.world().denied = ["delete statefulsets".to_owned()].into();
    let error = deploy(&server.cluster(), rest(), &options())
        .await
        .expect_err("refused");
    let needed = format!("delete statefulsets.apps in namespace {NAMESPACE}");
    assert!(words(&error).contains(&needed), "{error:#}");
    let written = server.world().writes.clone();
    assert!(written.is_empty(), "{written:?}");
}
