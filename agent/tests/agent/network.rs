//! Network cameras by RTSP.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use airside_agent::capture::{
    Cause, Error, Format, LumaWanted, Pictures, Setup, Source,
    settings::{Settings, Transport},
};

use super::{
    rtsp::{self, RtspServer},
    sources::{FORMAT, failure, open, size, take},
};

fn open_with(
    location: &str,
    settings: Settings,
    format: &Format,
) -> Result<Box<dyn Pictures>, Error> {
    Setup::new(location.parse().unwrap(), settings).open(format)
}

fn by(transport: Transport) -> Settings {
    Settings {
        transport,
        ..Settings::default()
    }
}

#[tokio::test]
async fn a_network_camera() {
    let camera = RtspServer::start(rtsp::H264);
    let mut pictures = open(camera.address(), FORMAT).unwrap();
    let taken = take(&mut *pictures, 5).await.unwrap();
    assert_eq!(size(&taken[4].jpeg), (160, 120));
}

#[tokio::test]
async fn a_network_camera_that_goes_away_ends_the_pictures() {
    let camera = RtspServer::start(rtsp::H264);
    let mut pictures = open(camera.address(), FORMAT).unwrap();
    take(&mut *pictures, 2).await.unwrap();
    drop(camera);
    let error = loop {
        if let Err(error) = pictures.next().await {
            break error;
        }
    };
    assert!(
        matches!(error.cause(), Cause::Stalled | Cause::Unreachable),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_network_camera_may_want_credentials() {
    let camera = RtspServer::guarded(rtsp::H264, "guard", "s3cret");
    let error = failure(camera.address()).await;
    assert!(matches!(error, Error::Unauthorized { .. }), "{error:?}");
    let address = camera.address();
    let wrong = failure(address.replace("//", "//guard:wr0ng@")).await;
    assert!(matches!(wrong, Error::Unauthorized { .. }), "{wrong:?}");
    assert!(!format!("{wrong} {wrong:?}").contains("wr0ng"));
    let mut pictures = open(address.replace("//", "//guard:s3cret@"), FORMAT).unwrap();
    take(&mut *pictures, 1).await.unwrap();
}

#[tokio::test]
async fn a_network_camera_that_is_not_there() {
    let camera = RtspServer::start(rtsp::H264);
    let other_path = failure(camera.address().replace("/live", "/other")).await;
    assert!(
        matches!(other_path, Error::NoSuchStream { .. }),
        "{other_path:?}"
    );
    let address = camera.address();
    drop(camera);
    let refused = failure(&address).await;
    assert!(matches!(refused, Error::Unreachable { .. }), "{refused:?}");
    assert!(
        refused
            .to_string()
            .starts_with(&format!("no connection to {address}")),
        "{refused}"
    );
}

#[tokio::test]
async fn credentials_may_stand_in_a_file() {
    let camera = RtspServer::guarded(rtsp::H264, "guard", "s3:cret/@");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gate");
    let settings = Settings {
        credentials_file: Some(path.clone()),
        ..Settings::default()
    };
    let write = |content: &str, mode| {
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    };
    write("guard:s3:cret/@\n", 0o640);
    let setup = Setup::new(camera.address().parse().unwrap(), settings);
    take(&mut *setup.open(&FORMAT).unwrap(), 1).await.unwrap();
    // The file is read anew each time.
    write("guard:wr0ng\n", 0o600);
    let wrong = take(&mut *setup.open(&FORMAT).unwrap(), 1)
        .await
        .unwrap_err();
    assert!(matches!(wrong, Error::Unauthorized { .. }), "{wrong:?}");
    write("guard:s3:cret/@\n", 0o644);
    let exposed = setup.open(&FORMAT).err().unwrap().to_string();
    assert!(exposed.contains("readable by everyone"), "{exposed}");
}

#[tokio::test]
async fn every_codec_is_decoded() {
    for (encoder, decoder) in [
        (rtsp::H264, "avdec_h264"),
        (rtsp::H265, "avdec_h265"),
        (rtsp::MJPEG, "jpegdec"),
    ] {
        let camera = RtspServer::start(encoder);
        let settings = Settings {
            decoder: decoder.to_owned().into(),
            ..Settings::default()
        };
        let mut pictures = open_with(&camera.address(), settings, &FORMAT).unwrap();
        let taken = take(&mut *pictures, 3).await.unwrap();
        assert_eq!(size(&taken[2].jpeg), (160, 120), "{encoder}");
        assert_eq!(pictures.vitals().decoder, Some(decoder));
    }
}

#[tokio::test]
async fn a_picture_of_the_wanted_size_is_passed_on_as_the_camera_made_it() {
    let camera = RtspServer::start(rtsp::MJPEG);
    let format = Format {
        width: 320,
        height: 240,
        ..FORMAT
    };
    let mut pictures = open(camera.address(), format.clone()).unwrap();
    let taken = take(&mut *pictures, 5).await.unwrap();
    assert_eq!(size(&taken[4].jpeg), (320, 240));
    assert_eq!(pictures.vitals().decoder, None);
    // Fifteen a second come, ten are wanted.
    let took = taken[4].captured_at.as_micros() - taken[0].captured_at.as_micros();
    assert!((300_000..900_000).contains(&took), "{took}");
    // Who needs pixels gets a picture of the agent's own making.
    let format = Format {
        luma: LumaWanted::Small,
        ..format
    };
    let mut pictures = open(camera.address(), format).unwrap();
    take(&mut *pictures, 1).await.unwrap();
    assert_eq!(pictures.vitals().decoder, Some("jpegdec"));
}

#[tokio::test]
async fn datagrams_and_what_happens_without_them() {
    let camera = RtspServer::start(rtsp::H264);
    let mut pictures = open_with(&camera.address(), by(Transport::Udp), &FORMAT).unwrap();
    take(&mut *pictures, 5).await.unwrap();
    drop(pictures);
    let camera = RtspServer::by_tcp_alone(rtsp::H264);
    let mut pictures = open_with(&camera.address(), by(Transport::Auto), &FORMAT).unwrap();
    take(&mut *pictures, 2).await.unwrap();
    drop(pictures);
    let mut refused = open_with(&camera.address(), by(Transport::Udp), &FORMAT).unwrap();
    let error = take(&mut *refused, 1).await.unwrap_err();
    assert!(matches!(error, Error::NoTransport { .. }), "{error:?}");
}

#[tokio::test]
async fn a_network_camera_without_fitting_video_says_what_it_has() {
    let camera = RtspServer::start(rtsp::VP8);
    let error = failure(camera.address()).await;
    assert_eq!(
        error.to_string(),
        format!(
            "no H.264, H.265 or Motion JPEG video in {}: it holds VP8",
            camera.address()
        )
    );
}

#[tokio::test]
async fn a_microphone_is_no_camera() {
    let microphone = RtspServer::start(rtsp::SOUND);
    let error = failure(microphone.address()).await;
    assert!(matches!(error, Error::NoTransport { .. }), "{error:?}");
    assert!(error.to_string().contains("offers no video"), "{error}");
}

#[tokio::test]
async fn a_frozen_camera_is_noticed_within_the_stall_though_its_connection_lives() {
    let (camera, frozen) = RtspServer::that_freezes(rtsp::H264);
    let mut pictures = open(camera.address(), FORMAT).unwrap();
    take(&mut *pictures, 3).await.unwrap();
    frozen.store(true, Ordering::Relaxed);
    // What was under way still comes.
    let mut last = Instant::now();
    let error = loop {
        match pictures.next().await {
            Ok(_) => last = Instant::now(),
            Err(error) => break error,
        }
    };
    let took = last.elapsed();
    assert!(matches!(error, Error::Stalled { .. }), "{error:?}");
    // A busy machine may be late with the last picture, and with the error.
    let stall = FORMAT.stall;
    assert!((stall / 2..stall * 2).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_camera_whose_keyframe_never_comes_is_given_up() {
    let camera = RtspServer::start(rtsp::NO_KEYFRAMES);
    // Who comes first sees the only one.
    let mut first = open(camera.address(), FORMAT).unwrap();
    take(&mut *first, 1).await.unwrap();
    let error = failure(camera.address()).await;
    assert!(
        matches!(error, Error::Damaged { .. } | Error::Stalled { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_camera_that_changes_its_size_goes_on() {
    let camera = RtspServer::start(rtsp::GROWING);
    let mut pictures = open(camera.address(), FORMAT).unwrap();
    // Ten of its first second, and then those of another size.
    let taken = take(&mut *pictures, 25).await.unwrap();
    assert!(
        taken
            .iter()
            .all(|picture| size(&picture.jpeg) == (160, 120))
    );
}

#[tokio::test]
async fn a_camera_of_few_pictures_is_not_taken_for_a_frozen_one() {
    let camera = RtspServer::start(rtsp::MJPEG);
    // A picture in 2.5 s: it may take twice that, and the first one that long to come.
    let format = Format {
        fps: 0.4,
        stall: Duration::from_millis(500),
        ..FORMAT
    };
    let mut pictures = open(camera.address(), format).unwrap();
    take(&mut *pictures, 2).await.unwrap();
}

#[tokio::test]
async fn a_camera_that_ends_its_stream_has_failed() {
    let camera = RtspServer::start(rtsp::ENDING);
    let error = failure(camera.address()).await;
    assert!(matches!(error, Error::Ended { .. }), "{error:?}");
}
