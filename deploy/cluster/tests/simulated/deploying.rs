//! `deploy`, and everything that can come between.

use std::time::Duration;

use airside_cluster::deploy::{Options, deploy};
use airside_cluster::{Error, manifest};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::server::{NAMESPACE, Server};

pub(crate) const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/airside/deployments/collector-v1";
pub(crate) const SERVICE: &str = "/api/v1/namespaces/airside/services/collector";
pub(crate) const RULE: &str =
    "/apis/networking.istio.io/v1/namespaces/airside/virtualservices/collector";

/// In no order at all.
pub(crate) const MANIFEST: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: collector-v1}
spec:
  replicas: 2
  selector: {matchLabels: {app: collector, version: v1}}
  template: {spec: {containers: [{name: airside, image: airside, args: [collector]}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: collector}
spec: {hosts: [collector]}
---
apiVersion: v1
kind: Service
metadata: {name: collector}
spec: {ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: airside}
";

pub(crate) fn objects() -> Vec<DynamicObject> {
    manifest::read(MANIFEST).expect("a sound manifest")
}

pub(crate) fn options() -> Options {
    Options {
        dry_run: false,
        keep: false,
        ready_within: Duration::from_secs(60),
    }
}

/// Why nothing is deployed.
async fn refused(server: &Server) -> anyhow::Error {
    deploy(&server.cluster(), objects(), &options())
        .await
        .expect_err("refused")
}

pub(crate) fn words(error: &anyhow::Error) -> String {
    format!("{error:#}")
}

#[tokio::test]
async fn everything_is_created_in_order_labelled_and_the_same_the_second_time() {
    let server = Server::start().await;
    deploy(&server.cluster(), objects(), &options())
        .await
        .expect("deployed");
    {
        let mut world = server.world();
        let own: Vec<&String> = world
            .writes
            .iter()
            .filter(|write| !write.contains("leases"))
            .collect();
        let paths = ["/api/v1/namespaces/airside", SERVICE, RULE, DEPLOYMENT];
        let expected: Vec<String> = paths.iter().map(|path| format!("PATCH {path}")).collect();
        assert_eq!(own, expected.iter().collect::<Vec<_>>());
        let labels = &world.objects[DEPLOYMENT]["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/managed-by"], "airsidectl");
        assert_eq!(labels["app.kubernetes.io/part-of"], "airside");
        world.writes.clear();
    }
    deploy(&server.cluster(), objects(), &options())
        .await
        .expect("deployed again");
    let lease = "/apis/coordination.k8s.io/v1/namespaces/airside/leases/airside-operator";
    assert_eq!(
        server.world().objects[lease]["spec"]["holderIdentity"],
        Value::Null,
        "released"
    );
}

#[tokio::test]
async fn a_try_changes_nothing() {
    let server = Server::start().await;
    let dry = Options {
        dry_run: true,
        ..options()
    };
    deploy(&server.cluster(), objects(), &dry)
        .await
        .expect("tried");
    let world = server.world();
    assert!(
        world.writes.is_empty() && world.objects.is_empty(),
        "{:?}",
        world.writes
    );
}

#[tokio::test]
async fn a_cluster_without_istio_is_left_as_it_is() {
    let server = Server::start().await;
    server.world().kinds.remove("networking.istio.io/v1");
    let words = words(&refused(&server).await);
    assert!(
        words.contains("no VirtualService") && words.contains("Istio is not installed"),
        "{words}"
    );
    assert!(
        server.world().writes.is_empty(),
        "{:?}",
        server.world().writes
    );
}

#[tokio::test]
async fn old_crds_are_named_with_the_versions_they_know() {
    let server = Server::start().await;
    let kinds = server
        .world()
        .kinds
        .remove("networking.istio.io/v1")
        .expect("there");
    server
        .world()
        .kinds
        .insert("networking.istio.io/v1beta1".to_owned(), kinds);
    let words = words(&refused(&server).await);
    assert!(
        words.contains("only v1beta1") && words.contains("1.22"),
        "{words}"
    );
}

#[tokio::test]
async fn missing_rights_are_all_named_before_anything_is_changed() {
    let server = Server::start().await;
    server.world().denied = ["patch deployments", "create services"]
        .map(str::to_owned)
        .into();
    let words = words(&refused(&server).await);
    assert!(
        words.contains("patch deployments.apps in namespace airside"),
        "{words}"
    );
    assert!(
        words.contains("create services in namespace airside"),
        "{words}"
    );
    assert!(
        server.world().writes.is_empty(),
        "{:?}",
        server.world().writes
    );
}

#[tokio::test]
async fn a_right_that_is_missing_only_in_the_end_is_named_as_well() {
    let server = Server::start().await;
    server.world().denied = ["patch deployments".to_owned()].into();
    server.world().reviews_tell = false;
    let error = refused(&server).await;
    let Some(Error::Denied { denied, .. }) = error.downcast_ref() else {
        panic!("{error:#}");
    };
    assert_eq!(
        (denied.user.as_str(), denied.verb.as_str()),
        ("guest", "patch")
    );
    assert_eq!(
        (denied.resource.as_str(), denied.group.as_str()),
        ("deployments", "apps")
    );
    assert_eq!(denied.namespace.as_deref(), Some(NAMESPACE));
}

#[tokio::test]
async fn what_others_created_stays_untouched() {
    let server = Server::start().await;
    let other = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "collector"}});
    server.world().put(SERVICE, other.clone());
    let error = refused(&server).await;
    assert!(
        words(&error).contains("Service collector is there and was not created by airsidectl"),
        "{error:#}"
    );
    assert!(
        server.world().writes.is_empty(),
        "{:?}",
        server.world().writes
    );
    assert_eq!(server.world().objects[SERVICE], other);
}

