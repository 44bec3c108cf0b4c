//! Cameras that are opened again and again, as an agent does for years: threads, files and memory stay what they are.
//!
//! A process of its own, because it is measured, and the RTSP cameras are another. `AIRSIDE_TEST_ENDURANCE=long` opens a real RTSP camera a thousand times, and
//! every other kind as often.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test explains itself and may panic"
)]

#[expect(dead_code, reason = "not every camera of the other tests is needed")]
#[path = "../agent/rtsp.rs"]
mod rtsp;

use std::{
    env, fs,
    io::{self, BufRead as _, BufReader, Read as _},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use airside_agent::capture::{Error, Format, LumaWanted, Pictures, Setup, Source};

use self::rtsp::RtspServer;

const FORMAT: Format = Format {
    width: 160,
    height: 120,
    fps: 30.0,
    jpeg_quality: 80,
    stall: Duration::from_secs(20),
    masks: Vec::new(),
    luma: LumaWanted::None,
};

/// Names the encoder in the environment of a process that is to be a camera.
const CAMERA: &str = "AIRSIDE_TEST_CAMERA";

/// An RTSP camera in a process of its own: this program, told to be one.
struct Camera {
    process: Child,
    /// Kept open: the other process has a last word.
    _output: BufReader<ChildStdout>,
    address: String,
}

impl Camera {
    fn start(encoder: &str) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .arg("--nocapture")
            .env(CAMERA, encoder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut lines = output.by_ref().lines().map(Result::unwrap);
        let address = lines.find(|line| line.starts_with("rtsp://"));
        Self {
            process,
            _output: output,
            address: address.expect("the camera tells its address"),
        }
    }

    /// What the other process does: it is a camera until it is told to end.
    fn be(encoder: &str) {
        let server = RtspServer::start(encoder);
        println!("\n{}", server.address());
        io::stdin().read_to_end(&mut Vec::new()).unwrap();
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}

/// What this process has.
#[derive(Clone, Copy, Debug)]
struct Usage {
    threads: usize,
    files: usize,
    resident_kib: usize,
}

impl Usage {
    fn now() -> Self {
        let entries = |path| fs::read_dir(path).unwrap().count();
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.unwrap().trim().trim_end_matches(" kB");
        Self {
            threads: entries("/proc/self/task"),
            files: entries("/proc/self/fd"),
            resident_kib: resident.parse().unwrap(),
        }
    }
}

/// How an open camera comes to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// It does not open, or yields nothing.
    Fails,
    /// It yields pictures, and is closed after the first.
    Closed,
    /// It yields pictures, and ends.
    Ends,
}

/// Opens a camera as the agent does, where blocking is allowed, and takes its pictures.
async fn open_once(setup: &Setup, end: End) -> Result<u32, Error> {
    let setup = setup.clone();
    let opened = tokio::task::spawn_blocking(move || setup.open(&FORMAT));
    let mut pictures: Box<dyn Pictures> = opened.await.unwrap()?;
    let mut taken = Ok(0);
    loop {
        match (pictures.next().await, &mut taken) {
            (Ok(_), Ok(count)) => *count += 1,
            (Err(error), Ok(0)) => taken = Err(error),
            _ => break,
        }
        if end == End::Closed || taken.is_err() {
            break;
        }
    }
    tokio::task::spawn_blocking(move || drop(pictures))
        .await
        .unwrap();
    taken
}

/// Opens a camera so often, and some times before what it needs from then on is measured.
async fn reconnect(what: &str, source: &str, times: u32, end: End) {
    let setup = Setup::from(source.parse::<airside_agent::capture::Location>().unwrap());
    let warm_up = times.div_ceil(5);
    let (mut before, mut unexpected) = (Usage::now(), 0);
    let began = Instant::now();
    for time in 0..warm_up + times {
        if time == warm_up {
            before = Usage::now();
        }
        let opened = open_once(&setup, end).await;
        if opened.is_err() != (end == End::Fails) {
            println!("{what}, the {time}th time: {opened:?}");
            unexpected += 1;
            // Once more and no more, as the agent does after a pause.
            let again = open_once(&setup, end).await;
            assert!(again.is_ok(), "{what}, and again: {again:?}");
        }
    }
    // A camera that is just closing may turn the next one away.
    assert!(
        unexpected <= times / 20,
        "{what}: {unexpected} times otherwise"
    );
    let took = began.elapsed();
    let after = settled(before).await;
    println!("{what}, {times} times in {took:.1?}: {before:?} → {after:?}");
    assert!(
        after.threads <= before.threads + SPARE_THREADS,
        "{what}: {before:?} {after:?}"
    );
    assert!(
        after.files <= before.files + SPARE_FILES,
        "{what}: {before:?} {after:?}"
    );
    let grown = after.resident_kib.saturating_sub(before.resident_kib);
    assert!(grown <= SPARE_KIB, "{what}: {before:?} {after:?}");
}

/// Idle threads of GLib's and tokio's pools.
const SPARE_THREADS: usize = 6;
/// What a connection that is just closing still has.
const SPARE_FILES: usize = 4;
/// Fragments of the heap. A thousand pipelines that leaked a picture each would be twenty times as much.
const SPARE_KIB: usize = 8 << 10;

/// What is there once threads have ended that were told to.
async fn settled(before: Usage) -> Usage {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    loop {
        let now = Usage::now();
        let done = now.threads <= before.threads && now.files <= before.files;
        if done || Instant::now() > deadline {
            return now;
        }
        tick.tick().await;
    }
}

#[tokio::test]
async fn a_thousand_reconnects_leave_nothing_behind() {
    if let Ok(encoder) = env::var(CAMERA) {
        return Camera::be(&encoder);
    }
    let long = env::var("AIRSIDE_TEST_ENDURANCE").is_ok_and(|how| how == "long");
    let times = |short| if long { 1000 } else { short };
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.mp4");
    fs::write(
        &broken,
        [b"\0\0\0\x18ftypisom\0\0\0\0isomisom", &[0x55; 4096][..]].concat(),
    )
    .unwrap();
    let refused = Camera::start(rtsp::H264).address.clone();
    reconnect("a camera that refuses", &refused, times(400), End::Fails).await;
    let broken = broken.to_str().unwrap();
    reconnect("a broken film", broken, times(400), End::Fails).await;
    reconnect("a pattern", "test://", times(100), End::Closed).await;
    let camera = Camera::start(rtsp::H264);
    reconnect("an RTSP camera", &camera.address, times(40), End::Closed).await;
    let camera = Camera::start(rtsp::ENDING);
    let times = if long { 200 } else { 5 };
    reconnect("one that ends", &camera.address, times, End::Ends).await;
}
