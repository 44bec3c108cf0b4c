//! `airsidectl scale`: who runs, who is called, what is refused, what is taken back; and what the mesh view tells.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use airside_lab::fetch::Client;
use airsidectl::local::Snapshot;
use airsidectl::supervise::Phase;
use serde_json::Value;

use crate::local::{DEADLINE, Local, all_to, command, text, workload};

fn names(snapshot: &Snapshot) -> Vec<&str> {
    let instances = snapshot.instances.iter();
    instances.map(|report| report.name.as_str()).collect()
}

/// The panel in both versions, one that cannot be scaled, one that runs only once scaled up.
async fn start() -> Local {
    let workloads = [
        workload("cpanel", "v1", "]"),
        workload("cpanel", "v2", "]"),
        workload("alerts", "v1", "]\nsingle = 'it owns its database'"),
        workload("momentum", "v1", ", '--only-first']\n"),
        workload("momentum", "v2", "]\nreplicas = 0"),
    ];
    Local::of(&workloads.concat()).await
}

/// Who answers at the entrance, of so many requests.
async fn answering(snapshot: &Snapshot, requests: usize) -> BTreeSet<String> {
    let url = format!("http://{}/status", snapshot.owner.addresses.ingress);
    let client = Client::new(DEADLINE);
    let mut seen = BTreeSet::new();
    for _ in 0..requests {
        let answer = client.get(&url).await.expect("Envoy answers");
        assert_eq!(answer.status, http::StatusCode::OK, "{}", answer.body);
        seen.extend(answer.header("x-airside-instance").map(str::to_owned));
    }
    seen
}

