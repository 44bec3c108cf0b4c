//! A stand-in for kube-proxy: a plain TCP proxy that picks an endpoint at random for each connection and looks at no
//! byte of it.
//!
//! It is a second Envoy with one static file, so that both sides of the comparison are the same program. What it leaves
//! out of kube-proxy is the way of doing it (the kernel rewrites addresses there); what is compared is the choice, and
//! that is the same: equal chances, once a connection.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use airside_lab::fetch::Client;
use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::envoy::Program;
use crate::supervise::{Board, Crew, Group, Launch, Phase, Reached, Report};

const NAME: &str = "kube-proxy-stand-in";
/// Envoy starts in well under a second; a loaded machine may take some.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// The running proxy. It ends with [`KubeProxy::end`], and is killed when dropped.
pub(super) struct KubeProxy {
    /// Where clients reach it.
    pub(super) address: SocketAddr,
    crew: Crew,
}

impl KubeProxy {
    /// Starts it before `endpoints`, its files in `directory`.
    pub(super) async fn start(
        envoy: &Program,
        directory: &Path,
        endpoints: &[SocketAddr],
    ) -> Result<Self> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        let directory = directory.canonicalize()?;
        std::fs::write(
            directory.join("bootstrap.json"),
            bootstrap(endpoints).to_string(),
        )?;
        let board = Board::default();
        let mut crew = Crew::new(&board);
        crew.start(Group::Proxy, launch(envoy, &directory));
        let admin = tokio::time::timeout(START_DEADLINE, ready(&board))
            .await
            .with_context(|| format!("{NAME} is not ready after {START_DEADLINE:?}"))?;
        let address = listener(admin).await?;
        Ok(Self { address, crew })
    }

    /// Ends it.
    pub(super) async fn end(mut self) -> Result<()> {
        self.crew.end().await.context("the supervisor failed")
    }
}

fn launch(envoy: &Program, directory: &Path) -> Launch {
    let announcement = directory.join("admin-address");
    let mut args: Vec<String> = Program::arguments().map(str::to_owned).into();
    args.extend([
        "--admin-address-path".to_owned(),
        announcement.display().to_string(),
    ]);
    Launch {
        name: NAME.to_owned(),
        service: None,
        version: "-".to_owned(),
        program: envoy.path().to_owned(),
        args,
        env: BTreeMap::new(),
        directory: directory.to_owned(),
        log: Program::log(directory),
        reached: Reached::Announced(announcement),
        ready_path: "/ready",
    }
}

/// Waits until it serves; its admin address.
async fn ready(board: &Board) -> SocketAddr {
    let mut admin = None;
    let serves = |reports: &[Report]| {
        let ready = reports.iter().find(|report| report.phase == Phase::Ready);
        admin = ready.and_then(|report| report.address);
        admin.is_some()
    };
    board.until(serves).await;
    admin.expect("the condition holds only with an address")
}

/// Asks which port its listener got.
async fn listener(admin: SocketAddr) -> Result<SocketAddr> {
    let answer = Client::new(START_DEADLINE)
        .get(&format!("http://{admin}/listeners?format=json"))
        .await?;
    let listeners: Listeners = serde_json::from_str(&answer.body)?;
    let first = listeners.listener_statuses.first();
    let socket = &first.context("it has no listener")?.local_address;
    let SocketAddress {
        address,
        port_value,
    } = &socket.socket_address;
    Ok(SocketAddr::new(address.parse()?, *port_value))
}

/// What `/listeners` tells.
#[derive(Deserialize)]
struct Listeners {
    listener_statuses: Vec<ListenerStatus>,
}

#[derive(Deserialize)]
struct ListenerStatus {
    local_address: LocalAddress,
}

#[derive(Deserialize)]
struct LocalAddress {
    socket_address: SocketAddress,
}

#[derive(Deserialize)]
struct SocketAddress {
    address: String,
    port_value: u16,
}

fn bootstrap(endpoints: &[SocketAddr]) -> Value {
    let endpoints: Vec<Value> = endpoints
        .iter()
        .map(|endpoint| json!({ "endpoint": { "address": socket(*endpoint) } }))
        .collect();
    json!({
        "node": { "id": NAME, "cluster": NAME },
        "admin": { "address": socket(any_port()) },
        "static_resources": {
            "listeners": [{
                "name": "service",
                "address": socket(any_port()),
                "filter_chains": [{
                    "filters": [{
                        "name": "envoy.filters.network.tcp_proxy",
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                            "stat_prefix": "service",
                            "cluster": "service",
                        },
                    }],
                }],
            }],
            "clusters": [{
                "name": "service",
                "type": "STATIC",
                "lb_policy": "RANDOM",
                "connect_timeout": "10s",
                "load_assignment": {
                    "cluster_name": "service",
                    "endpoints": [{ "lb_endpoints": endpoints }],
                },
            }],
        },
    })
}

fn any_port() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

fn socket(address: SocketAddr) -> Value {
    json!({
        "socket_address": { "address": address.ip().to_string(), "port_value": address.port() },
    })
}
