//! `airsidectl up` with tiny programs and a real Envoy: start, failure, change of rules, end.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use airside_lab::fetch::Client;
use airsidectl::local::Snapshot;
use airsidectl::supervise::{Phase, Report};

use crate::local::{DEADLINE, Local, all_to, command, text};

async fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A process that is there and not merely waiting to be reaped.
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn pids(snapshot: &Snapshot) -> Vec<u32> {
    snapshot
        .instances
        .iter()
        .filter_map(|report| report.pid)
        .collect()
}

#[tokio::test]
async fn a_mesh_from_start_to_end() {
    let mut local = Local::start("]\nfeeds = true").await;
    let snapshot = local.snapshot().expect("it answers");
    let names: Vec<&str> = snapshot.instances.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(
        names,
        ["camera-v1-0", "cpanel-v1-0", "cpanel-v2-0", "envoy"]
    );
    let url = format!("http://{}/status", snapshot.owner.addresses.ingress);
    let client = Client::new(DEADLINE);
    let status = async || client.get(&url).await.expect("an answer").body;
    assert_eq!(status().await, "v1 : Online - cpanel-v1-0");

    let second = local.run(&["up"]);
    assert!(!second.status.success());
    let said = text(&second);
    assert!(
        said.contains(&format!("already running: process {}", local.up.id())),
        "{said}"
    );

    let bad = local.file("bad.yaml", &all_to("v3"));
    let refused = local.run(&["apply", "-f", &bad.to_string_lossy()]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused).contains("bad.yaml, document 1, spec.http[0].route[0].destination.subset")
    );
    assert_eq!(status().await, "v1 : Online - cpanel-v1-0");
    let good = local.file("good.yaml", &all_to("v2"));
    let applied = local.run(&["apply", "-f", &good.to_string_lossy()]);
    assert!(
        text(&applied).contains("in force after"),
        "{}",
        text(&applied)
    );
    assert_eq!(status().await, "v2 : Online - cpanel-v2-0");
    assert!(local.run(&["reset"]).status.success());
    assert_eq!(status().await, "v1 : Online - cpanel-v1-0");

    let load = local.run(&["load", "--requests", "5"]);
    assert!(load.status.success());
    assert!(text(&load).contains("cpanel-v1-0  5  "), "{}", text(&load));

    let before = pids(&local.snapshot().expect("it answers"));
    let asked = Instant::now();
    assert!(local.run(&["down"]).status.success());
    assert!(asked.elapsed() < Duration::from_secs(10));
    assert!(
        local.up.wait().expect("a child").success(),
        "{}",
        local.output()
    );
    assert!(!before.into_iter().any(is_alive));
    assert!(text(&local.run(&["status"])).contains("no mesh is running"));
}

/// The instance that the rules lead to.
fn panel(reports: &[Report]) -> Report {
    let find = |report: &&Report| report.name == "cpanel-v1-0";
    reports.iter().find(find).cloned().expect("it is there")
}

