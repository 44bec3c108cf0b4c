//! A running istiod: rules go in through Kubernetes, Envoy's configuration comes out.
//!
//! ```text
//! reach ─▶ namespace with the services ─▶ two proxies connect ─▶ ask(case) … ─▶ namespace is deleted
//!                                                                 │
//!         rules of before away, rules of the case in, markers in ─┤
//!         wait until both proxies' configuration shows the marks ─┤
//!                                   read their configuration     ─┘
//! ```
//!
//! Everything happens in a namespace made for it, so that nothing else in the cluster is touched or gets in the way. What
//! istiod says about it is read as if it were `default`, where the local mesh lives.

pub mod ads;
mod dump;
mod kubernetes;
mod marker;
mod tunnel;

use std::time::{Duration, Instant};

use airside_lab::fetch::Client;
use anyhow::{Context, bail};

use crate::case::Case;
use crate::meaning::Meaning;
use ads::{Connection, Identity, Role};
use dump::Dump;
use kubernetes::Namespace;
use marker::Marker;
use tunnel::Tunnel;

/// Addresses of an istiod that can be reached without a tunnel.
#[derive(Debug, Clone, clap::Args)]
pub struct Addresses {
    /// Where istiod serves proxies without TLS, HOST:PORT; else a tunnel to istio-system is made
    #[arg(long, env = "ISTIOD_XDS", requires = "debug")]
    pub xds: Option<String>,
    /// Where istiod answers /debug, HOST:PORT
    #[arg(long, env = "ISTIOD_DEBUG", requires = "xds")]
    pub debug: Option<String>,
}

/// istiod takes a change over in well under a second; a loaded machine may take some.
const TAKEOVER_DEADLINE: Duration = Duration::from_secs(30);
/// A look at the configuration takes a few milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// The ports of the services; a sidecar has a route configuration for each.
const EGRESS: [&str; 2] = ["8080", "9090"];
/// The route configuration of a gateway on the port that the rules name.
const INGRESS: [&str; 1] = ["http.80"];

/// A conversation with istiod. The namespace goes when this goes.
#[derive(Debug)]
pub struct Istiod {
    namespace: Namespace,
    debug: String,
    client: Client,
    version: String,
    sidecar: Identity,
    gateway: Identity,
    round: u16,
    _connections: [Connection; 2],
    _tunnel: Option<Tunnel>,
}

impl Istiod {
    /// Finds istiod, makes the namespace and connects two proxies.
    ///
    /// # Errors
    /// No cluster in `$KUBECONFIG`, no istiod in it, or one that answers neither proxies nor questions.
    pub async fn reach(addresses: &Addresses) -> anyhow::Result<Self> {
        let (xds, debug, tunnel) = match (&addresses.xds, &addresses.debug) {
            (Some(xds), Some(debug)) => (xds.clone(), debug.clone(), None),
            _ => {
                let tunnel = Tunnel::open().await?;
                (tunnel.xds(), tunnel.debug(), Some(tunnel))
            }
        };
        let client = Client::new(ANSWER_DEADLINE);
        let version = version(&client, &debug).await?;
        let namespace = Namespace::create().await?;
        let proxy = |role, name: &str| Identity {
            role,
            name: name.to_owned(),
            namespace: namespace.name().to_owned(),
            labels: namespace.gateway_labels(),
        };
        let sidecar = proxy(Role::Sidecar, "sidecar");
        let gateway = proxy(Role::Gateway, "gateway");
        let connections = [
            ads::connect(&xds, &sidecar, &EGRESS).await?,
            ads::connect(&xds, &gateway, &INGRESS).await?,
        ];
        Ok(Self {
            namespace,
            debug,
            client,
            version,
            sidecar,
            gateway,
            round: 0,
            _connections: connections,
            _tunnel: tunnel,
        })
    }

    /// Its version, as it says it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What the rules of a case mean to it.
    ///
    /// # Errors
    /// Rules that Kubernetes refuses, or a configuration that never comes.
    pub async fn ask(&mut self, case: &Case) -> anyhow::Result<Meaning> {
        self.round += 1;
        let marker = Marker(self.round);
        self.namespace.replace(case, marker).await?;
        let deadline = Instant::now() + TAKEOVER_DEADLINE;
        while Instant::now() < deadline {
            let sidecar = self.dump(&self.sidecar).await?;
            let gateway = self.dump(&self.gateway).await?;
            if marker.seen_by_sidecar(&sidecar) && marker.seen_by_gateway(&gateway) {
                return Ok(dump::meaning(&sidecar, &gateway));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        bail!(
            "`{}` did not reach the proxies within {TAKEOVER_DEADLINE:?}",
            case.name
        )
    }

    async fn dump(&self, proxy: &Identity) -> anyhow::Result<Dump> {
        let url = format!(
            "http://{}/debug/config_dump?proxyID={}",
            self.debug,
            proxy.id()
        );
        let answer = self.client.get(&url).await?;
        // A proxy that has just connected may not be known yet.
        if answer.status == http::StatusCode::NOT_FOUND {
            return Ok(Dump::default());
        }
        if !answer.status.is_success() {
            bail!("{url} answers {}: {}", answer.status, answer.body.trim());
        }
        Dump::read(&answer.body, self.namespace.name())
            .with_context(|| format!("{url} answers something else"))
    }
}

async fn version(client: &Client, debug: &str) -> anyhow::Result<String> {
    let answer = client.get(&format!("http://{debug}/version")).await?;
    if answer.status.is_success() {
        Ok(answer.body.trim().to_owned())
    } else {
        Ok(format!("unknown ({} at /version)", answer.status))
    }
}
