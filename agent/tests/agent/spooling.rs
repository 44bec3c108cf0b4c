//! Frames on disk: what an agent leaves, however it ends, the next one delivers.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::Arc,
};

use airside_agent::{capture::Source, settings, systemd::Manager};
use airside_core::ledger::{AgentLedger, Fate};
use airside_proto::v1::Outcome;
use airside_runtime::Mesh;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use super::{collector::Collector, eventually, harness::Agent, tape::Tape};

const PROGRAM: &str = env!("CARGO_BIN_EXE_airside-agent");

/// An agent in this process with this spool, whose camera `1` is this one.
async fn agent(camera: Arc<dyn Source>, folder: &Path, spool: &str) -> Agent {
    let file = format!("source = \"test://\"\n[spool]\n{spool}\n");
    let args = arguments(folder, &file);
    let mut loaded = settings::load(args.clone()).unwrap();
    loaded.settings.cameras[0].source = camera;
    Agent::running(loaded, args, Manager::default()).await
}

/// Of an agent with this file and a state directory.
fn arguments(folder: &Path, file: &str) -> Vec<OsString> {
    let path = folder.join("agent.toml");
    fs::write(&path, format!("agent = \"gate\"\n{file}")).unwrap();
    let fixed = ["airside-agent", "--listen", "127.0.0.1:0", "--config"];
    let mut args: Vec<OsString> = fixed.map(Into::into).into();
    let state = folder.join("state");
    args.extend([path.into(), "--state-dir".into(), state.into()]);
    args
}

fn verify(folder: &Path) -> Output {
    let state = folder.join("state");
    let verify = ["ledger", "verify", "--state-dir"];
    Command::new(PROGRAM)
        .args(verify)
        .arg(state)
        .output()
        .unwrap()
}

#[tokio::test]
async fn what_an_agent_leaves_the_next_one_delivers_oldest_first() {
    let folder = tempfile::tempdir().unwrap();
    let gone = Collector::recording().await.kill().await;
    let (tape, camera) = Tape::new();
    let first = agent(Arc::clone(&camera), folder.path(), "sync = \"0s\"").await;
    first.start(&format!("grpc://{gone}")).await;
    tape.show(1..=30);
    first
        .becomes("all are captured", |state| {
            state["frames"]["captured"] == 30
        })
        .await;
    first.stop().await;
    assert!(verify(folder.path()).status.success());

    // The tape is of 2020; what counts is for how long the frames have waited.
    let second = agent(camera, folder.path(), "age = \"1h\"").await;
    let state = second.state().await;
    assert_eq!(
        (&state["frames"]["captured"], &state["frames"]["spooled"]),
        (&30.into(), &30.into())
    );
    let collector = Collector::start(&gone.to_string(), 8, |_, _| Some(Outcome::Recorded)).await;
    second.start(&collector.destination()).await;
    second
        .becomes("all are acknowledged", |state| {
            state["frames"]["acknowledged"] == 30
        })
        .await;
    assert_eq!(collector.numbers(), (1..=30).collect::<Vec<_>>());
    assert_eq!(
        second.metric("airside_agent_frames_captured_total").await,
        30
    );
    second.stop().await;
}

