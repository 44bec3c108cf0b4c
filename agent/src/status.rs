//! `airside-agent status`: how a running agent is, at a glance. Asks its control interface.

mod client;
mod table;
mod whereabouts;

use std::{fmt, path::PathBuf, time::Duration};

use http::Uri;
use serde::{Deserialize, Serialize};

pub use self::{
    client::{Client, Error},
    whereabouts::of_broken,
};
use crate::device::Vitals;

/// How often `--watch` asks.
pub const PERIOD: Duration = Duration::from_secs(2);
/// With less of its file system free than this the spool will soon shed what it should keep.
const LITTLE_ROOM: f64 = 0.05;

/// Whom to ask, and how to tell.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Ask again every two seconds.
    #[arg(long)]
    pub watch: bool,
    /// The agent's control interface: http://HOST:PORT or https://HOST:PORT [default: where this configuration has it listen]
    #[arg(long, value_name = "URL")]
    pub url: Option<Uri>,
    /// File with the token of the interface [default: as this configuration says]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Authorities that an https:// interface is trusted by (PEM) [default: those of the operating system]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Own certificate, for an interface that wants one (PEM).
    #[arg(long, value_name = "FILE", requires = "key")]
    pub certificate: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
}

/// How an agent is.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Whether somebody has to look after it.
    pub health: Health,
    /// What there is to look after.
    pub trouble: Vec<String>,
    /// The device.
    pub device: Vitals,
    /// All cameras' frames together.
    pub frames: Frames,
    /// The cameras.
    pub cameras: Vec<Camera>,
}

/// Whether somebody has to look after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// No.
    Ok,
    /// Yes: something does not work.
    Degraded,
}

impl Health {
    /// 0 or 1; 2 is for an agent that does not answer.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Degraded => 1,
        }
    }
}

/// A camera, as `GET /cameras` tells it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Camera {
    /// Name within the agent.
    pub id: String,
    /// Where its pictures come from.
    pub source: String,
    /// How it is.
    pub state: State,
}

/// How a camera is. What an older agent does not tell is as if nothing had happened.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "kebab-case")]
#[allow(missing_docs, reason = "docs/agent.md tells the fields")]
pub struct State {
    pub streaming: bool,
    pub fps: f64,
    pub measured_fps: f64,
    pub camera: String,
    pub camera_error: Option<String>,
    pub link: String,
    pub link_error: Option<String>,
    pub link_seconds: u64,
    pub destination: Option<String>,
    pub gate: String,
    pub restarts: u64,
    pub oldest_seconds: Option<u64>,
    pub frames: Frames,
    pub spool: Spool,
    pub tls: Option<Tls>,
    pub uplink: Uplink,
}

/// How the uplink's TLS stands, of all cameras alike.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "kebab-case")]
#[allow(missing_docs, reason = "docs/agent.md tells the fields")]
pub struct Tls {
    pub certificate_expires: Option<String>,
    pub renewal_due: bool,
    pub error: Option<String>,
}

impl Tls {
    fn trouble(&self) -> Vec<String> {
        let end = self.certificate_expires.as_ref();
        let due = end.filter(|_| self.renewal_due).map(|end| {
            format!("the uplink's certificate is valid up to {end} and wants to be renewed")
        });
        let error = self.error.as_ref();
        let error = error.map(|error| format!("the uplink keeps its old TLS files: {error}"));
        due.into_iter().chain(error).collect()
    }
}

/// What goes over the link.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "kebab-case")]
#[allow(missing_docs, reason = "docs/agent.md tells the fields")]
pub struct Uplink {
    pub sent_bytes: u64,
    pub round_trip_seconds: Option<f64>,
    pub live_seconds: Option<Live>,
    pub bandwidth: Option<String>,
    pub step: usize,
    pub steps: usize,
    pub jpeg_quality: Option<u8>,
    pub fps: Option<f64>,
}

/// From capture to answer of live frames.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
#[allow(missing_docs, reason = "docs/agent.md tells the fields")]
pub struct Live {
    pub p50: f64,
    pub p99: f64,
}

/// How frames are stored.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "kebab-case")]
#[allow(missing_docs, reason = "docs/agent.md tells the fields")]
pub struct Spool {
    pub place: String,
    pub bytes: u64,
    pub limit_bytes: Option<u64>,
    pub error: Option<String>,
    pub damaged: u64,
}

/// What became of frames: `captured` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the ledger documents them")]
pub struct Frames {
    pub captured: u64,
    pub gated: u64,
    pub acknowledged: u64,
    pub shed: u64,
    pub dropped: u64,
    pub spooled: u64,
}

impl Frames {
    fn plus(self, other: Self) -> Self {
        Self {
            captured: self.captured + other.captured,
            gated: self.gated + other.gated,
            acknowledged: self.acknowledged + other.acknowledged,
            shed: self.shed + other.shed,
            dropped: self.dropped + other.dropped,
            spooled: self.spooled + other.spooled,
        }
    }

    fn balance(self) -> bool {
        let Self {
            captured,
            gated,
            acknowledged,
            shed,
            dropped,
            spooled,
        } = self;
        captured == gated + acknowledged + shed + dropped + spooled
    }
}

#[derive(Debug, Deserialize)]
struct List {
    cameras: Vec<Camera>,
}

