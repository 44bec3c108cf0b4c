//! Network cameras by HTTPS.

use std::{fs, net::SocketAddr, path::Path};

use airside_agent::capture::{Cause, Error, Pictures, Setup, Source, settings::Settings};
use airside_imaging::{Picture, encode_jpeg};
use airside_runtime::{Server, Service};
use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use clap::Parser as _;
use http::header::CONTENT_TYPE;

use super::{
    sources::{FORMAT, size, take},
    tls::authority::{Authority, Files, expired},
};

#[derive(clap::Parser)]
struct Flags {
    #[command(flatten)]
    server: Server,
}

/// A camera with a picture at `/jpeg` and an endless stream of it at `/video`.
async fn camera(files: &Files) -> SocketAddr {
    let picture = Picture::filled(160, 120, [90, 140, 30]);
    let picture = Bytes::from(encode_jpeg(&picture, 80).unwrap().to_vec());
    let head = format!("--gate\r\nContent-Length: {}\r\n\r\n", picture.len());
    let part = Bytes::from([head.as_bytes(), &picture, b"\r\n"].concat());
    let single = move || async move { ([(CONTENT_TYPE, "image/jpeg")], picture) };
    let stream = move || async move {
        let kind = "multipart/x-mixed-replace; boundary=gate";
        let parts = futures::stream::repeat_with(move || Ok::<_, std::io::Error>(part.clone()));
        ([(CONTENT_TYPE, kind)], Body::from_stream(parts))
    };
    let server = Flags::try_parse_from(["camera", "--listen", "127.0.0.1:0"]);
    let server = server.unwrap_or_else(|error| panic!("{error}")).server;
    let routes = Router::new()
        .route("/jpeg", get(single))
        .route("/video", get(stream));
    let bound = Service::new("Camera", &server)
        .tls(Some(files.listener(None)))
        .rest(routes)
        .bind()
        .await
        .unwrap();
    let address = bound.address();
    tokio::spawn(bound.run_until(std::future::pending()));
    address
}

fn open(location: &str, ca: &Path) -> Result<Box<dyn Pictures>, Error> {
    let settings = Settings {
        ca: Some(ca.to_owned()),
        ..Settings::default()
    };
    Setup::new(location.parse().unwrap(), settings).open(&FORMAT)
}

async fn failure(location: &str, ca: &Path) -> Error {
    let mut pictures = open(location, ca).unwrap();
    take(&mut *pictures, 1).await.unwrap_err()
}

#[tokio::test]
async fn pictures_come_from_a_camera_whose_certificate_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ca");
    let address = camera(&authority.issue("camera", &["127.0.0.1"])).await;
    for path in ["jpeg", "video"] {
        let location = format!("https://{address}/{path}");
        let mut pictures = open(&location, &authority.file).unwrap();
        let taken = take(&mut *pictures, 3).await.unwrap();
        assert_eq!(size(&taken[2].jpeg), (160, 120), "{path}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (
        Authority::new(folder.path(), "ours"),
        Authority::new(folder.path(), "theirs"),
    );
    for (files, wanted) in [
        (
            ours.issue_with("old", &["127.0.0.1"], expired),
            "the peer's certificate expired at 2021-01-01T00:00:00Z",
        ),
        (
            ours.issue("other", &["10.0.0.7"]),
            "the peer's certificate is for 10.0.0.7, not for 127.0.0.1",
        ),
        (
            theirs.issue("theirs", &["127.0.0.1"]),
            "signed by an authority that is not trusted here",
        ),
    ] {
        let location = format!("https://{}/jpeg", camera(&files).await);
        let error = failure(&location, &ours.file).await;
        assert_eq!(error.cause(), Cause::Unreachable);
        let told = error.to_string();
        assert!(
            told.starts_with(&format!("no connection to {location}: ")) && told.contains(wanted),
            "{told}"
        );
    }
    let missing = folder.path().join("missing.pem");
    let unreadable = open("https://127.0.0.1:1/jpeg", &missing).err().unwrap();
    assert!(
        unreadable.to_string().starts_with("ca: ")
            && unreadable.to_string().contains("missing.pem"),
        "{unreadable}"
    );
    fs::write(&missing, "nothing").unwrap();
    let empty = open("https://127.0.0.1:1/jpeg", &missing).err().unwrap();
    assert!(
        empty.to_string().contains("holds no certificate"),
        "{empty}"
    );
}