#[tokio::test]
async fn bounds_are_exchanged_while_frames_wait() {
    let folder = tempfile::tempdir().unwrap();
    let gone = Collector::recording().await.kill().await;
    let (tape, camera) = Tape::new();
    let spool = "size = \"1MiB\"\npolicy = \"stop-capture\"";
    let agent = agent(camera, folder.path(), spool).await;
    let body = json!({
        "section": 1, "event": "exit", "destination": format!("grpc://{gone}"), "extra-info": "x".repeat(4000),
    });
    agent.post("/stream?toggle=on", &body.to_string()).await;
    tape.show(1..=400);
    agent
        .becomes("the camera stops", |state| state["camera"] == "full")
        .await;
    let rebound = async |spool: &str| {
        let file = format!("agent = \"gate\"\nsource = \"test://\"\n[spool]\n{spool}\n");
        let (status, report) = agent.put("/config", &file).await;
        assert_eq!(status, 200, "{report}");
        assert_eq!(report["unchanged"], json!(["1"]), "{report}");
        assert_eq!(report["restart-needed"], json!([]), "{report}");
    };
    rebound("size = \"8MiB\"\npolicy = \"stop-capture\"").await;
    let state = agent
        .becomes("there is room for all", |state| {
            state["frames"]["spooled"] == 400
        })
        .await;
    assert_eq!(state["spool"]["limit-bytes"], 8 << 20, "{state}");
    assert_eq!(state["frames"]["shed"], 0, "{state}");

    rebound("size = \"1MiB\"").await;
    let state = agent.state().await;
    assert!(state["spool"]["bytes"].as_u64() <= Some(1 << 20), "{state}");
    let frames = &state["frames"];
    let count = |key: &str| frames[key].as_u64().unwrap();
    assert!(count("shed") > 0 && count("spooled") > 0, "{state}");
    assert_eq!(count("shed") + count("spooled"), 400, "{state}");

    rebound("age = \"1ms\"").await;
    agent
        .becomes("nothing is that young", |state| {
            state["frames"]["spooled"] == 0
        })
        .await;
    agent.stop().await;
    assert!(verify(folder.path()).status.success());
}

#[tokio::test]
async fn a_full_spool_stops_the_camera_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let gone = Collector::recording().await.kill().await;
    let (tape, camera) = Tape::new();
    let spool = "size = \"1MiB\"\npolicy = \"stop-capture\"";
    let agent = agent(camera, folder.path(), spool).await;
    // Large frames, so that fewer fill it.
    let body = json!({
        "section": 1, "event": "exit", "destination": format!("grpc://{gone}"), "extra-info": "x".repeat(4000),
    });
    agent.post("/stream?toggle=on", &body.to_string()).await;
    tape.show(1..=400);
    let state = agent
        .becomes("the camera stops", |state| state["camera"] == "full")
        .await;
    assert_eq!(state["camera-error"], "the spool is full");
    let collector = Collector::start(&gone.to_string(), 64, |_, _| Some(Outcome::Recorded)).await;
    let state = agent
        .becomes("all came in the end", |state| {
            state["frames"]["acknowledged"] == 400
        })
        .await;
    let frames = &state["frames"];
    assert_eq!(
        (&frames["shed"], &frames["dropped"]),
        (&0.into(), &0.into())
    );
    assert_eq!(
        collector.numbers().into_iter().collect::<BTreeSet<_>>(),
        (1..=400).collect()
    );
    assert!(tape.openings() > 1);
    agent.stop().await;
}

/// The program, streaming a pattern to a collector.
struct Process {
    child: Child,
    mesh: Mesh,
    url: String,
}

