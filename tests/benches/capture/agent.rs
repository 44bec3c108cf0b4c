//! An agent with some cameras alike, streaming to a sink.

use std::{fmt::Write as _, fs};

use airside_tests::{Case, Program, Spec, sink::Sink};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Frames of a stream that may be under way.
pub(super) const WINDOW: u32 = 8;

/// What each camera is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Camera<'a> {
    pub(super) source: &'a str,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) fps: u32,
    /// Mode of the gate.
    pub(super) gate: &'a str,
}

impl<'a> Camera<'a> {
    /// 15 pictures a second of 720p, motion only.
    pub(super) fn large(film: &'a str) -> Self {
        Self {
            source: film,
            width: 1280,
            height: 720,
            fps: 15,
            gate: "motion",
        }
    }
}

/// How the agent with so many such cameras is started; each run begins with an empty spool.
pub(super) fn spec(case: &Case, camera: Camera<'_>, count: usize, sink: &Sink) -> Result<Spec> {
    let state = case.directory().join("state");
    if state.exists() {
        fs::remove_dir_all(&state)?;
    }
    let file = case.directory().join("agent.toml");
    fs::write(&file, configuration(camera, count, sink)?)?;
    Ok(Spec::agent("agent")
        .flag("--config", file)
        .flag("--state-dir", state))
}

fn configuration(camera: Camera<'_>, count: usize, sink: &Sink) -> Result<String> {
    let mut text = String::new();
    for id in 1..=count {
        let Camera {
            source,
            width,
            height,
            fps,
            gate,
        } = camera;
        let destination = sink.destination();
        write!(
            text,
            "[[camera]]\nid = {id}\nsource = \"{source}\"\nwidth = {width}\nheight = {height}\nfps = {fps}\n\
             stream = {{ section = 1, event = \"entry\", destination = \"{destination}\" }}\n\
             gate = {{ mode = \"{gate}\" }}\n"
        )?;
    }
    Ok(text)
}

/// Makes sure that every camera has captured `expected` pictures and that nothing was given up.
pub(super) async fn has_captured(agent: &Program, expected: u64) -> Result<()> {
    let cameras = agent.get("/cameras").await?.json()?;
    let cameras = cameras["cameras"].as_array().context("no cameras")?.clone();
    for camera in cameras {
        let frames = &camera["state"]["frames"];
        let count = |key: &str| frames[key].as_u64().unwrap_or_default();
        ensure!(
            count("captured") >= expected && count("shed") + count("dropped") == 0,
            "of {expected} pictures: {frames}"
        );
        ensure!(
            count("acknowledged") > 0 && camera["state"]["camera-error"] == Value::Null,
            "{camera}"
        );
    }
    Ok(())
}
