//! Another configuration while the agent runs.

use std::{ffi::OsString, fs, path::PathBuf};

use airside_agent::{settings, systemd::Manager};
use airside_core::FrameId;
use http::{Request, StatusCode};
use serde_json::json;
use tempfile::TempDir;

use super::{collector::Collector, eventually, harness::Agent, tape::Tape};

/// An agent with a configuration file; its camera 1 is a tape.
pub(crate) struct Site {
    pub(crate) folder: TempDir,
    pub(crate) agent: Agent,
    pub(crate) tape: Tape,
}

impl Site {
    pub(crate) async fn new(configuration: &str, manager: Manager) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::within(folder, configuration, manager).await
    }

    /// With files that the configuration names beside it.
    pub(crate) async fn within(folder: TempDir, configuration: &str, manager: Manager) -> Self {
        let file = folder.path().join("agent.toml");
        fs::write(&file, configuration).unwrap();
        let args = ["airside-agent", "--listen", "127.0.0.1:0", "--config"];
        let mut args: Vec<OsString> = args.map(Into::into).into();
        args.push(file.into());
        let mut loaded = settings::load(args.clone()).unwrap();
        let (tape, camera) = Tape::new();
        loaded.settings.cameras[0].source = camera;
        let agent = Agent::running(loaded, args, manager).await;
        Self {
            folder,
            agent,
            tape,
        }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("agent.toml")
    }
}

/// Cameras as tables: the first is the tape.
fn tables(destination: &str, cameras: &[(&str, &str)]) -> String {
    let table = |(id, more): &(&str, &str)| {
        format!(
            "[[camera]]\nid = \"{id}\"\nsource = \"test://\"\nwidth = 64\nheight = 48\n{more}\n\
             stream = {{ section = 1, event = \"exit\", destination = \"{destination}\" }}\n"
        )
    };
    let tables: Vec<_> = cameras.iter().map(table).collect();
    format!("agent = \"gate\"\n{}", tables.concat())
}

fn ids(collector: &Collector, camera: &str) -> Vec<FrameId> {
    let ids = collector.frames().into_iter().filter_map(|frame| frame.id);
    let ids = ids.filter(|id| id.camera == camera);
    ids.map(|id| FrameId {
        agent: id.agent,
        camera: id.camera,
        epoch: id.epoch,
        sequence: id.sequence,
    })
    .collect()
}

