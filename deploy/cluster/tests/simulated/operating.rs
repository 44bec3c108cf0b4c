//! Rules, numbers, several operators, and the end.

use airside_cluster::reset::Belongings;
use airside_cluster::{ClusterPlatform, Error, doctor};
use airside_lab::platform::Platform;
use airside_mesh::istio::Source;
use serde_json::{Value, json};

use crate::server::Server;

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/airside/leases/airside-operator";
const RULES: &str = "/apis/networking.istio.io/v1/namespaces/airside";

fn rule(name: &str, weight: u8) -> Source {
    let text = format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}}}\n\
         spec: {{hosts: [{name}], http: [{{route: [{{destination: {{host: {name}}}, weight: {weight}}}]}}]}}\n"
    );
    Source {
        file: format!("{name}.yaml"),
        text,
    }
}

async fn platform(server: &Server) -> ClusterPlatform {
    let defaults = vec![rule("cpanel", 100)];
    let entrance = Some("http://127.0.0.1:1");
    ClusterPlatform::connect(server.cluster(), entrance, defaults)
        .await
        .expect("connected")
}

fn names(documents: &[airside_lab::platform::Document]) -> Vec<&str> {
    documents
        .iter()
        .map(|document| document.name.as_str())
        .collect()
}

#[tokio::test]
async fn a_reset_takes_away_what_changes_brought_and_nothing_else() {
    let server = Server::start().await;
    let foreign = json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "other"}});
    let mut deployed = foreign.clone();
    deployed["metadata"] =
        json!({"name": "agents", "labels": {"app.kubernetes.io/managed-by": "airsidectl"}});
    let at = |name: &str| format!("{RULES}/virtualservices/{name}");
    server.world().put(&at("other"), foreign);
    server.world().put(&at("agents"), deployed);

    let platform = platform(&server).await;
    platform.reset().await.expect("reset");
    platform
        .apply(vec![rule("cpanel", 50), rule("cpanel-ingress", 50)])
        .await
        .expect("applied");
    let documents = platform.documents().await.expect("documents");
    assert_eq!(names(&documents), ["agents", "cpanel", "cpanel-ingress"]);
    assert_eq!(documents[1].file, "cpanel.yaml");
    assert_eq!(
        documents[1].manifest["spec"]["http"][0]["route"][0]["weight"],
        50
    );

    platform.reset().await.expect("reset");
    let documents = platform.documents().await.expect("documents");
    assert_eq!(names(&documents), ["agents", "cpanel"]);
    assert_eq!(
        documents[1].manifest["spec"]["http"][0]["route"][0]["weight"],
        100
    );
    assert!(server.world().objects.contains_key(&at("other")));
}

#[tokio::test]
async fn a_rule_of_somebody_else_is_not_overwritten() {
    let server = Server::start().await;
    let foreign = json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "cpanel"}});
    server
        .world()
        .put(&format!("{RULES}/virtualservices/cpanel"), foreign);
    let error = platform(&server)
        .await
        .apply(vec![rule("cpanel", 50)])
        .await
        .expect_err("refused");
    assert!(
        matches!(error.downcast_ref(), Some(Error::Foreign(name)) if name == "VirtualService cpanel"),
        "{error:#}"
    );
}

#[tokio::test]
async fn a_change_of_weights_goes_on_after_the_api_server_was_away() {
    let server = Server::start().await;
    let platform = platform(&server).await;
    platform
        .apply(vec![rule("cpanel", 99)])
        .await
        .expect("applied");
    {
        let mut world = server.world();
        world.away_after = Some(world.writes.len());
        world.away_for = 4;
    }
    platform
        .apply(vec![rule("cpanel", 95)])
        .await
        .expect("applied after all");
    assert_eq!(server.world().away_for, 0, "it was away");
    let documents = platform.documents().await.expect("documents");
    assert_eq!(
        documents[0].manifest["spec"]["http"][0]["route"][0]["weight"],
        95
    );
}

#[tokio::test]
async fn the_second_operator_is_told_who_is_at_work() {
    let server = Server::start().await;
    let (one, other) = (platform(&server).await, platform(&server).await);
    let second = one.alone("experiment all", async {
        Ok(other.alone("scale", async { Ok(()) }).await)
    });
    let error = second.await.expect("carried out").expect_err("told");
    let words = error.to_string();
    assert!(
        words.contains("(experiment all) is at work in namespace airside"),
        "{words}"
    );
    other
        .alone("scale", async { Ok(()) })
        .await
        .expect("its turn now");
}

#[tokio::test]
async fn a_released_lease_is_free_and_a_living_one_is_not() {
    let server = Server::start().await;
    let lease = |holder: Value| {
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "airside-operator", "resourceVersion": "1"},
            "spec": {"holderIdentity": holder, "renewTime": jiff::Timestamp::now().to_string()},
        })
    };
    server
        .world()
        .put(LEASE, lease(json!("alice@desk (deploy)")));
    let platform = platform(&server).await;
    let error = platform
        .alone("scale", async { Ok(()) })
        .await
        .expect_err("busy");
    assert!(
        error
            .to_string()
            .starts_with("alice@desk (deploy) is at work"),
        "{error}"
    );
    server.world().put(LEASE, lease(Value::Null));
    platform
        .alone("scale", async { Ok(()) })
        .await
        .expect("free");
}

#[tokio::test]
async fn a_workload_that_owns_its_data_is_not_doubled() {
    let server = Server::start().await;
    let section = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "section-1-v1", "labels": {"app": "section-1", "app.kubernetes.io/managed-by": "airsidectl"}},
        "spec": {"replicas": 1, "volumeClaimTemplates": []},
    });
    server.world().put(
        "/apis/apps/v1/namespaces/airside/statefulsets/section-1-v1",
        section,
    );
    let platform = platform(&server).await;
    let error = platform.scale("section-1", 2).await.expect_err("refused");
    assert!(
        error.to_string().starts_with("section-1-v1 runs only once"),
        "{error}"
    );
    let error = platform.scale("sektion", 2).await.expect_err("refused");
    assert!(
        error
            .to_string()
            .contains("no workload `sektion`; there are: section-1-v1"),
        "{error}"
    );
}

#[tokio::test]
async fn everything_of_ours_is_removed_and_nothing_of_others() {
    let server = Server::start().await;
    let own = json!({"metadata": {"name": "a", "labels": {"app.kubernetes.io/managed-by": "airsidectl"}}});
    let other = json!({"metadata": {"name": "b"}});
    let collections = [
        "/api/v1/namespaces/airside/services",
        "/api/v1/namespaces/airside/persistentvolumeclaims",
        "/apis/apps/v1/namespaces/airside/deployments",
    ];
    for collection in collections {
        server.world().put(&format!("{collection}/a"), own.clone());
        server
            .world()
            .put(&format!("{collection}/b"), other.clone());
    }
    let cluster = server.cluster();
    let belongings = Belongings::find(&cluster).await.expect("found");
    assert_eq!(belongings.names().count(), collections.len());
    belongings.remove(&cluster).await.expect("removed");
    let left: Vec<String> = server.world().objects.keys().cloned().collect();
    assert!(left.iter().all(|path| path.ends_with("/b")), "{left:?}");
    assert_eq!(left.len(), collections.len());
}

#[tokio::test]
async fn a_doctor_finds_a_cluster_without_istio_wanting() {
    let server = Server::start().await;
    server.world().kinds.remove("networking.istio.io/v1");
    assert!(!doctor::examine(&server.cluster()).await);
    let written = server.world().writes.clone();
    assert!(written.is_empty(), "it only looks: {written:?}");
}
