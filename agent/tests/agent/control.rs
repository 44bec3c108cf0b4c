//! Who may control the agent, and what it shows.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::Duration,
};

use airside_agent::{
    status::{self, Client, Health},
    systemd::Manager,
};
use http::{Request, StatusCode, Uri};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{collector::Collector, reloading::Site};

const CAMERA: &str = "[[camera]]\nid = 1\nsource = \"test://\"\n";
const TOKEN: &str = "correct-horse-battery";

fn args() -> status::Args {
    status::Args {
        json: false,
        watch: false,
        url: None,
        token_file: None,
        ca: None,
        certificate: None,
        key: None,
    }
}

fn url(scheme: &str, site: &Site) -> Uri {
    let port = site.agent.address().port();
    format!("{scheme}://localhost:{port}").parse().unwrap()
}

/// A certificate for `localhost` that is its own authority, with its key.
fn certificate(folder: &Path, name: &str) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join(format!("{name}.pem")), made.cert.pem()).unwrap();
    let key = folder.join(format!("{name}.key"));
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn without_the_token_only_health_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let control = format!("{CAMERA}[control]\ntoken-file = \"{}\"\n", file.display());
    let site = Site::within(folder, &control, Manager::default()).await;
    let ask = async |path: &str, authorization: Option<&str>| {
        let mut request = Request::get(site.agent.url(path));
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        site.agent.send(request, "").await
    };
    for path in [
        "/state",
        "/config",
        "/metrics",
        "/cameras/1/frame",
        "/nothing",
    ] {
        for wrong in [None, Some("Bearer wrong"), Some("Basic abc")] {
            let refused = ask(path, wrong).await;
            assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(refused.headers()["www-authenticate"], "Bearer");
        }
    }
    assert_eq!(
        site.agent.post("/stream?toggle=off", "").await.0,
        StatusCode::UNAUTHORIZED
    );
    for path in ["/status", "/healthz", "/readyz"] {
        assert_eq!(ask(path, None).await.status(), StatusCode::OK, "{path}");
    }
    let bearer = format!("Bearer {TOKEN}");
    for path in ["/state", "/config", "/metrics"] {
        let answer = ask(path, Some(&bearer)).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert!(!String::from_utf8_lossy(answer.body()).contains(TOKEN));
    }
    let plain = Client::new(&url("http", &site), &args()).unwrap();
    let refused = status::read(&plain).await.unwrap_err().to_string();
    assert!(refused.contains("401"), "{refused}");
    let bearing = status::Args {
        token_file: Some(file),
        ..args()
    };
    let client = Client::new(&url("http", &site), &bearing).unwrap();
    assert_eq!(status::read(&client).await.unwrap().cameras.len(), 1);
}

#[tokio::test]
async fn by_tls_only_those_with_a_certificate_are_let_in() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path(), "agent");
    certificate(folder.path(), "operator");
    certificate(folder.path(), "stranger");
    let path = |name: &str| folder.path().join(name);
    let bearing = |name: Option<&str>| status::Args {
        ca: Some(path("agent.pem")),
        certificate: name.map(|name| path(&format!("{name}.pem"))),
        key: name.map(|name| path(&format!("{name}.key"))),
        ..args()
    };
    let (operator, stranger, nobody) = (
        bearing(Some("operator")),
        bearing(Some("stranger")),
        bearing(None),
    );
    let control = format!(
        "{CAMERA}[control]\ncertificate = {:?}\nkey = {:?}\nclient-ca = {:?}\n",
        path("agent.pem"),
        path("agent.key"),
        path("operator.pem")
    );
    let site = Site::within(folder, &control, Manager::default()).await;
    let ask = async |args: &status::Args| {
        status::read(&Client::new(&url("https", &site), args).unwrap()).await
    };
    let told = ask(&operator).await.unwrap();
    assert_eq!(told.health, Health::Ok);
    for refused in [&stranger, &nobody] {
        assert!(matches!(
            ask(refused).await,
            Err(status::Error::Unreachable { .. })
        ));
    }
    // Who speaks no TLS gets no answer, and waits for none.
    let plain = Client::new(&url("http", &site), &args()).unwrap();
    assert!(status::read(&plain).await.is_err());
    site.agent.stop().await;
}