#[tokio::test]
async fn only_what_changed_restarts() {
    let collector = Collector::recording().await;
    let to = collector.destination();
    let site = Site::new(
        &tables(&to, &[("1", ""), ("2", "fps = 5"), ("3", "")]),
        Manager::default(),
    )
    .await;
    let agent = &site.agent;
    site.tape.show(1..=5);
    let both = || ids(&collector, "1").len() == 5 && !ids(&collector, "2").is_empty();
    eventually("both stream", both).await;

    let wanted = tables(&to, &[("1", ""), ("2", "fps = 10"), ("4", "")]);
    let (status, report) = agent.put("/config", &wanted).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    let expected = json!({
        "added": ["4"], "removed": ["3"], "restarted": ["2"], "redirected": [], "unchanged": ["1"], "failed": [],
        "restart-needed": [], "persisted": false,
    });
    assert_eq!(report, expected);
    site.tape.show(6..=10);
    let all = || ids(&collector, "1").len() == 10 && !ids(&collector, "4").is_empty();
    eventually("the new one streams as well", all).await;

    // What did not change was not disturbed: one opening, one epoch, no gap.
    assert_eq!(site.tape.openings(), 1);
    let first = ids(&collector, "1");
    assert!(first.iter().all(|id| id.epoch == first[0].epoch));
    assert!(first.iter().map(|id| id.sequence).eq(1..=10));
    // What was made anew goes on in its epoch.
    let before = ids(&collector, "2").len();
    eventually("the second goes on", || {
        ids(&collector, "2").len() > before + 2
    })
    .await;
    let second = ids(&collector, "2");
    assert!(second.iter().all(|id| id.epoch == second[0].epoch));
    assert!(
        second
            .iter()
            .map(|id| id.sequence)
            .eq(1..=second.len() as u64)
    );
    let (_, list) = agent.get("/cameras").await;
    let listed: Vec<_> = list["cameras"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(listed, [&json!("1"), &json!("2"), &json!("4")]);
    assert_eq!(list["cameras"][1]["state"]["fps"], 10.0);
    assert_eq!(agent.get("/cameras/3/state").await.0, StatusCode::NOT_FOUND);
    site.agent.stop().await;
}

#[tokio::test]
async fn a_bandwidth_is_in_force_at_once() {
    let collector = Collector::recording().await;
    let cameras = tables(&collector.destination(), &[("1", "")]);
    let uplink = |keys: &str| format!("{cameras}\n[uplink]\n{keys}\n");
    let site = Site::new(&uplink("bandwidth = \"1bit/s\""), Manager::default()).await;
    site.tape.show(1..=8);
    eventually("one has come", || collector.frames().len() == 1).await;
    let state = site.agent.state().await;
    assert_eq!(state["uplink"]["bandwidth"], "1bit/s", "{state}");
    let (_, report) = site.agent.put("/config", &uplink("adaptive = true")).await;
    assert_eq!(report["restart-needed"], json!([]), "{report}");
    eventually("all have come", || collector.frames().len() == 8).await;
    let state = site.agent.state().await;
    assert_eq!(state["uplink"]["bandwidth"], json!(null), "{state}");
    let (_, configuration) = site.agent.get_text("/config").await;
    assert!(configuration.contains("adaptive = true"), "{configuration}");
}

#[tokio::test]
async fn streams_are_replaced_at_another_age_without_waiting_for_the_old_one() {
    let collector = Collector::recording().await;
    let cameras = tables(&collector.destination(), &[("1", "")]);
    let site = Site::new(
        &format!("{cameras}\n[uplink]\nstream-age = \"1d\"\n"),
        Manager::default(),
    )
    .await;
    site.tape.show(1..=3);
    eventually("all have come", || collector.frames().len() == 3).await;
    // By the key of the file's top as well.
    let (_, report) = site
        .agent
        .put("/config", &format!("stream-age = \"1s\"\n{cameras}"))
        .await;
    assert_eq!(
        (&report["unchanged"], &report["restart-needed"]),
        (&json!(["1"]), &json!([]))
    );
    eventually("streams follow each other", || {
        collector.hellos().len() >= 3
    })
    .await;
    site.tape.show(4..=6);
    eventually("the rest has come", || collector.frames().len() == 6).await;
    assert_eq!(collector.numbers(), (1..=6).collect::<Vec<_>>());
    assert_eq!(site.tape.openings(), 1);
}

#[tokio::test]
async fn a_camera_that_is_removed_delivers_what_it_holds_and_may_come_back() {
    let collector = Collector::start("127.0.0.1:0", 2, |_, _| None).await;
    let to = collector.destination();
    let site = Site::new(&tables(&to, &[("1", ""), ("2", "")]), Manager::default()).await;
    site.tape.show(1..=2);
    eventually("two are under way", || ids(&collector, "1").len() == 2).await;
    let captured =
        |metrics: &super::harness::Figures| metrics.sum("airside_agent_frames_captured_total");
    let before = captured(&site.agent.metrics().await);
    let (_, report) = site.agent.put("/config", &tables(&to, &[("2", "")])).await;
    assert_eq!(report["removed"], json!(["1"]));
    for frame in collector.frames() {
        collector.order(super::collector::Order::Answer(
            frame.into(),
            airside_proto::v1::Outcome::Recorded,
        ));
    }
    let (status, report) = site
        .agent
        .put("/config", &tables(&to, &[("2", ""), ("1", "")]))
        .await;
    assert_eq!((status, &report["added"]), (StatusCode::OK, &json!(["1"])));
    // A counter never goes back, and nothing was lost on the way.
    let metrics = site.agent.metrics().await;
    assert!(captured(&metrics) >= before);
    assert_eq!(metrics.sum("airside_agent_frames_dropped_total"), 0);
}

#[tokio::test]
async fn what_is_refused_changes_nothing_and_names_line_and_key() {
    let collector = Collector::recording().await;
    let good = tables(&collector.destination(), &[("1", "")]);
    let site = Site::new(&good, Manager::default()).await;
    let (_, in_force) = site.agent.get_text("/config").await;
    for (bad, status, field, detail) in [
        (
            good.replace("width = 64", "width = 1"),
            400,
            json!("camera[0].width"),
            "configuration:5:1: ",
        ),
        (
            good.replace("height", "hight"),
            400,
            json!("camera[0].hight"),
            "configuration:6:1: ",
        ),
        (
            format!("{good}[spool]\nsize = 1\n"),
            400,
            json!("spool.size"),
            ":10:1: ",
        ),
        (
            good.replace("[[camera]]", "[[camera"),
            400,
            json!(null),
            "no valid TOML",
        ),
        (String::new(), 400, json!(null), "no camera"),
    ] {
        for path in ["/config", "/config?persist=true"] {
            let (answered, problem) = site.agent.put(path, &bad).await;
            assert_eq!(answered, status, "{problem}");
            assert_eq!(problem["field"], field, "{problem}");
            assert!(
                problem["detail"].as_str().unwrap().contains(detail),
                "{problem}"
            );
        }
    }
    let form = Request::put(site.agent.url("/config")).header("content-type", "application/json");
    let answer = site.agent.send(form, "{}").await;
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(site.agent.get_text("/config").await.1, in_force);
    assert_eq!(fs::read_to_string(site.file()).unwrap(), good);
}

#[tokio::test]
async fn what_is_in_force_is_told_without_credentials_and_kept_if_wanted() {
    let site = Site::new(
        &tables("grpc://127.0.0.1:1", &[("1", "")]),
        Manager::default(),
    )
    .await;
    // Put back as it was told it changes nothing.
    let (_, told) = site.agent.get_text("/config").await;
    assert!(told.contains("min-area = 0.01\n"), "{told}");
    let (status, report) = site.agent.put("/config", &told).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    assert_eq!(
        (&report["unchanged"], &report["restart-needed"]),
        (&json!(["1"]), &json!([]))
    );
    let wanted = "agent = \"gate\"\nlog = \"warn\"\n[spool]\nage = \"3d\"\nkey-file = \"/etc/key\"\n[[camera]]\nid = 1\nsource = \"rtsp://guard:s3cret@127.0.0.1:1/live\"\n";
    let (status, report) = site.agent.put("/config?persist=true", wanted).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    assert_eq!(report["restart-needed"], json!(["log", "spool.key-file"]));
    assert_eq!(
        (&report["persisted"], &report["restarted"]),
        (&json!(true), &json!(["1"]))
    );
    assert_eq!(fs::read_to_string(site.file()).unwrap(), wanted);
    let (kind, told) = site.agent.get_text("/config").await;
    assert_eq!(kind, "application/toml");
    assert!(!told.contains("s3cret"), "{told}");
    let told: toml::Table = told.parse().unwrap();
    assert_eq!(
        told["camera"][0]["source"].as_str(),
        Some("rtsp://127.0.0.1:1/live")
    );
    // What needs a new process is not in force yet.
    assert_eq!(
        (told["spool"].get("key-file"), told["log"].as_str()),
        (None, Some("info"))
    );
    assert_eq!(told["spool"]["age"].as_str(), Some("3d"));

    let (_tape, camera) = Tape::new();
    let without_file = Agent::with(camera, &[]).await;
    let (status, _) = without_file.put("/config?persist=true", wanted).await;
    // The flags name a camera of their own.
    assert_eq!(status, StatusCode::CONFLICT);
}
