//! An agent outside the mesh, through the gateway for agents: mutual TLS or nothing.

use std::{fs, path::PathBuf, process::Stdio, time::Duration};

use airside_tests::{Case, Program, Spec, case_within, eventually};
use anyhow::{Context as _, Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use super::system::{System, kubectl, reaches};

const DEADLINE: Duration = Duration::from_secs(1800);
/// The gateway takes a new Secret up within seconds; an agent tries again with growing pauses.
const LINKED_WITHIN: Duration = Duration::from_secs(120);
const SECRET: &str = "airside-agents";
/// Where the gateway listens inside its pod.
const PORT: &str = ":8443";
/// As many as show that frames arrive.
const FRAMES: u64 = 10;

#[test]
fn an_agent_outside_is_let_in_by_its_certificate_alone() {
    case_within(DEADLINE, "cluster-outside", async |case| {
        let _system = System::deployed().await?;
        let ours = Authority::new(case, "ours")?;
        let theirs = Authority::new(case, "theirs")?;
        keep(&ours).await?;
        let way = Way::open().await?;
        let good = ours.issue("good", &[], |_| {})?;
        let mut agent = Agent::start(case, "good", &way, &ours, Some(&good)).await?;
        agent.delivers().await?;
        let old = |params: &mut CertificateParams| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        };
        for (name, bearing) in [
            ("expired", Some(ours.issue("expired", &[], old)?)),
            ("stranger", Some(theirs.issue("stranger", &[], |_| {})?)),
            ("nameless", None),
        ] {
            let mut agent = Agent::start(case, name, &way, &ours, bearing.as_ref()).await?;
            agent.is_refused().await.context(name)?;
        }
        // The gateway itself is well, all the while.
        agent.delivers().await
    });
}

/// Gives the gateway a certificate, and whose agents it lets in.
async fn keep(authority: &Authority) -> Result<()> {
    let own = authority.issue("gateway", &["localhost"], |_| {})?;
    let from = |name: &str, file: &PathBuf| format!("--from-file={name}={}", file.display());
    kubectl(&["delete", "secret", SECRET, "--ignore-not-found"]).await?;
    kubectl(&[
        "create",
        "secret",
        "generic",
        SECRET,
        &from("tls.crt", &own.certificate),
        &from("tls.key", &own.key),
        &from("ca.crt", &authority.file),
    ])
    .await
    .map(drop)
}

/// A local port that leads to the gateway for as long as this lives.
struct Way {
    port: u16,
    _forwarding: Child,
}

impl Way {
    async fn open() -> Result<Self> {
        let gateway = ["port-forward", "deployment/agents-gateway", PORT];
        let mut forwarding = Command::new("kubectl")
            .args(["--namespace", super::system::NAMESPACE])
            .args(gateway)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let says = forwarding.stdout.take().context("its output")?;
        // Forwarding from 127.0.0.1:40123 -> 8443
        let line = BufReader::new(says).lines().next_line().await?;
        let line = line.context("kubectl forwards nothing")?;
        let port = line
            .split(' ')
            .find_map(|word| word.strip_prefix("127.0.0.1:")?.parse().ok());
        Ok(Self {
            port: port.with_context(|| line.clone())?,
            _forwarding: forwarding,
        })
    }
}

/// An agent on this machine whose camera is a test picture.
struct Agent(Program);

impl Agent {
    async fn start(
        case: &Case,
        name: &str,
        way: &Way,
        trusted: &Authority,
        bearing: Option<&Files>,
    ) -> Result<Self> {
        let bearing = bearing.map(|files| {
            format!(
                "certificate = {:?}\nkey = {:?}\n",
                files.certificate, files.key
            )
        });
        let file = case.directory().join(format!("{name}.toml"));
        let text = format!(
            "agent = \"outside-{name}\"\n[[camera]]\nid = 1\nsource = \"test://\"\n\
             stream = {{ section = 1, event = \"exit\", destination = \"grpcs://localhost:{}\" }}\n\
             [uplink]\nca = {:?}\n{}",
            way.port,
            trusted.file,
            bearing.unwrap_or_default()
        );
        fs::write(&file, text)?;
        let spec = Spec::agent(&format!("outside-{name}")).flag("--config", &file);
        Ok(Self(Program::launch(case, spec).await?))
    }

    /// Some more frames are taken.
    async fn delivers(&mut self) -> Result<()> {
        let taken = async || Ok(self.state().await?["frames"]["acknowledged"].as_u64());
        let before = taken().await?.unwrap_or_default();
        reaches("frames arrive", before + FRAMES, taken).await
    }

    /// Its link fails, and nothing was taken.
    async fn is_refused(&mut self) -> Result<()> {
        let reason = eventually("the link fails", LINKED_WITHIN, async || {
            let state = self.state().await?;
            ensure!(state["frames"]["acknowledged"] == 0, "let in: {state}");
            let failed = state["link"] == "failed";
            Ok(failed.then(|| state["link-error"].to_string()))
        })
        .await?;
        ensure!(reason.contains("certificate"), "refused for {reason}");
        Ok(())
    }

    async fn state(&self) -> Result<serde_json::Value> {
        self.0.get("/state").await?.json()
    }
}

/// Signs certificates, and writes them into the case's directory.
struct Authority {
    folder: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: PathBuf,
}

/// A certificate and its key.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Authority {
    fn new(case: &Case, name: &str) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let folder = case.directory().to_owned();
        let file = folder.join(format!("{name}.pem"));
        fs::write(&file, issuer.pem())?;
        Ok(Self {
            folder,
            issuer,
            file,
        })
    }

    fn issue(
        &self,
        name: &str,
        hosts: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Result<Files> {
        let hosts: Vec<String> = hosts.iter().copied().map(str::to_owned).collect();
        let mut params = CertificateParams::new(hosts)?;
        change(&mut params);
        let key = KeyPair::generate()?;
        let files = Files {
            certificate: self.folder.join(format!("{name}.crt")),
            key: self.folder.join(format!("{name}.key")),
        };
        fs::write(
            &files.certificate,
            params.signed_by(&key, &self.issuer)?.pem(),
        )?;
        fs::write(&files.key, key.serialize_pem())?;
        // The agent refuses a key that everybody may read.
        fs::set_permissions(
            &files.key,
            std::os::unix::fs::PermissionsExt::from_mode(0o600),
        )?;
        Ok(files)
    }
}
