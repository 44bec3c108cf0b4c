//! An agent outside the mesh, through the gateway for agents: mutual TLS or nothing.

use std::{fs, net::TcpListener, path::PathBuf, time::Duration};

use airside_tests::{Case, Program, Spec, case_within, eventually};
use anyhow::{Context as _, Result, ensure};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tokio::task::JoinHandle;

use super::{
    restarts::restart,
    system::{System, kubectl, reaches},
};

const DEADLINE: Duration = Duration::from_secs(1800);
/// An agent tries again with growing pauses.
const REFUSED_WITHIN: Duration = Duration::from_secs(120);
const SECRET: &str = "airside-agents";
/// Where the gateway listens inside its pod.
const GATEWAY_PORT: u16 = 8443;
/// As many as show that frames arrive.
const FRAMES: u64 = 10;

#[test]
fn an_agent_outside_is_let_in_by_its_certificate_alone() {
    case_within(DEADLINE, "cluster-outside", async |case| {
        let _system = System::deployed().await?;
        let ours = Authority::new(case, "ours")?;
        let theirs = Authority::new(case, "theirs")?;
        keep(&ours, |_| {}).await?;
        let way = Way::open()?;
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
        agent.delivers().await?;
        // Its own certificate is looked at as well, and a good one is enough to go on.
        keep(&ours, old).await?;
        restart("deployment/agents-gateway").await?;
        let mut agent = Agent::start(case, "careful", &way, &ours, Some(&good)).await?;
        agent.is_refused().await.context("careful")?;
        keep(&ours, |_| {}).await?;
        agent.delivers().await
    });
}

/// Gives the gateway a certificate, and whose agents it lets in.
async fn keep(authority: &Authority, change: impl FnOnce(&mut CertificateParams)) -> Result<()> {
    let own = authority.issue("gateway", &["localhost"], change)?;
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
    forwarding: JoinHandle<()>,
}

impl Way {
    fn open() -> Result<Self> {
        // Freed here, taken by kubectl at once.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let forwarding = tokio::spawn(async move {
            let ports = format!("{port}:{GATEWAY_PORT}");
            let gateway = ["port-forward", "deployment/agents-gateway", &ports];
            loop {
                // It ends with the first connection that the gateway refuses, as it does until it has its certificate.
                let _ = kubectl(&gateway).await;
            }
        });
        Ok(Self { port, forwarding })
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.forwarding.abort();
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

    /// It is told that its certificate is why it is not let in, and nothing was taken.
    async fn is_refused(&mut self) -> Result<()> {
        eventually("its certificate is refused", REFUSED_WITHIN, async || {
            let state = self.state().await?;
            ensure!(state["frames"]["acknowledged"] == 0, "let in: {state}");
            // Between two connections nobody may listen at all.
            let reason = state["link-error"].as_str();
            let refused = reason.is_some_and(|reason| reason.contains("certificate"));
            Ok(refused.then_some(()))
        })
        .await
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
        params.distinguished_name.push(DnType::CommonName, name);
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
        // One of the same name as its authority would pass for one that signed itself.
        params.distinguished_name.push(DnType::CommonName, name);
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
