//! A network camera: an RTSP server within the test that shows a demo film, the agent, the pipeline behind it.

use std::{path::Path, thread::JoinHandle, time::Duration};

use airside_tests::{Program, Site, case, eventually, films::Films};
use anyhow::{Context as _, Result, ensure};
use gstreamer::glib;
use gstreamer_rtsp_server::{RTSPFilterResult, RTSPMediaFactory, RTSPServer, prelude::*};
use serde_json::{Value, json};

/// The agent tries again after growing pauses.
const NOTICED_WITHIN: Duration = Duration::from_secs(45);

/// A camera at `rtsp://127.0.0.1:PORT/gate`, on a GLib main context of its own. Dropping it turns it off.
pub(super) struct NetworkCamera {
    port: i32,
    main_loop: glib::MainLoop,
    thread: Option<JoinHandle<()>>,
}

impl NetworkCamera {
    /// Shows a film from its beginning to whoever connects; port 0 takes a free one.
    pub(super) fn start(port: i32, film: &Path) -> Result<Self> {
        gstreamer::init()?;
        let factory = RTSPMediaFactory::new();
        factory.set_launch(&format!(
            "( filesrc location={} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1 )",
            film.display()
        ));
        let server = RTSPServer::new();
        server.set_address("127.0.0.1");
        server.set_service(&port.to_string());
        let mounts = server
            .mount_points()
            .context("a new server has mount points")?;
        mounts.add_factory("/gate", factory);
        let context = glib::MainContext::new();
        let source = server.attach(Some(&context))?;
        let port = server.bound_port();
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let serving = main_loop.clone();
        let thread = std::thread::spawn(move || {
            // Fails only if another thread owns the context, which nobody else knows.
            let _ = context.with_thread_default(|| serving.run());
            if let Some(source) = context.find_source_by_id(&source) {
                source.destroy();
            }
            server.client_filter(Some(&mut |_, _| RTSPFilterResult::Remove));
        });
        Ok(Self {
            port,
            main_loop,
            thread: Some(thread),
        })
    }

    pub(super) fn address(&self) -> String {
        format!("rtsp://127.0.0.1:{}/gate", self.port)
    }
}

impl Drop for NetworkCamera {
    fn drop(&mut self) {
        self.main_loop.quit();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn a_network_camera_is_recorded_and_its_loss_and_return_are_noticed() {
    case("rtsp", async |case| {
        let films = Films::of_seconds(30).await?;
        let film = films.path(&films.truth.films[0]);
        let mut site = Site::start(case, None).await?;
        let camera = NetworkCamera::start(0, &film)?;
        let (port, address) = (camera.port, camera.address());
        site.add_agent(case, "camera-agent-1", &address, 5).await?;
        let (agent, collector) = (&site["camera-agent-1"], &site["collector"]);
        let stream = json!({"section": 1, "destination": "grpc://collector:9090", "event": "exit"});
        let answer = agent.post("/stream", &stream).await?;
        ensure!(answer.status < 300, "{}", answer.text());
        more_recorded(collector).await?;

        let pid = agent.pid();
        drop(camera);
        let reason = eventually("the agent says why", NOTICED_WITHIN, async || {
            let state = agent.get("/state").await?.json()?;
            Ok(state["camera-error"].as_str().map(str::to_owned))
        })
        .await?;
        ensure!(!reason.is_empty());

        let _camera = NetworkCamera::start(port, &film)?;
        more_recorded(collector).await?;
        let state = agent.get("/state").await?.json()?;
        ensure!(
            state["camera-error"] == Value::Null && state["streaming"] == true,
            "{state}"
        );
        ensure!(agent.pid() == pid);
        Ok(())
    });
}

/// Waits until ten more frames are recorded.
async fn more_recorded(collector: &Program) -> Result<()> {
    let recorded = async || {
        let name = "airside_collector_frames_total";
        collector.metric(name, "ecorded").await
    };
    let before = recorded().await?;
    eventually("frames are recorded", NOTICED_WITHIN, async || {
        Ok((recorded().await? >= before + 10.0).then_some(()))
    })
    .await
}