/// Asks an agent how it is.
///
/// # Errors
/// It does not answer, or not as an agent does.
pub async fn read(client: &Client) -> Result<Status, Error> {
    let list: List = client.get("/cameras").await?;
    let device: Vitals = client.get("/device").await?;
    Ok(Status::of(device, list.cameras))
}

impl Status {
    fn of(device: Vitals, cameras: Vec<Camera>) -> Self {
        let mut trouble: Vec<_> = cameras.iter().flat_map(Camera::trouble).collect();
        let tls = cameras.iter().find_map(|camera| camera.state.tls.as_ref());
        trouble.extend(tls.map(Tls::trouble).unwrap_or_default());
        let room = device.disk.as_ref();
        if let Some(disk) =
            room.filter(|disk| (disk.free_bytes as f64) < disk.total_bytes as f64 * LITTLE_ROOM)
        {
            trouble.push(format!("little room is left at {}", disk.path.display()));
        }
        let frames = cameras.iter().map(|camera| camera.state.frames);
        Self {
            health: match trouble.is_empty() {
                true => Health::Ok,
                false => Health::Degraded,
            },
            trouble,
            device,
            frames: frames.fold(Frames::default(), Frames::plus),
            cameras,
        }
    }
}

impl Camera {
    /// What keeps it from its work. One that nobody told to stream has no trouble.
    fn trouble(&self) -> Vec<String> {
        let state = &self.state;
        let tell = |what: String| format!("camera {}: {what}", self.id);
        let camera = state.camera_error.as_ref().map(|error| tell(error.clone()));
        let link = state.link_error.as_ref().map(|error| tell(error.clone()));
        let disk = state.spool.error.as_ref();
        let disk = disk.map(|error| tell(format!("the spool does not use its disk: {error}")));
        let unbalanced =
            (!state.frames.balance()).then(|| tell("its ledger does not balance".to_owned()));
        [camera, link, disk, unbalanced]
            .into_iter()
            .flatten()
            .collect()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table::write(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(states: &[&str]) -> Status {
        let vitals = r#"{"agent":"gate-1","version":"0.1.0","uptime-seconds":7512,
            "disk":{"path":"/var/lib/airside-agent","free-bytes":21000000000,"total-bytes":31000000000},"temperature-celsius":52.25}"#;
        let cameras = states.iter().enumerate().map(|(index, state)| Camera {
            id: (index + 1).to_string(),
            source: "test://smpte".to_owned(),
            state: serde_json::from_str(state).unwrap(),
        });
        Status::of(serde_json::from_str(vitals).unwrap(), cameras.collect())
    }

    const GOOD: &str = r#"{"streaming":true,"fps":5.0,"measured-fps":4.9,"camera":"capturing","link":"connected",
        "link-seconds":310,"destination":"grpc://collector:9090","gate":"motion","restarts":0,"oldest-seconds":3,
        "frames":{"captured":1200,"gated":1000,"acknowledged":180,"shed":0,"dropped":0,"spooled":20},
        "uplink":{"live-seconds":{"p50":0.085,"p99":0.2},"step":2,"steps":5},"new-field":1}"#;
    const BAD: &str = r#"{"streaming":true,"fps":5.0,"camera":"failed","camera-error":"/dev/video0 does not exist","link":"idle"}"#;

    #[test]
    fn one_glance_tells_all() {
        let shown = status(&[GOOD]).to_string();
        let wanted = "\
gate-1  OK  airside-agent 0.1.0, up 2 h 5 min, 52 °C, 21.0 of 31.0 GB free at /var/lib/airside-agent

CAMERA  STATE      FPS    GATE    RESTARTS  WAITING  OLDEST  LINK                              DESTINATION
1       capturing  4.9/5  motion  0         20       3 s     connected 5 min, 85 ms, step 2/5  grpc://collector:9090

1200 captured = 1000 gated + 180 acknowledged + 0 shed + 0 dropped + 20 waiting
";
        assert_eq!(shown, wanted);
    }

    #[test]
    fn trouble_is_told_and_costs_the_health() {
        assert_eq!(status(&[GOOD]).health.exit_code(), 0);
        let bad = status(&[GOOD, BAD]);
        assert_eq!(bad.health.exit_code(), 1);
        assert_eq!(bad.trouble, ["camera 2: /dev/video0 does not exist"]);
        let shown = bad.to_string();
        assert!(shown.starts_with("gate-1  DEGRADED"), "{shown}");
        assert!(
            shown.ends_with("! camera 2: /dev/video0 does not exist\n"),
            "{shown}"
        );
        let lie = GOOD.replace("\"gated\":1000", "\"gated\":1001");
        assert_eq!(
            status(&[&lie]).trouble,
            ["camera 1: its ledger does not balance"]
        );
        let full = r#","spool":{"place":"disk","error":"no space left on device"}}"#;
        let full = GOOD.replace(",\"new-field\":1}", full);
        assert_eq!(
            status(&[&full]).trouble,
            ["camera 1: the spool does not use its disk: no space left on device"]
        );
        let tls = r#","tls":{"certificate-expires":"2026-11-23T12:00:00Z","renewal-due":true,"error":"ca.pem cannot be read"}}"#;
        let tls = GOOD.replace(",\"new-field\":1}", tls);
        assert_eq!(
            status(&[&tls, &tls]).trouble,
            [
                "the uplink's certificate is valid up to 2026-11-23T12:00:00Z and wants to be renewed",
                "the uplink keeps its old TLS files: ca.pem cannot be read"
            ]
        );
    }
}
