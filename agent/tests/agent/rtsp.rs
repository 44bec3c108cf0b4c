//! An RTSP camera within the test, on a GLib main context of its own.

use std::thread::JoinHandle;

use gstreamer::{self as gst, glib};
use gstreamer_rtsp_server::{
    RTSP_PERM_MEDIA_FACTORY_ACCESS, RTSP_PERM_MEDIA_FACTORY_CONSTRUCT,
    RTSP_TOKEN_MEDIA_FACTORY_ROLE, RTSPAuth, RTSPFilterResult, RTSPMediaFactory, RTSPServer,
    RTSPToken, prelude::*,
};

/// H.264 and sound, as most cameras send.
pub(crate) const H264: &str = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! rtph264pay name=pay0 pt=96 \
     audiotestsrc is-live=true ! mulawenc ! rtppcmupay name=pay1 pt=0";
/// A codec that the agent does not take.
pub(crate) const MJPEG: &str = "jpegenc ! rtpjpegpay name=pay0 pt=26";

/// A camera at `rtsp://127.0.0.1:PORT/live`. Dropping it turns it off.
pub(crate) struct RtspServer {
    port: i32,
    main_loop: glib::MainLoop,
    thread: Option<JoinHandle<()>>,
}

impl RtspServer {
    /// A camera on `port` (0: a free one) with this encoder. With `user` it wants these credentials.
    pub(crate) fn start(port: i32, encoder: &str, user: Option<(&str, &str)>) -> Self {
        gst::init().unwrap();
        let context = glib::MainContext::new();
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let server = RTSPServer::new();
        server.set_address("127.0.0.1");
        server.set_service(&port.to_string());
        let factory = RTSPMediaFactory::new();
        factory.set_launch(&format!(
            "( videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=15/1 ! {encoder} )"
        ));
        factory.set_shared(true);
        if let Some((name, password)) = user {
            factory.add_role_from_structure(
                &gst::Structure::builder("guard")
                    .field(RTSP_PERM_MEDIA_FACTORY_ACCESS.as_str(), true)
                    .field(RTSP_PERM_MEDIA_FACTORY_CONSTRUCT.as_str(), true)
                    .build(),
            );
            let token = RTSPToken::from_iter([(
                RTSP_TOKEN_MEDIA_FACTORY_ROLE.as_str(),
                "guard".to_send_value(),
            )]);
            let auth = RTSPAuth::new();
            auth.add_basic(&RTSPAuth::make_basic(name, password), &token);
            server.set_auth(Some(&auth));
        }
        server.mount_points().unwrap().add_factory("/live", factory);
        let source = server.attach(Some(&context)).unwrap();
        let port = server.bound_port();
        let runs = main_loop.clone();
        let thread = std::thread::spawn(move || {
            context.with_thread_default(|| runs.run()).unwrap();
            context.find_source_by_id(&source).unwrap().destroy();
            server.client_filter(Some(&mut |_, _| RTSPFilterResult::Remove));
        });
        Self {
            port,
            main_loop,
            thread: Some(thread),
        }
    }

    pub(crate) fn port(&self) -> i32 {
        self.port
    }

    pub(crate) fn address(&self) -> String {
        format!("rtsp://127.0.0.1:{}/live", self.port)
    }
}

impl Drop for RtspServer {
    fn drop(&mut self) {
        self.main_loop.quit();
        self.thread.take().unwrap().join().unwrap();
    }
}
