//! Just enough of Envoy's aggregated discovery service to be taken for a proxy.
//!
//! istiod keeps a picture of every proxy that is connected and shows it readably at its debug address. So the resources that
//! come over the stream are acknowledged and not looked at, and none of Envoy's many messages is needed here.

use std::collections::BTreeMap;

use anyhow::Context;
use http::uri::PathAndQuery;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::Streaming;
use tonic::client::Grpc;
use tonic::transport::Endpoint;
use tonic_prost::ProstCodec;

const METHOD: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
const CLUSTERS: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const ROUTES: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";

/// All clusters of a large mesh in one message.
const RESPONSE_LIMIT: usize = 64 << 20;

/// Requests wait only while the one before them is on its way.
const REQUESTS_AHEAD: usize = 16;

/// The part of a mesh that a proxy stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Beside a service, for the calls that it makes.
    Sidecar,
    /// At the entrance.
    Gateway,
}

/// A proxy as istiod is to see it.
#[derive(Debug, Clone)]
pub struct Identity {
    /// What it does.
    pub role: Role,
    /// Its name, unlike that of any other proxy.
    pub name: String,
    /// The namespace it says it lives in.
    pub namespace: String,
    /// Labels that gateways select by.
    pub labels: BTreeMap<String, String>,
}

impl Identity {
    /// What istiod's debug address calls it.
    pub fn id(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }

    fn node(&self) -> Node {
        let role = match self.role {
            Role::Sidecar => "sidecar",
            Role::Gateway => "router",
        };
        let namespace = &self.namespace;
        let labels = self
            .labels
            .iter()
            .map(|(name, value)| (name.clone(), text(value)));
        let labels = Struct {
            fields: labels.collect(),
        };
        let metadata = [
            ("NAMESPACE", text(namespace)),
            ("ISTIO_VERSION", text(PROXY_VERSION)),
            (
                "LABELS",
                Value {
                    kind: Some(Kind::StructValue(labels)),
                },
            ),
        ];
        Node {
            id: format!(
                "{role}~{ADDRESS}~{}~{namespace}.svc.cluster.local",
                self.id()
            ),
            metadata: Some(Struct {
                fields: metadata
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
            }),
        }
    }
}

/// An address nobody has (RFC 5737), so that istiod takes the proxy for no workload it knows.
const ADDRESS: &str = "192.0.2.1";

/// istiod leaves out what older proxies would not understand; this one understands everything.
const PROXY_VERSION: &str = "999.0.0";

fn text(text: &str) -> Value {
    Value {
        kind: Some(Kind::StringValue(text.to_owned())),
    }
}

/// A proxy that istiod takes for connected, for as long as this lives.
#[derive(Debug)]
pub struct Connection {
    _acknowledgements: AbortOnDropHandle<()>,
}

/// Connects a proxy that wants all clusters and these route configurations.
///
/// # Errors
/// No istiod at the address, or one that refuses the proxy.
pub async fn connect(
    address: &str,
    identity: &Identity,
    routes: &[&str],
) -> anyhow::Result<Connection> {
    let channel = Endpoint::new(format!("http://{address}"))?
        .connect()
        .await
        .with_context(|| format!("no istiod answers at {address}"))?;
    let mut client = Grpc::new(channel).max_decoding_message_size(RESPONSE_LIMIT);
    client.ready().await?;
    let wanted = [
        (CLUSTERS, Vec::new()),
        (ROUTES, routes.iter().map(ToString::to_string).collect()),
    ];
    let (requests, stream) = mpsc::channel(REQUESTS_AHEAD);
    for (type_url, resource_names) in wanted.clone() {
        requests
            .send(Request {
                node: Some(identity.node()),
                type_url: type_url.to_owned(),
                resource_names,
                ..Request::default()
            })
            .await?;
    }
    let responses = client
        .streaming(
            tonic::Request::new(ReceiverStream::new(stream)),
            PathAndQuery::from_static(METHOD),
            ProstCodec::<Request, Response>::default(),
        )
        .await
        .context("istiod refuses to talk to a proxy")?;
    let wanted = BTreeMap::from(wanted);
    let task = tokio::spawn(acknowledge(responses.into_inner(), requests, wanted));
    Ok(Connection {
        _acknowledgements: AbortOnDropHandle::new(task),
    })
}

/// Says yes to everything until the stream ends.
async fn acknowledge(
    mut responses: Streaming<Response>,
    requests: mpsc::Sender<Request>,
    wanted: BTreeMap<&'static str, Vec<String>>,
) {
    while let Ok(Some(response)) = responses.message().await {
        let acknowledgement = Request {
            version_info: response.version_info,
            resource_names: wanted
                .get(response.type_url.as_str())
                .cloned()
                .unwrap_or_default(),
            type_url: response.type_url,
            response_nonce: response.nonce,
            node: None,
        };
        if requests.send(acknowledgement).await.is_err() {
            return;
        }
    }
}

/// Who asks. The numbers of the fields, here and below, are Envoy's.
#[derive(Clone, PartialEq, prost::Message)]
struct Node {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, optional, tag = "3")]
    metadata: Option<Struct>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Request {
    #[prost(string, tag = "1")]
    version_info: String,
    #[prost(message, optional, tag = "2")]
    node: Option<Node>,
    #[prost(string, repeated, tag = "3")]
    resource_names: Vec<String>,
    #[prost(string, tag = "4")]
    type_url: String,
    #[prost(string, tag = "5")]
    response_nonce: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Response {
    #[prost(string, tag = "1")]
    version_info: String,
    #[prost(string, tag = "4")]
    type_url: String,
    #[prost(string, tag = "5")]
    nonce: String,
}
