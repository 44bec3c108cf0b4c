//! Pods that do not become ready, and what is said about it.

use std::time::Duration;

use airside_cluster::deploy::{Options, deploy};
use serde_json::{Value, json};

use crate::deploying::{objects, options, words};
use crate::server::{NAMESPACE, Server};

/// The pod of the Deployment, in trouble.
fn pod(status: Value, volumes: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "collector-v1-abc", "namespace": NAMESPACE, "labels": {"app": "collector", "version": "v1"}},
        "spec": {"containers": [{"name": "airside"}], "volumes": volumes},
        "status": status,
    })
}

async fn reason(server: &Server, pod: Value) -> String {
    let path = "/api/v1/namespaces/airside/pods/collector-v1-abc";
    server.world().comes_up = false;
    server.world().put(path, pod);
    let soon = Options {
        ready_within: Duration::from_secs(1),
        ..options()
    };
    words(
        &deploy(&server.cluster(), objects(), &soon)
            .await
            .expect_err("not ready"),
    )
}

#[tokio::test]
async fn a_pod_with_a_wrong_password_says_so_itself() {
    let server = Server::start().await;
    let log = "connecting\nerror: password authentication failed for user \"airside\"\n";
    server.world().logs.insert(
        "/api/v1/namespaces/airside/pods/collector-v1-abc".to_owned(),
        log.to_owned(),
    );
    let ended = json!({"exitCode": 1, "reason": "Error"});
    let container = json!({
        "name": "airside", "image": "airside", "imageID": "", "ready": false, "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
        "lastState": {"terminated": ended},
    });
    let reason = reason(
        &server,
        pod(json!({"containerStatuses": [container]}), json!([])),
    )
    .await;
    assert!(
        reason
            .contains("Deployment collector-v1: collector-v1-abc: airside: ended with exit code 1"),
        "{reason}"
    );
    assert!(
        reason.contains("password authentication failed"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_pod_that_is_not_ready_because_its_volume_is_full_says_so_itself() {
    let server = Server::start().await;
    server.world().logs.insert(
        "/api/v1/namespaces/airside/pods/collector-v1-abc".to_owned(),
        "the store fails: the disk is full\n".to_owned(),
    );
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "a"}, "involvedObject": {"name": "collector-v1-abc"},
        "reason": "Unhealthy", "message": "Readiness probe failed: 503", "type": "Warning",
    });
    server
        .world()
        .put("/api/v1/namespaces/airside/events/a", event);
    let container = json!({
        "name": "airside", "image": "airside", "imageID": "", "ready": false, "restartCount": 0, "state": {"running": {}},
    });
    let status = json!({"startTime": "2020-01-01T00:00:00Z", "containerStatuses": [container]});
    let reason = reason(&server, pod(status, json!([]))).await;
    assert!(
        reason.contains("Readiness probe failed: 503\n    the store fails: the disk is full"),
        "{reason}"
    );
}

#[tokio::test]
async fn an_image_that_is_nowhere_is_named() {
    let server = Server::start().await;
    let container = json!({
        "name": "airside", "image": "airside", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": "ErrImagePull", "message": "airside:0.1.0: not found"}},
    });
    let reason = reason(
        &server,
        pod(json!({"containerStatuses": [container]}), json!([])),
    )
    .await;
    assert!(
        reason.contains("ErrImagePull: airside:0.1.0: not found"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_claim_without_a_storage_class_is_named_with_the_remedy() {
    let server = Server::start().await;
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data-0"},
        "spec": {}, "status": {"phase": "Pending"},
    });
    server.world().put(
        "/api/v1/namespaces/airside/persistentvolumeclaims/data-0",
        claim,
    );
    let unscheduled = json!({"conditions": [
        {"type": "PodScheduled", "status": "False", "message": "pod has unbound immediate PersistentVolumeClaims"}
    ]});
    let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data-0"}}]);
    let reason = reason(&server, pod(unscheduled, volumes)).await;
    assert!(
        reason.contains("data-0 names no StorageClass and the cluster has no default one"),
        "{reason}"
    );
}

#[tokio::test]
async fn pods_that_a_policy_refuses_are_explained() {
    let server = Server::start().await;
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "a"}, "involvedObject": {"name": "collector-v1"},
        "reason": "FailedCreate", "message": "violates PodSecurity \"restricted:latest\"", "type": "Warning",
    });
    server
        .world()
        .put("/api/v1/namespaces/airside/events/a", event);
    server.world().comes_up = false;
    let soon = Options {
        ready_within: Duration::from_secs(1),
        ..options()
    };
    let error = deploy(&server.cluster(), objects(), &soon)
        .await
        .expect_err("not ready");
    assert!(
        words(&error).contains("FailedCreate: violates PodSecurity"),
        "{error:#}"
    );
}