#[tokio::test]
async fn a_status_tells_what_is_measured_and_what_is_wrong() {
    let collector = Collector::recording().await;
    let stream = |source: &str| {
        format!(
            "source = \"{source}\"\nstream = {{ section = 1, event = \"exit\", destination = \"{}\" }}\n",
            collector.destination()
        )
    };
    let cameras = format!(
        "agent = \"gate\"\n[[camera]]\nid = 1\n{}[[camera]]\nid = 2\n{}",
        stream("test://"),
        stream("/no/such/film.mp4")
    );
    let site = Site::new(&cameras, Manager::default()).await;
    let client = Client::new(&url("http", &site), &args()).unwrap();
    site.tape.show(1..=10);
    site.agent
        .becomes("all is recorded", |state| {
            state["frames"]["acknowledged"] == 10
        })
        .await;
    let wait = async {
        loop {
            let told = status::read(&client).await.unwrap();
            if !told.trouble.is_empty() && told.cameras[0].state.measured_fps > 0.0 {
                return told;
            }
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .unwrap();
    assert_eq!(told.health, Health::Degraded);
    assert_eq!(told.trouble, ["camera 2: /no/such/film.mp4 does not exist"]);
    assert_eq!((told.frames.captured, told.frames.acknowledged), (10, 10));
    assert!(told.cameras[1].state.restarts >= 1);
    assert_eq!(told.device.agent, "gate");
    let shown = told.to_string();
    assert!(
        shown.contains("10 captured = 0 gated + 10 acknowledged"),
        "{shown}"
    );
    let nobody = Client::new(&"http://127.0.0.1:1".parse().unwrap(), &args()).unwrap();
    let error = status::read(&nobody).await.unwrap_err().to_string();
    assert!(error.contains("no agent answers at 127.0.0.1:1"), "{error}");
}

#[tokio::test]
async fn live_preview_is_off_unless_allowed_and_bounded() {
    let site = Site::new(CAMERA, Manager::default()).await;
    let (status, problem) = site.agent.get("/cameras/1/preview").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("control.preview")
    );

    let collector = Collector::recording().await;
    let site = Site::new(
        &format!("{CAMERA}[control]\npreview = true\n"),
        Manager::default(),
    )
    .await;
    site.agent.start(&collector.destination()).await;
    let mut viewers = Vec::new();
    for _ in 0..4 {
        viewers.push(watch(&site).await);
    }
    assert_eq!(
        site.agent.get("/preview").await.0,
        StatusCode::SERVICE_UNAVAILABLE
    );
    for number in 1..=3 {
        site.tape.show([number]);
        for viewer in &mut viewers {
            let part = format!(
                "--picture\r\nContent-Type: image/jpeg\r\nContent-Length: 1\r\n\r\n{number}\r\n"
            );
            read_until(viewer, &part).await;
        }
    }
    // A seat is free when its viewer has gone.
    drop(viewers.pop());
    site.tape.show([4]);
    let wait = async {
        loop {
            let mut viewer = watch(&site).await;
            if read_line(&mut viewer).await.contains("200") {
                return;
            }
            site.tape.show([5]);
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .unwrap();
    // Those who watch do not keep the agent from ending.
    let ended = tokio::time::timeout(Duration::from_secs(5), site.agent.stop());
    ended.await.unwrap();
}

async fn watch(site: &Site) -> TcpStream {
    let mut stream = TcpStream::connect(site.agent.address()).await.unwrap();
    let request = "GET /cameras/1/preview HTTP/1.1\r\nHost: agent\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 1];
    stream.peek(&mut first).await.unwrap();
    stream
}

async fn read_line(stream: &mut TcpStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        line.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(line).unwrap()
}

async fn read_until(stream: &mut TcpStream, wanted: &str) {
    let read = async {
        let mut text = Vec::new();
        // Chunks of the transfer lie between what is sent at once, not within.
        while !String::from_utf8_lossy(&text).contains(wanted) {
            text.push(stream.read_u8().await.unwrap());
        }
    };
    let read = tokio::time::timeout(Duration::from_secs(10), read).await;
    assert!(read.is_ok(), "{wanted:?} does not come");
}
