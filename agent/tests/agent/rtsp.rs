//! An RTSP camera within the test, on a GLib main context of its own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use gstreamer::{self as gst, glib};
use gstreamer_rtsp_server::{
    RTSP_PERM_MEDIA_FACTORY_ACCESS, RTSP_PERM_MEDIA_FACTORY_CONSTRUCT,
    RTSP_TOKEN_MEDIA_FACTORY_ROLE, RTSPAuth, RTSPFilterResult, RTSPMediaFactory, RTSPServer,
    RTSPToken, gst_rtsp::RTSPLowerTrans, prelude::*,
};

/// H.264 and sound, as most cameras send.
pub(crate) const H264: &str = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! rtph264pay name=pay0 pt=96 \
     audiotestsrc is-live=true ! mulawenc ! rtppcmupay name=pay1 pt=0";
pub(crate) const H265: &str =
    "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! rtph265pay name=pay0 pt=96";
pub(crate) const MJPEG: &str = "jpegenc ! rtpjpegpay name=pay0 pt=26";
/// A keyframe at the very beginning and never again.
pub(crate) const NO_KEYFRAMES: &str = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=100000 option-string=scenecut=0 \
     ! rtph264pay name=pay0 pt=96";
/// A camera whose pictures are larger after its first second.
pub(crate) const GROWING: &str = "identity eos-after=15 ! concat name=c ! x264enc tune=zerolatency speed-preset=ultrafast \
     key-int-max=15 ! rtph264pay config-interval=-1 name=pay0 pt=96 \
     videotestsrc is-live=true ! video/x-raw,format=I420,width=640,height=480,framerate=15/1 ! c.";
/// A camera that ends its stream.
pub(crate) const ENDING: &str = "identity eos-after=8 ! x264enc tune=zerolatency speed-preset=ultrafast ! rtph264pay name=pay0 pt=96";
/// A codec that the agent does not take.
pub(crate) const VP8: &str = "vp8enc deadline=1 ! rtpvp8pay name=pay0 pt=96";

/// Sound alone.
pub(crate) const SOUND: &str =
    "fakesink audiotestsrc is-live=true ! mulawenc ! rtppcmupay name=pay0 pt=0";

/// A camera at `rtsp://127.0.0.1:PORT/live`. Dropping it turns it off.
pub(crate) struct RtspServer {
    port: i32,
    main_loop: glib::MainLoop,
    thread: Option<JoinHandle<()>>,
}

impl RtspServer {
    /// A camera with this encoder.
    pub(crate) fn start(encoder: &str) -> Self {
        Self::start_on(0, encoder)
    }

    /// A camera that sends nothing more once the switch is set, though its connections live.
    pub(crate) fn that_freezes(encoder: &str) -> (Self, Arc<AtomicBool>) {
        let factory = factory(encoder);
        let frozen = Arc::<AtomicBool>::default();
        let switch = Arc::clone(&frozen);
        factory.connect_media_configure(move |_, media| {
            let frozen = Arc::clone(&switch);
            let element = media.element();
            let payloader = element.downcast_ref::<gst::Bin>().unwrap().by_name("pay0");
            let entry = payloader.unwrap().static_pad("sink").unwrap();
            entry.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
                match frozen.load(Ordering::Relaxed) {
                    true => gst::PadProbeReturn::Handled,
                    false => gst::PadProbeReturn::Ok,
                }
            });
        });
        (Self::run(0, &factory, None), frozen)
    }

    /// A camera on `port`.
    pub(crate) fn start_on(port: i32, encoder: &str) -> Self {
        Self::run(port, &factory(encoder), None)
    }

    /// A camera that sends no datagrams.
    pub(crate) fn by_tcp_alone(encoder: &str) -> Self {
        let factory = factory(encoder);
        factory.set_protocols(RTSPLowerTrans::TCP);
        Self::run(0, &factory, None)
    }

    /// A camera that wants these credentials.
    pub(crate) fn guarded(encoder: &str, user: &str, password: &str) -> Self {
        let factory = factory(encoder);
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
        auth.add_basic(&RTSPAuth::make_basic(user, password), &token);
        Self::run(0, &factory, Some(&auth))
    }

    fn run(port: i32, factory: &RTSPMediaFactory, auth: Option<&RTSPAuth>) -> Self {
        let context = glib::MainContext::new();
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let server = RTSPServer::new();
        server.set_address("127.0.0.1");
        server.set_service(&port.to_string());
        server.set_auth(auth);
        server
            .mount_points()
            .unwrap()
            .add_factory("/live", factory.clone());
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

fn factory(encoder: &str) -> RTSPMediaFactory {
    gst::init().unwrap();
    let factory = RTSPMediaFactory::new();
    factory.set_launch(&format!(
        "( videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=15/1 ! {encoder} )"
    ));
    factory.set_shared(true);
    factory
}

impl Drop for RtspServer {
    fn drop(&mut self) {
        // By the loop itself: one that is told before it runs would not notice.
        let main_loop = self.main_loop.clone();
        glib::idle_source_new(None, glib::Priority::DEFAULT, move || {
            main_loop.quit();
            glib::ControlFlow::Break
        })
        .attach(Some(&self.main_loop.context()));
        self.thread.take().unwrap().join().unwrap();
    }
}
