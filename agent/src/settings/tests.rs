//! What is read and what is refused.

use std::time::Duration;

use airside_core::Event;
use proptest::prelude::*;

use super::*;

fn load_file(file: &str, flags: &[&str]) -> Result<Loaded, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.toml");
    std::fs::write(&path, file).unwrap();
    let mut args: Vec<OsString> = vec!["airside-agent".into(), "--config".into(), path.into()];
    args.extend(flags.iter().map(Into::into));
    load(args)
}

fn refusal(file: &str, flags: &[&str]) -> String {
    let error = load_file(file, flags).err().expect("it is refused");
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

#[test]
fn one_camera_by_flags() {
    let flags = [
        "--source",
        "test://",
        "--fps",
        "7.5",
        "--section",
        "1",
        "--event",
        "exit",
        "--destination",
        "grpc://collector:9090",
        "--agent",
        "gate",
    ];
    let settings = load_file("", &flags).unwrap().settings;
    assert_eq!(
        (settings.agent.as_str(), settings.cameras.len()),
        ("gate", 1)
    );
    let camera = &settings.cameras[0];
    assert_eq!((camera.id.as_str(), camera.format.fps), ("1", 7.5));
    assert_eq!(camera.start.as_ref().unwrap().event, Event::Exit);
}

#[test]
fn several_cameras_by_tables_with_the_flags_as_defaults() {
    let file = r#"
        fps = 10
        [[camera]]
        id = 1
        source = "test://ball"
        [[camera]]
        id = "back-door"
        source = "rtsp://guard:s3cret@door/1"
        width = 640
        fps = 2.5
        stall = "8s"
        stream = { section = 2, event = "entry", destination = "http://collector:8080", extra-info = "x" }
    "#;
    let loaded = load_file(file, &["--jpeg-quality", "70"]).unwrap();
    let [first, second] = &loaded.settings.cameras[..] else {
        panic!("two cameras");
    };
    assert_eq!(
        (first.id.as_str(), first.format.width, first.format.fps),
        ("1", 1280, 10.0)
    );
    assert_eq!((second.format.width, second.format.fps), (640, 2.5));
    assert_eq!(
        (second.format.jpeg_quality, second.format.stall),
        (70, Duration::from_secs(8))
    );
    assert_eq!(second.start.as_ref().unwrap().section.as_str(), "2");
    assert!(loaded.to_string().contains("rtsp://door/1"), "{loaded}");
    assert!(!loaded.to_string().contains("s3cret"));
    let one = load_file("", &["--source", "rtsp://guard:s3cret@door/1"]).unwrap();
    assert!(!one.to_string().contains("s3cret"), "{one}");
}

#[test]
fn what_is_refused_names_key_value_and_accepted_form() {
    let camera = |line: &str| format!("[[camera]]\nid = 1\nsource = \"test://\"\n{line}\n");
    for (file, wanted) in [
        (
            camera("fps = 400"),
            "'camera[0].fps': '400' is refused: expected 0.01 to 120",
        ),
        (
            camera("width = \"wide\""),
            "'camera[0].width': 'wide' is refused: expected 16 to 8192",
        ),
        (
            camera("colour = 1"),
            "'camera[0].colour': unknown; expected one of id, source, transport",
        ),
        (
            "[[camera]]\nid = 1".to_owned(),
            "'camera[0].source': missing",
        ),
        (
            camera("stream = { section = 1 }"),
            "'camera[0].stream.event': missing",
        ),
        (
            camera("stream = { section = 1, event = \"in\" }"),
            "expected entry or exit",
        ),
        (
            camera("") + &camera(""),
            "'camera[1].id': '1' is refused: another camera has this name",
        ),
        (
            "camera = 1".to_owned(),
            "'camera': integer `1` is refused: expected [[camera]] tables",
        ),
        (
            camera("[uplink]\nstream-age = \"1ms\""),
            ":5:1: key 'uplink.stream-age': uplink.stream-age: 1ms is refused: expected at least 1s",
        ),
        (
            camera("[control]\nclient-ca = \"ca.pem\""),
            "key 'control.certificate': missing beside control.client-ca",
        ),
        (String::new(), "no camera"),
    ] {
        let text = refusal(&file, &[]);
        assert!(text.contains(wanted), "{file}: {text}");
    }
    let twice = refusal(&camera("fps = 400\nwidth = 1"), &[]);
    assert!(
        twice.contains(":4:1: ") && twice.contains(":5:1: "),
        "{twice}"
    );
    let secret = camera("").replace("test://", "rtmp://guard:s3cret@gate/1");
    assert!(!refusal(&secret, &[]).contains("s3cret"));
    assert!(!refusal("source = 'rtmp://guard:s3cret@gate/1'", &[]).contains("s3cret"));
    assert!(!refusal("", &["--source", "rtmp://guard:s3cret@gate/1"]).contains("s3cret"));
    assert!(refusal("", &["--source", "elephant://"]).contains("'elephant://'"));
    assert!(refusal(&camera(""), &["--source", "test://"]).contains("test://"));
    assert!(refusal("", &["--source", "test://", "--section", "1"]).contains("--event"));
}

/// The example with the settings that it only tells.
fn told(is_wanted: impl Fn(&str) -> bool) -> String {
    let setting = |line: &str| {
        let bare = line.strip_prefix('#').unwrap_or_default();
        bare.starts_with(|c: char| c.is_ascii_lowercase()) && is_wanted(bare)
    };
    let line = |line: &'static str| if setting(line) { &line[1..] } else { line };
    EXAMPLE
        .lines()
        .flat_map(|text| [line(text), "\n"])
        .collect()
}

fn is_edited(line: &str) -> bool {
    line.starts_with("source") || line.starts_with("destination")
}

#[test]
fn the_example_wants_two_lines_edited_and_is_good_then() {
    let unedited = refusal(EXAMPLE, &[]);
    assert_eq!(unedited.lines().count(), 2, "{unedited}");
    assert!(unedited.contains("key 'camera[0].source': missing"));
    assert!(unedited.contains("key 'camera[0].stream.destination': missing"));
    let settings = load_file(&told(is_edited), &[]).unwrap().settings;
    let [camera] = &settings.cameras[..] else {
        panic!("one camera");
    };
    assert_eq!(camera.source.to_string(), "rtsp://10.0.0.7/stream1");
    let start = camera.start.as_ref().unwrap();
    assert_eq!(start.destinations.to_string(), "grpc://collector:9090");
}

#[test]
fn the_example_tells_the_defaults() {
    let plain = load_file(&told(is_edited), &[]).unwrap().settings;
    let told = load_file(&told(|_| true), &[]).unwrap().settings;
    assert_eq!(told.agent, "gate-1");
    assert_eq!(told.server.listen, plain.server.listen);
    assert_eq!(told.cameras[0].table, plain.cameras[0].table);
    assert_eq!(told.spool, plain.spool);
    assert_eq!(told.uplink, plain.uplink);
    assert_eq!(told.control, plain.control);
}

proptest! {
    /// Also the file of somebody who slipped, or of none: it is read or refused, and every mistake has its line.
    #[test]
    fn any_file_is_read_or_refused(
        at in 0..EXAMPLE.len(),
        length in 0_usize..40,
        put in "[\\[\\]{}=\"'.,#a-z0-9\\n -]{0,20}",
    ) {
        let plain: String = told(is_edited).chars().map(|c| if c.is_ascii() { c } else { '-' }).collect();
        let at = at.min(plain.len());
        let end = (at + length).min(plain.len());
        let text = [&plain[..at], &put, &plain[end..]].concat();
        let args = ["airside-agent"].map(Into::into);
        match load_with(args, Document::new("file", text)) {
            Ok(loaded) => prop_assert!(!loaded.settings.cameras.is_empty()),
            Err(Error::Config(config::Error::Mistakes(mistakes))) => {
                prop_assert!(mistakes.iter().all(|mistake| mistake.place.is_some()));
            }
            Err(error) => prop_assert_eq!(error.exit_code(), 2),
        }
    }
}

#[test]
fn the_elements_of_each_camera_are_told_and_the_package_of_what_is_missing() {
    let file = "agent = \"gate\"
        [[camera]]
        id = \"1\"
        source = \"rtsp://gate/1\"
        [[camera]]
        id = \"2\"
        source = \"/dev/video0\"
        decoder = \"nvh264dec\"
    ";
    let told = load_file(file, &[]).unwrap().to_string();
    for line in [
        "camera 1: captured with rtspsrc, rtph264depay, ",
        "camera 1: H.265 by ",
        "camera 2: captured with v4l2src, capsfilter, videoconvertscale, jpegenc, appsink\n",
        "camera 2: H.264 by nvh264dec is missing: install gstreamer1.0-plugins-bad\n",
        "camera 2: JPEG by jpegdec\n",
    ] {
        assert!(told.contains(line), "{told}");
    }
}
