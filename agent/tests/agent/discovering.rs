//! Network cameras that are looked for: one that speaks ONVIF, and others that would rather do harm.

use std::{
    fs::{self, Permissions},
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use airside_agent::{
    discover::{self, Args, Report},
    settings,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::{net::UdpSocket, task::JoinHandle};

use super::web_camera::{Answer, WebCamera, text};

/// A socket that answers each datagram with all of these.
struct Neighbours {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Neighbours {
    async fn who_say(answers: Vec<Vec<u8>>) -> Self {
        Self::at("127.0.0.1:0", answers).await
    }

    async fn at(address: &str, answers: Vec<Vec<u8>>) -> Self {
        let socket = UdpSocket::bind(address).await.unwrap();
        let address = socket.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut question = vec![0; 1 << 16];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                let question = String::from_utf8_lossy(&question[..length]);
                assert!(question.contains("NetworkVideoTransmitter"), "{question}");
                for answer in &answers {
                    socket.send_to(answer, from).await.unwrap();
                }
            }
        });
        Self { address, task }
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a camera answers to a probe.
fn matching(name: &str, service: &str) -> Vec<u8> {
    format!(
        "<E><Body><ProbeMatches><ProbeMatch><EndpointReference><Address>urn:uuid:{name}</Address></EndpointReference>\
         <Scopes>onvif://www.onvif.org/name/{name} onvif://www.onvif.org/hardware/D-1</Scopes>\
         <XAddrs>{service}</XAddrs></ProbeMatch></ProbeMatches></Body></E>"
    )
    .into_bytes()
}

fn soap(body: &str) -> Answer {
    let envelope = format!("<s:Envelope xmlns:s=\"x\"><s:Body>{body}</s:Body></s:Envelope>");
    text(
        "200 OK",
        "content-type: application/soap+xml\r\n",
        &envelope,
    )
}

/// What stands within the first element of this name.
fn within<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, after) = text.split_once(&format!("{name}>")).unwrap();
    after.split_once('<').unwrap().0
}

/// Whether a request bears the digest of `guard:s3cret`.
fn is_allowed(request: &str) -> bool {
    let Some((_, digest)) = request.split_once("#PasswordDigest\">") else {
        return false;
    };
    let (_, nonce) = request.split_once("#Base64Binary\">").unwrap();
    let nonce = STANDARD.decode(nonce.split_once('<').unwrap().0).unwrap();
    let (_, created) = request.split_once("Created xmlns:u=").unwrap();
    let created = created
        .split_once('>')
        .unwrap()
        .1
        .split_once('<')
        .unwrap()
        .0;
    // This camera's clock stands at the turn of the millennium.
    assert!(created.starts_with("2000-01-01T00:0"), "{created}");
    let secret = [&nonce[..], created.as_bytes(), b"s3cret"].concat();
    let right = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &secret);
    assert_eq!(within(request, "Username"), "guard");
    digest.starts_with(&STANDARD.encode(right))
}

/// A camera that tells its streams to who has its password.
fn onvif(request: &str) -> Answer {
    if request.contains("GetSystemDateAndTime") {
        return soap(
            "<UTCDateTime><Time><Hour>0</Hour><Minute>0</Minute><Second>1</Second></Time>\
             <Date><Year>2000</Year><Month>1</Month><Day>1</Day></Date></UTCDateTime>",
        );
    }
    if !is_allowed(request) {
        return text(
            "400 Bad Request",
            "",
            "<Fault><Text>not authorized</Text></Fault>",
        );
    }
    if request.contains("GetCapabilities") {
        let host = request.lines().find_map(|line| line.strip_prefix("host: "));
        let port = host.unwrap().rsplit_once(':').unwrap().1;
        // By a name that this network does not know.
        return soap(&format!(
            "<Capabilities><Media><XAddr>http://camera.invalid:{port}/onvif/media</XAddr></Media></Capabilities>"
        ));
    }
    assert!(request.starts_with("POST /onvif/media "), "{request}");
    if request.contains("GetProfiles") {
        let profile = |token: &str, name: &str, size: &str| {
            format!(
                "<Profiles token=\"{token}\"><Name>{name}</Name><VideoEncoderConfiguration><Encoding>H264</Encoding>\
                 <Resolution>{size}</Resolution><RateControl><FrameRateLimit>25</FrameRateLimit></RateControl>\
                 </VideoEncoderConfiguration></Profiles>"
            )
        };
        let large = profile(
            "a&amp;b",
            "Main\n\n[[camera]]\nid = \"evil\"",
            "<Width>1920</Width><Height>1080</Height>",
        );
        let small = profile("2", "Sub", "<Width>640</Width><Height>360</Height>");
        return soap(&(large + &small));
    }
    let path = match within(request, "ProfileToken") {
        "a&amp;b" => "main\"x",
        _ => "sub",
    };
    soap(&format!(
        "<Uri>rtsp://guard:s3cret@127.0.0.1:554/{path}</Uri>"
    ))
}

fn args(address: SocketAddr) -> Args {
    Args {
        interface: None,
        address: Some(address),
        timeout: Duration::from_secs(4),
        credentials_file: None,
        json: false,
    }
}