#[tokio::test]
async fn new_instances_are_called_once_ready_and_the_highest_numbers_leave_first() {
    let local = start().await;
    let more = local.run(&["scale", "cpanel-v1", "3"]);
    let said = text(&more);
    assert!(more.status.success(), "{said}");
    let expected = "cpanel-v1 has 3 instances: cpanel-v1-1, cpanel-v1-2 started after ";
    assert!(said.starts_with(expected), "{said}");
    let snapshot = local.snapshot().expect("it answers");
    let all: BTreeSet<String> = (0..3).map(|index| format!("cpanel-v1-{index}")).collect();
    // 2 in 3^100 that least request passes one by.
    assert_eq!(answering(&snapshot, 100).await, all);

    let again = local.run(&["scale", "cpanel-v1", "3"]);
    assert_eq!(text(&again), "cpanel-v1 has 3 instances already\n");
    let status = text(&local.run(&["status"]));
    assert!(
        status.contains("cpanel-v1    3         3\n"),
        "replicas: {status}"
    );

    let fewer = local.run(&["scale", "cpanel-v1", "1"]);
    let said = text(&fewer);
    let expected = "cpanel-v1 has 1 instance: cpanel-v1-1, cpanel-v1-2 drained and ended after ";
    assert!(said.starts_with(expected), "{said}");
    let snapshot = local.snapshot().expect("it answers");
    let left = [
        "alerts-v1-0",
        "cpanel-v1-0",
        "cpanel-v2-0",
        "envoy",
        "momentum-v1-0",
    ];
    assert_eq!(names(&snapshot), left);
    assert_eq!(answering(&snapshot, 20).await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_is_refused_in_plain_words() {
    let local = start().await;
    let known = "alerts-v1, momentum-v1, momentum-v2";
    let cases = [
        (
            ["scale", "alerts", "2"],
            "alerts-v1 runs exactly once: it owns its database",
        ),
        (
            ["scale", "alerts-v1", "0"],
            "alerts-v1 runs exactly once: it owns its database",
        ),
        (["scale", "cpanel", "2"], "say which: cpanel-v1, cpanel-v2"),
        (["scale", "cpanel-v3", "2"], known),
        (["scale", "cpanel-v1", "1000"], "more than the 20"),
        (["scale", "cpanel-v1", "-1"], "unexpected argument"),
    ];
    let before = local.snapshot().expect("it answers");
    for (arguments, expected) in cases {
        let refused = local.run(&arguments);
        let said = text(&refused);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    let once = local.run(&["scale", "alerts", "1"]);
    assert_eq!(text(&once), "alerts-v1 has 1 instance already\n");
    let after = local.snapshot().expect("it answers");
    assert_eq!(names(&before), names(&after));
}

#[tokio::test]
async fn an_instance_that_does_not_come_up_is_taken_back_with_its_last_words() {
    let local = start().await;
    let failed = local.run(&["scale", "momentum", "3"]);
    let said = text(&failed);
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(
        said.contains("did not become ready: ended (exit status: 4)"),
        "{said}"
    );
    assert!(said.contains("no place left for momentum-v1-"), "{said}");
    assert!(
        said.contains("taken back: momentum-v1-1, momentum-v1-2"),
        "{said}"
    );
    let status = local.run(&["status"]);
    assert!(
        status.status.success(),
        "all others are ready: {}",
        text(&status)
    );
    let again = local.run(&["scale", "momentum-v2", "1"]);
    assert!(again.status.success(), "{}", text(&again));
}

#[tokio::test]
async fn none_is_a_number_too() {
    let local = start().await;
    let none = local.run(&["scale", "cpanel-v2", "0"]);
    let said = text(&none);
    assert!(
        said.starts_with("cpanel-v2 has no instance: cpanel-v2-0 drained"),
        "{said}"
    );
    assert!(!said.contains("503"), "v1 is left: {said}");
    let last = local.run(&["scale", "cpanel", "0"]);
    let said = text(&last);
    assert!(said.contains("calls to it are answered 503"), "{said}");
    let snapshot = local.snapshot().expect("it answers");
    let url = format!("http://{}/status", snapshot.owner.addresses.ingress);
    let answer = Client::new(DEADLINE)
        .get(&url)
        .await
        .expect("Envoy answers");
    assert_eq!(answer.status.as_u16(), 503);
    let back = local.run(&["scale", "cpanel-v1", "1"]);
    assert!(back.status.success(), "{}", text(&back));
    assert_eq!(answering(&snapshot, 5).await.len(), 1);
}

/// Two who scale at once are served one after the other, rules change in between.
#[tokio::test]
async fn scaling_waits_for_its_turn_and_rules_do_not_wait_for_scaling() {
    let local = start().await;
    let scale = |replicas: &str| {
        let mut scale = command(local.directory.path());
        scale.args(["scale", "cpanel-v2", replicas]);
        scale.stdout(std::process::Stdio::piped());
        scale.spawn().expect("airsidectl starts")
    };
    let asked = [scale("3"), scale("2")];
    let rules = local.file("v2.yaml", &all_to("v2"));
    let applied = local.run(&["apply", "-f", &rules.to_string_lossy()]);
    assert!(applied.status.success(), "{}", text(&applied));
    for asked in asked {
        let ended = asked.wait_with_output().expect("it ends");
        assert!(ended.status.success(), "{}", text(&ended));
    }
    let snapshot = local.snapshot().expect("it answers");
    let panels = names(&snapshot);
    let count = panels
        .iter()
        .filter(|name| name.starts_with("cpanel-v2-"))
        .count();
    assert!(
        count == 2 || count == 3,
        "the one that came last: {panels:?}"
    );
    assert_eq!(answering(&snapshot, 100).await.len(), count);
}

#[tokio::test]
async fn an_instance_that_crashes_is_mended_or_ends_as_any_other() {
    let mut local = start().await;
    assert!(local.run(&["scale", "cpanel-v1", "2"]).status.success());
    let second = |snapshot: &Snapshot| {
        let mut instances = snapshot.instances.iter();
        instances
            .find(|report| report.name == "cpanel-v1-1")
            .cloned()
            .expect("it is there")
    };
    let crash = async |local: &Local| {
        let report = second(&local.snapshot().expect("it answers"));
        let url = format!("http://{}/crash", report.address.expect("it listens"));
        let answer = Client::new(DEADLINE).get(&url).await;
        assert!(answer.is_err());
    };
    crash(&local).await;
    let mended = |reports: &[airsidectl::supervise::Report]| {
        let mut reports = reports.iter();
        reports.any(|report| report.restarts == 1 && report.phase == Phase::Ready)
    };
    local.until(mended).await;
    crash(&local).await;
    let asked = Instant::now();
    let fewer = local.run(&["scale", "cpanel-v1", "1"]);
    assert!(fewer.status.success(), "{}", text(&fewer));
    assert!(asked.elapsed() < Duration::from_secs(10));
    let snapshot = local.snapshot().expect("it answers");
    assert!(!names(&snapshot).contains(&"cpanel-v1-1"));
    assert_eq!(answering(&snapshot, 20).await.len(), 1);
}

#[tokio::test]
async fn the_mesh_view_tells_shares_instances_and_rules() {
    let local = start().await;
    let snapshot = local.snapshot().expect("it answers");
    let client = Client::new(DEADLINE);
    let panel = snapshot
        .instances
        .iter()
        .find(|report| report.name == "cpanel-v1-0");
    let address = panel.and_then(|panel| panel.address).expect("it listens");
    let told = client.get(&format!("http://{address}/view")).await;
    let url = told.expect("an answer").body;
    answering(&snapshot, 30).await;
    assert!(local.run(&["scale", "cpanel-v1", "2"]).status.success());
    let deadline = Instant::now() + DEADLINE;
    let cpanel = loop {
        let view = client.get(&url).await.expect("an answer");
        let view: Value = serde_json::from_str(&view.body).expect("JSON");
        assert_eq!(view["window-seconds"], 60);
        assert_eq!(view["rules"]["documents"][0]["kind"], "Gateway");
        let services = view["services"].as_array().expect("services").iter();
        let names: Vec<&Value> = services.clone().map(|service| &service["name"]).collect();
        assert_eq!(names, ["alerts", "cpanel", "momentum"]);
        let cpanel = services.clone().find(|service| service["name"] == "cpanel");
        let cpanel = cpanel.expect("it is there").clone();
        let counted = cpanel["versions"][0]["requests"] == 30;
        // The view is up to a second older than the command's answer.
        let states = cpanel["instances"].as_array().expect("instances").iter();
        let ready = states.filter(|instance| instance["state"] == "ready");
        if counted && ready.count() == 3 {
            break cpanel;
        }
        assert!(Instant::now() < deadline, "{cpanel:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let [v1, v2] = [&cpanel["versions"][0], &cpanel["versions"][1]];
    assert_eq!(
        (&v1["version"], &v1["wanted-share"], &v1["measured-share"]),
        (&"v1".into(), &1.0.into(), &1.0.into())
    );
    assert_eq!(
        (&v2["version"], &v2["wanted-share"], &v2["requests"]),
        (&"v2".into(), &0.0.into(), &0.into())
    );
    assert_eq!(cpanel["instances"][0]["requests"], 30);
    assert_eq!(cpanel["instances"][1]["ejected"], false);
    let words = cpanel["words"].to_string();
    assert!(
        words.contains("from outside: every request → cpanel v1"),
        "{words}"
    );
    for (method, path, status) in [
        ("POST", "", 405),
        ("DELETE", "", 405),
        ("GET", "/more", 404),
    ] {
        let method = method.parse().expect("a method");
        let answer = client.send(method, &format!("{url}{path}"), &[]).await;
        assert_eq!(answer.expect("an answer").status.as_u16(), status);
    }
}