impl Process {
    async fn start(folder: &Path, destination: &str) -> Self {
        let announced = folder.join("address");
        let _ = fs::remove_file(&announced);
        let flags = "--listen 127.0.0.1:0 --agent gate --source test:// --width 64 --height 48 --fps 60 \
                     --section 1 --event exit --drain-timeout 10s --announce";
        let child = Command::new(PROGRAM)
            .args(flags.split_whitespace())
            .arg(&announced)
            .arg("--destination")
            .arg(destination)
            .arg("--state-dir")
            .arg(folder.join("state"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        eventually("it listens", || {
            fs::read_to_string(&announced).is_ok_and(|text| !text.is_empty())
        })
        .await;
        Self {
            child,
            mesh: Mesh::new(None),
            url: format!("http://{}", fs::read_to_string(announced).unwrap().trim()),
        }
    }

    async fn get(&self, path: &str) -> Bytes {
        let request = Request::get(format!("{}{path}", self.url)).body(Full::default());
        let limit = std::time::Duration::from_secs(10);
        let answer = self.mesh.send(request.unwrap(), limit).await.unwrap();
        answer.into_body()
    }

    async fn captured(&self) -> u64 {
        let state: Value = serde_json::from_slice(&self.get("/state").await).unwrap();
        state["frames"]["captured"].as_u64().unwrap()
    }

    /// With SIGKILL.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test]
async fn killed_at_any_moment_it_forgets_no_frame_and_no_count() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::recording().await;
    let mut least = 0;
    for round in 1..=6 {
        let process = Process::start(folder.path(), &collector.destination()).await;
        let before = collector.frames().len();
        eventually("frames flow", || {
            collector.frames().len() > before + 7 * round
        })
        .await;
        let captured = process.captured().await;
        assert!(captured >= least, "{captured} after {least}");
        least = captured;
        process.kill();
        let verified = verify(folder.path());
        let report = String::from_utf8(verified.stdout).unwrap();
        assert!(verified.status.success(), "{report}");
    }
    let process = Process::start(folder.path(), &collector.destination()).await;
    let stop = Request::post(format!("{}/stream?toggle=off", process.url)).body(Full::default());
    let limit = std::time::Duration::from_secs(10);
    process.mesh.send(stop.unwrap(), limit).await.unwrap();
    let settled = async || {
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
        loop {
            tick.tick().await;
            let ledger: AgentLedger =
                serde_json::from_slice(&process.get("/ledger").await).unwrap();
            if ledger.cameras[0].counts.spooled == 0 {
                return ledger;
            }
        }
    };
    let ledger = tokio::time::timeout(limit, settled()).await.unwrap();
    let camera = &ledger.cameras[0];
    assert!(camera.counts.balance() && camera.counts.captured >= least);
    assert!(
        camera
            .counts
            .dropped
            .iter()
            .all(|(why, count)| why == "overrun" || *count == 0)
    );
    let mut acknowledged = BTreeSet::new();
    for epoch in &camera.epochs {
        for run in epoch
            .runs
            .iter()
            .filter(|run| run.state == Fate::Acknowledged)
        {
            acknowledged.extend((run.first..=run.last).map(|sequence| (epoch.epoch, sequence)));
        }
    }
    let ids = collector.frames().into_iter().filter_map(|frame| frame.id);
    let recorded: BTreeSet<_> = ids.map(|id| (id.epoch, id.sequence)).collect();
    assert_eq!(acknowledged, recorded);
    process.kill();
}

#[tokio::test]
async fn what_was_ordered_through_the_interface_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::recording().await;
    let (tape, camera) = Tape::new();
    let first = agent(Arc::clone(&camera), folder.path(), "").await;
    first.start(&collector.destination()).await;
    first.stop().await;

    let second = agent(Arc::clone(&camera), folder.path(), "").await;
    let state = second.state().await;
    assert_eq!(
        (&state["streaming"], &state["section"], &state["event"]),
        (&true.into(), &"1".into(), &"exit".into())
    );
    tape.show(1..=3);
    second
        .becomes("it streams on", |state| {
            state["frames"]["acknowledged"] == 3
        })
        .await;
    second.post("/stream?toggle=off", "").await;
    second.stop().await;

    let third = agent(Arc::clone(&camera), folder.path(), "").await;
    let state = third.state().await;
    assert_eq!(state["streaming"], false);
    assert_eq!(state["destination"], collector.destination());
    third.stop().await;

    // A file that names a stream comes first.
    let stream = format!(
        "[[camera]]\nid = 1\nsource = \"test://\"\nstream = {{ section = 2, event = \"entry\", destination = \"{}\" }}",
        collector.destination()
    );
    let args = arguments(folder.path(), &stream);
    let loaded = settings::load(args.clone()).unwrap();
    let fourth = Agent::running(loaded, args, Manager::default()).await;
    let state = fourth.state().await;
    assert_eq!(
        (&state["streaming"], &state["section"]),
        (&true.into(), &"2".into())
    );
    fourth.stop().await;
}

#[tokio::test]
async fn a_state_directory_belongs_to_one_agent() {
    let folder = tempfile::tempdir().unwrap();
    let (_tape, camera) = Tape::new();
    let agent = agent(camera, folder.path(), "").await;
    let second = Command::new(PROGRAM)
        .args([
            "--listen",
            "127.0.0.1:0",
            "--source",
            "test://",
            "--state-dir",
        ])
        .arg(folder.path().join("state"))
        .output()
        .unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("is in use by process"), "{said}");
    agent.stop().await;
}