#[tokio::test]
async fn only_an_instance_that_is_ready_is_called() {
    let mut local = Local::start("]").await;
    let snapshot = local.snapshot().expect("it answers");
    let client = Client::new(DEADLINE);
    let toggle = format!(
        "http://{}/toggle",
        panel(&snapshot.instances).address.expect("ready")
    );
    let url = format!("http://{}/status", snapshot.owner.addresses.ingress);
    for (phase, status) in [(Phase::Unready, 503), (Phase::Ready, 200)] {
        client.get(&toggle).await.expect("an answer");
        local.until(|reports| panel(reports).phase == phase).await;
        let deadline = Instant::now() + DEADLINE;
        while client
            .get(&url)
            .await
            .expect("Envoy answers")
            .status
            .as_u16()
            != status
        {
            assert!(Instant::now() < deadline, "{phase:?} and still no {status}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn envoy_too_is_started_again_with_the_rules_in_force() {
    let mut local = Local::start("]").await;
    let rules = local.file("v2.yaml", &all_to("v2"));
    assert!(
        local
            .run(&["apply", "-f", &rules.to_string_lossy()])
            .status
            .success()
    );
    let snapshot = local.snapshot().expect("it answers");
    let url = format!("http://{}/status", snapshot.owner.addresses.ingress);
    let envoy = |reports: &[Report]| reports.iter().find(|r| r.name == "envoy").cloned();
    let pid = envoy(&snapshot.instances)
        .and_then(|report| report.pid)
        .expect("it runs");
    let killed = Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(killed.expect("kill runs").success());
    let again = |reports: &[Report]| {
        envoy(reports).is_some_and(|envoy| envoy.restarts == 1 && envoy.phase == Phase::Ready)
    };
    local.until(again).await;
    let answer = Client::new(DEADLINE)
        .get(&url)
        .await
        .expect("Envoy answers");
    assert_eq!(answer.body, "v2 : Online - cpanel-v2-0");
}

#[tokio::test]
async fn bad_files_are_bad_input() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(directory.path().join("rules")).expect("made");
    let up = |arguments: &[&str]| {
        command(directory.path())
            .arg("up")
            .args(arguments)
            .output()
            .expect("it runs")
    };
    let output = up(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output).contains("rules holds no file *.yaml"),
        "{}",
        text(&output)
    );
    let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\nspec: {hots: cpanel}\n";
    std::fs::write(directory.path().join("rules/a.yaml"), rule).expect("written");
    let output = up(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output).contains("did you mean `host`?"),
        "{}",
        text(&output)
    );
    let output = up(&["--topology", "nowhere.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("nowhere.toml"), "{}", text(&output));
    assert_eq!(up(&["--ingress", "nowhere"]).status.code(), Some(2));
}

#[tokio::test]
async fn a_program_that_dies_is_reported_and_started_again() {
    let mut local = Local::start("]").await;
    let before = local.snapshot().expect("it answers");
    let address = panel(&before.instances).address.expect("ready");
    let client = Client::new(DEADLINE);
    let crash = client.get(&format!("http://{address}/crash")).await;
    assert!(crash.is_err());
    let after = local
        .until(|reports| panel(reports).restarts == 1 && panel(reports).phase == Phase::Ready)
        .await;
    assert_ne!(panel(&after.instances).pid, panel(&before.instances).pid);
    let said = local.output();
    assert!(
        said.contains("cpanel-v1-0 ended (exit status: 3)"),
        "{said}"
    );
    assert!(said.contains("    the last words of cpanel-v1-0"), "{said}");
    let logs = text(&local.run(&["logs", "cpanel-v1"]));
    assert_eq!(logs, "the last words of cpanel-v1-0\n");
    let url = format!("http://{}/status", after.owner.addresses.ingress);
    let deadline = Instant::now() + DEADLINE;
    while client.get(&url).await.expect("Envoy answers").status != http::StatusCode::OK {
        assert!(Instant::now() < deadline, "the new address is not called");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn nothing_outlives_a_killed_supervisor_and_the_next_one_starts() {
    let mut local = Local::start("]").await;
    let before = pids(&local.snapshot().expect("it answers"));
    assert_eq!(before.len(), 4);
    local.up.kill().expect("killed");
    local.up.wait().expect("reaped");
    wait_until("programs outlive it", || {
        !before.iter().copied().any(is_alive)
    })
    .await;
    assert!(text(&local.run(&["down"])).contains("no mesh is running"));
}

#[tokio::test]
async fn a_program_that_does_not_end_is_killed_in_time() {
    let local = Local::start(", '--stubborn']").await;
    let before = pids(&local.snapshot().expect("it answers"));
    let asked = Instant::now();
    assert!(local.run(&["down"]).status.success());
    assert!(asked.elapsed() < Duration::from_secs(10));
    assert!(
        local.output().contains("camera-v1-0 does not end, killed"),
        "{}",
        local.output()
    );
    assert!(!before.into_iter().any(is_alive));
}

#[tokio::test]
async fn a_mesh_in_the_background_starts_ends_and_starts_again() {
    let local = Local::start("]").await;
    assert!(local.run(&["down"]).status.success());
    let topology = local.directory.path().join("topology.toml");
    let topology = topology.to_string_lossy();
    let any = "127.0.0.1:0";
    let flags = [
        "--topology",
        &*topology,
        "--ingress",
        any,
        "--egress",
        any,
        "--admin",
        any,
    ];
    for _ in 0..3 {
        let started = local.run(&[&["up", "--detach"], flags.as_slice()].concat());
        let again = local.run(&[&["up", "--detach"], flags.as_slice()].concat());
        let ended = local.run(&["down"]);
        assert!(started.status.success(), "{}", text(&started));
        assert!(text(&started).contains("cpanel-v1-0"), "{}", text(&started));
        assert!(
            text(&again).starts_with("already running"),
            "{}",
            text(&again)
        );
        assert!(ended.status.success(), "{}", text(&ended));
    }
}

#[tokio::test]
async fn a_taken_port_is_named_before_anything_starts() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(directory.path().join("rules")).expect("made");
    std::fs::write(
        directory.path().join("topology.toml"),
        "[[workload]]\nname = 'cpanel'\nprogram = 'false'\n",
    )
    .expect("written");
    let rules = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\nspec: {host: cpanel}\n";
    std::fs::write(directory.path().join("rules/a.yaml"), rules).expect("written");
    let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = other.local_addr().expect("bound").to_string();
    let output = command(directory.path())
        .args(["up", "--ingress", &taken, "--topology"])
        .arg(directory.path().join("topology.toml"))
        .output()
        .expect("airsidectl runs");
    assert!(!output.status.success());
    let said = text(&output);
    assert!(
        said.contains(&format!("cannot listen on {taken}")),
        "{said}"
    );
    assert!(said.contains("`--ingress HOST:PORT`"), "{said}");
    assert!(!said.contains("starting"), "{said}");
}
