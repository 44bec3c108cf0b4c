//! One cluster a service, port and subset.

mod balancing;
mod outliers;
mod pool;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::files::{ENDPOINTS, watched};
use super::{BUFFER_LIMIT, CONNECTION_WINDOW, STREAM_WINDOW, cluster_name, endpoints};
use crate::{Host, Mesh, Policies, Policy, ServicePort};

/// Cluster of hosts outside the mesh; the name is istiod's.
pub(super) const PASSTHROUGH: &str = "PassthroughCluster";

/// Shared by the passthrough cluster and its filter.
pub(super) fn dns_cache() -> Value {
    json!({ "name": "outside", "dns_lookup_family": "V4_PREFERRED" })
}

/// Every cluster by name.
pub(super) fn all(mesh: &Mesh) -> BTreeMap<String, Value> {
    let mut clusters = BTreeMap::from([(PASSTHROUGH.to_owned(), passthrough())]);
    for (fqdn, host) in &mesh.services {
        for port in &host.service.ports {
            for (subset, policies) in parts(host) {
                let name = cluster_name(port.number, subset, fqdn);
                let cluster = cluster(&name, port, policies.at(port.number));
                clusters.insert(name, cluster);
            }
        }
    }
    clusters
}

/// The whole host first, then each subset.
fn parts(host: &Host) -> impl Iterator<Item = (Option<&str>, &Policies)> {
    let subsets = host
        .subsets
        .iter()
        .map(|subset| (Some(subset.name.as_str()), &subset.policies));
    std::iter::once((None, &host.policies)).chain(subsets)
}

fn cluster(name: &str, port: &ServicePort, policy: &Policy) -> Value {
    let mut cluster = json!({
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {
            "eds_config": watched(ENDPOINTS, &endpoints::file(name)),
            "service_name": name,
        },
        "per_connection_buffer_limit_bytes": BUFFER_LIMIT,
    });
    pool::put(&mut cluster, port, policy);
    balancing::put(&mut cluster, policy.load_balancer.as_ref());
    outliers::put(&mut cluster, policy.outlier_detection.as_ref());
    cluster
}

/// Flow control on both sides of Envoy.
pub(super) fn http2() -> Value {
    json!({
        "initial_stream_window_size": STREAM_WINDOW,
        "initial_connection_window_size": CONNECTION_WINDOW,
    })
}

/// Istio lets calls to hosts it does not know pass (ALLOW_ANY). There the packet's own destination
/// says where to; here, without interception, the host name does.
fn passthrough() -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": PASSTHROUGH,
        "connect_timeout": pool::CONNECT_TIMEOUT,
        "lb_policy": "CLUSTER_PROVIDED",
        "circuit_breakers": { "thresholds": [pool::unlimited()] },
        "cluster_type": {
            "name": "envoy.clusters.dynamic_forward_proxy",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
                "dns_cache_config": dns_cache(),
            },
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "use_downstream_protocol_config": { "http2_protocol_options": http2() },
                "upstream_http_protocol_options": { "auto_sni": true, "auto_san_validation": true },
            }
        },
    })
}