/// What an agent makes of the printed configuration.
fn pasted(report: &Report) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.toml");
    fs::write(&file, report.to_string()).unwrap();
    let args = ["airside-agent".into(), "--config".into(), file.into()];
    let loaded = settings::load(args).unwrap_or_else(|error| panic!("{error}: {report}"));
    let cameras = loaded.settings.cameras.iter();
    cameras
        .map(|camera| (camera.id.clone(), camera.source.to_string()))
        .collect()
}

#[tokio::test]
async fn a_camera_is_found_and_its_streams_are_configuration_to_paste() {
    let requests = Arc::<Mutex<Vec<String>>>::default();
    let seen = Arc::clone(&requests);
    let camera = WebCamera::start(move |request| {
        seen.lock().unwrap().push(request.to_owned());
        onvif(request)
    })
    .await;
    let service = format!("http://127.0.0.1:{}/onvif/device_service", camera.port());
    let answer = matching("ACME%20Dome", &service);
    let neighbours = Neighbours::who_say(vec![answer.clone(), answer]).await;

    let report = discover::run(&args(neighbours.address)).await.unwrap();
    assert_eq!(report.cameras.len(), 1, "{report}");
    let problem = report.cameras[0].problem.as_deref().unwrap();
    assert!(problem.contains("--credentials-file"), "{problem}");
    assert!(
        report
            .to_string()
            .contains("# no camera that could be configured")
    );

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    fs::write(&file, "guard:s3cret\n").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let with_password = Args {
        credentials_file: Some(file.clone()),
        ..args(neighbours.address)
    };
    let report = discover::run(&with_password).await.unwrap();
    let profiles = &report.cameras[0].profiles;
    assert_eq!(profiles[0].size, Some((1920, 1080)));
    assert_eq!(
        profiles[1].source.as_deref(),
        Some("rtsp://127.0.0.1:554/sub")
    );
    let wanted = (
        "acme-dome".to_owned(),
        "rtsp://127.0.0.1:554/main\"x".to_owned(),
    );
    assert_eq!(pasted(&report), [wanted]);
    let printed = format!("{report}{}", serde_json::to_string(&report).unwrap());
    assert!(!printed.contains("s3cret"), "{printed}");
    assert!(printed.contains(file.to_str().unwrap()));
    let requests = requests.lock().unwrap();
    assert!(requests.iter().all(|request| !request.contains("s3cret")));
}

#[tokio::test]
async fn answers_that_lie_or_make_no_sense_do_no_harm() {
    let other = WebCamera::start(|_| panic!("nobody is to ask here")).await;
    let garbage = WebCamera::start(|_| text("200 OK", "", "<<<")).await;
    let endless = WebCamera::start(|_| text("200 OK", "", &"x".repeat(3 << 20))).await;
    let deep = "<a>".repeat(10_000).into_bytes();
    let at = |camera: &WebCamera| format!("http://127.0.0.1:{}/", camera.port());
    let neighbours = Neighbours::who_say(vec![
        b"".to_vec(),
        vec![0xFF; 60_000],
        deep,
        matching(
            "elsewhere",
            &format!("http://127.0.0.2:{}/", other.port() + 1),
        ),
        matching("secure", "https://127.0.0.1/"),
        matching("nowhere", ""),
        matching("garbage", &at(&garbage)),
        matching("endless", &at(&endless)),
        matching("x%0A[[camera]]%0Aid%20=%201", ""),
    ])
    .await;
    let report = discover::run(&args(neighbours.address)).await.unwrap();
    assert_eq!(report.cameras.len(), 6, "{report}");
    // The question was asked three times, and got these three answers each time.
    assert_eq!(report.unreadable_answers, 9, "{report}");
    assert!(report.cameras.iter().all(|camera| camera.problem.is_some()));
    let printed = report.to_string();
    let commented = |line: &str| line.is_empty() || line.starts_with('#');
    assert!(printed.lines().all(commented), "{printed}");
}

#[tokio::test]
async fn a_camera_is_asked_by_ipv6() {
    let answers = vec![matching("six", "http://[::1]:9/onvif/device_service")];
    let neighbours = Neighbours::at("[::1]:0", answers).await;
    let report = discover::run(&args(neighbours.address)).await.unwrap();
    let [camera] = report.cameras.as_slice() else {
        panic!("{report}");
    };
    assert_eq!(camera.host.to_string(), "::1");
    assert_eq!(report.asked_from[0].to_string(), "::");
    // It was asked for its streams where it answered from.
    let problem = camera.problem.as_deref().unwrap();
    assert!(problem.contains("Connection refused"), "{problem}");
}

#[tokio::test]
async fn a_network_that_is_not_there_is_told_with_those_that_are() {
    let wrong = Args {
        interface: Some("eth77".to_owned()),
        ..args("127.0.0.1:1".parse().unwrap())
    };
    let error = discover::run(&wrong).await.unwrap_err().to_string();
    assert!(
        error.contains("'eth77'") && error.contains("lo (127.0.0.1)"),
        "{error}"
    );
}