#[tokio::test]
async fn a_namespace_that_was_there_is_used_and_not_touched() {
    let server = Server::start().await;
    let other = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "airside"}});
    server
        .world()
        .put("/api/v1/namespaces/airside", other.clone());
    deploy(&server.cluster(), objects(), &options())
        .await
        .expect("deployed");
    assert_eq!(server.world().objects["/api/v1/namespaces/airside"], other);
}

#[tokio::test]
async fn a_field_of_somebody_else_is_named_with_them() {
    let server = Server::start().await;
    let field = (".spec.template".to_owned(), "kubectl-edit".to_owned());
    server.world().fields.insert(DEPLOYMENT.to_owned(), field);
    let words = words(&refused(&server).await);
    assert!(
        words.contains(".spec.template") && words.contains("kubectl-edit"),
        "{words}"
    );
}

#[tokio::test]
async fn the_number_of_an_autoscaler_is_left_to_it() {
    let server = Server::start().await;
    deploy(&server.cluster(), objects(), &options())
        .await
        .expect("deployed");
    {
        let mut world = server.world();
        let field = (
            ".spec.replicas".to_owned(),
            "kube-controller-manager".to_owned(),
        );
        world.fields.insert(DEPLOYMENT.to_owned(), field);
        let deployment = world.objects.get_mut(DEPLOYMENT).expect("there");
        deployment["spec"]["replicas"] = json!(7);
    }
    deploy(&server.cluster(), objects(), &options())
        .await
        .expect("deployed again");
    assert_eq!(server.world().objects[DEPLOYMENT]["spec"]["replicas"], 7);
}

#[tokio::test]
async fn an_api_server_that_goes_away_in_the_middle_is_waited_for() {
    let server = Server::start().await;
    server.world().away_after = Some(3);
    server.world().away_for = 6;
    deploy(&server.cluster(), objects(), &options())
        .await
        .expect("deployed after all");
    let world = server.world();
    assert_eq!(world.away_for, 0, "it was away");
    assert!(world.objects.contains_key(DEPLOYMENT));
}

#[tokio::test]
async fn an_api_server_that_stays_away_is_given_up_and_gone_on_with_later() {
    let server = Server::start().await;
    server.world().away_after = Some(3);
    server.world().away_for = usize::MAX;
    let impatient = server.cluster().with_patience(Duration::from_secs(1));
    let error = deploy(&impatient, objects(), &options())
        .await
        .expect_err("given up");
    assert!(
        matches!(error.downcast_ref(), Some(Error::Away { .. })),
        "{error:#}"
    );

    server.world().away_for = 0;
    // What the claim of the first attempt would be after its lifetime.
    server
        .world()
        .objects
        .retain(|path, _| !path.contains("leases"));
    deploy(&server.cluster(), objects(), &options())
        .await
        .expect("goes on");
    assert!(server.world().objects.contains_key(DEPLOYMENT));
}
