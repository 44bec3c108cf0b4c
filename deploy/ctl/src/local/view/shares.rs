//! Which share of a service's requests each of its versions should get.

use std::collections::BTreeMap;

use airside_mesh::istio::ConsistentHash;
use airside_mesh::{Action, Forward, Host, Mesh, Route, Target};

/// Shares by version; a version that is not named gets nothing.
pub(super) type Shares = BTreeMap<String, f64>;

/// What the rules want for the service `fqdn`, of which so many instances of each version are ready: calls from outside where
/// the ingress leads to it, else calls between services. None where it depends on the request.
pub(super) fn wanted(mesh: &Mesh, fqdn: &str, ready: &BTreeMap<String, u32>) -> Option<Shares> {
    let host = mesh.services.get(fqdn)?;
    let taken_in: Vec<&[Route]> = mesh
        .ingress
        .iter()
        .map(|ingress| ingress.routes.as_slice())
        .filter(|routes| targets(routes, fqdn).next().is_some())
        .collect();
    match taken_in.as_slice() {
        [] if host.routes.is_empty() => spread(ready, host.policies.general.hash()),
        [] => by_rules(&host.routes, host, ready),
        [routes] => by_rules(routes, host, ready),
        // Which of several names a client uses is up to the client.
        _ => None,
    }
}

/// Whether a rule leads to this service.
pub(super) fn leads_to(route: &Route, fqdn: &str) -> bool {
    targets(std::slice::from_ref(route), fqdn).next().is_some()
}

/// Targets of these rules that are this service.
fn targets<'a>(routes: &'a [Route], fqdn: &'a str) -> impl Iterator<Item = &'a Target> {
    let forwards = routes.iter().filter_map(forward);
    let targets = forwards.flat_map(|forward| &forward.targets);
    targets.filter(move |target| target.service == fqdn && target.weight > 0)
}

fn forward(route: &Route) -> Option<&Forward> {
    match &route.action {
        Action::Forward(forward) => Some(forward),
        _ => None,
    }
}

/// The rule that takes everything decides, unless one with conditions leads to the service as well.
fn by_rules(routes: &[Route], host: &Host, ready: &BTreeMap<String, u32>) -> Option<Shares> {
    let last = routes.iter().position(|route| route.matches.is_empty())?;
    let fqdn = host.service.fqdn();
    if targets(&routes[..last], &fqdn).next().is_some() {
        return None;
    }
    let reached: Vec<&Target> = targets(&routes[last..=last], &fqdn).collect();
    let sum: f64 = reached.iter().map(|target| f64::from(target.weight)).sum();
    let mut shares = Shares::new();
    for target in reached {
        let part = f64::from(target.weight) / sum;
        for (version, share) in within(target, host, ready)? {
            *shares.entry(version).or_default() += part * share;
        }
    }
    (!shares.is_empty()).then_some(shares)
}

/// How a target's requests spread over versions.
fn within(target: &Target, host: &Host, ready: &BTreeMap<String, u32>) -> Option<Shares> {
    let Some(name) = &target.subset else {
        return spread(ready, target.hash.as_ref());
    };
    let subset = host.subsets.iter().find(|subset| subset.name == *name)?;
    match subset.labels.get("version") {
        Some(version) => Some(Shares::from([(version.clone(), 1.0)])),
        None => spread(ready, target.hash.as_ref()),
    }
}

/// Every instance is as good as any other, unless a hash picks it.
fn spread(ready: &BTreeMap<String, u32>, hash: Option<&ConsistentHash>) -> Option<Shares> {
    if hash.is_some() && ready.len() > 1 {
        return None;
    }
    let sum: u32 = ready.values().sum();
    let share = |(version, count): (&String, &u32)| {
        let share = f64::from(*count) / f64::from(sum);
        (version.clone(), share)
    };
    (sum > 0).then(|| ready.iter().map(share).collect())
}

#[cfg(test)]
mod tests {
    use airside_mesh::istio::Source;
    use airside_mesh::{Registry, Rules, Service, resolve};

    use super::*;

    const SUBSETS: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: airside}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cpanel}
spec:
  host: cpanel
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
  - {name: everyone, labels: {app: cpanel}}
---
";

    /// What rules want for cpanel with one v1 and three v2 ready.
    fn shares(rules: &str) -> Option<(f64, f64)> {
        shares_over(SUBSETS, rules)
    }

    fn shares_over(subsets: &str, rules: &str) -> Option<(f64, f64)> {
        let names = ["cpanel", "momentum"];
        let registry: Registry = names.into_iter().map(Service::airside).collect();
        let text = format!("{subsets}{rules}");
        let file = "test.yaml".to_owned();
        let rules = Rules::read(&[Source { file, text }]).expect("sound rules");
        let mesh = resolve(&rules, &registry).expect("sound rules");
        let ready = BTreeMap::from([("v1".to_owned(), 1), ("v2".to_owned(), 3)]);
        let shares = wanted(&mesh, "cpanel.default.svc.cluster.local", &ready)?;
        let of = |version: &str| shares.get(version).copied().unwrap_or_default();
        Some((of("v1"), of("v2")))
    }

    fn service(gateways: &str, http: &str) -> String {
        let host = if gateways == "mesh" { "cpanel" } else { "'*'" };
        format!(
            "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {gateways}}}
spec:
  hosts: [{host}]
  gateways: [{gateways}]
  http:
{http}
---"
        )
    }

    const SPLIT: &str = "
  - route:
    - {destination: {host: cpanel, subset: v1, port: {number: 8080}}, weight: 3}
    - {destination: {host: cpanel, subset: v2, port: {number: 8080}}, weight: 1}";
    const ALL_V2: &str =
        "\n  - route: [{destination: {host: cpanel, subset: v2, port: {number: 8080}}}]";
    const ANYONE: &str = "\n  - route: [{destination: {host: cpanel, port: {number: 8080}}}]";
    const NOT_FOUND: &str =
        "\n  - match: [{uri: {exact: /fault}}]\n    directResponse: {status: 404}";
    const TESTERS: &str = "
  - match: [{headers: {x-airside-user-group: {exact: test}}}]
    route: [{destination: {host: cpanel, subset: v2, port: {number: 8080}}}]";

    #[test]
    fn weights_are_shares() {
        assert_eq!(shares(&service("airside", SPLIT)), Some((0.75, 0.25)));
        assert_eq!(shares(&service("mesh", SPLIT)), Some((0.75, 0.25)));
        let refused_first = format!("{NOT_FOUND}{SPLIT}");
        assert_eq!(
            shares(&service("airside", &refused_first)),
            Some((0.75, 0.25))
        );
    }

    #[test]
    fn without_subsets_instances_are_equal() {
        assert_eq!(shares(""), Some((0.25, 0.75)));
        assert_eq!(shares(&service("airside", ANYONE)), Some((0.25, 0.75)));
        let everyone = ANYONE.replace("host: cpanel", "host: cpanel, subset: everyone");
        assert_eq!(shares(&service("airside", &everyone)), Some((0.25, 0.75)));
    }

    #[test]
    fn the_ingress_comes_before_the_mesh() {
        let both = service("mesh", SPLIT) + &service("airside", ALL_V2);
        assert_eq!(shares(&both), Some((0.0, 1.0)));
        let elsewhere = service("airside", &ALL_V2.replace("cpanel, subset: v2", "momentum"));
        assert_eq!(
            shares(&(service("mesh", SPLIT) + &elsewhere)),
            Some((0.75, 0.25))
        );
    }

    #[test]
    fn a_hash_leaves_it_open() {
        let hashed = SUBSETS.replace(
            "  host: cpanel\n",
            "  host: cpanel\n  trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}\n",
        );
        assert_eq!(shares_over(&hashed, ""), None);
        assert_eq!(shares_over(&hashed, &service("airside", ANYONE)), None);
        // Which version it is, weights decide all the same.
        let weights = service("airside", SPLIT);
        assert_eq!(shares_over(&hashed, &weights), Some((0.75, 0.25)));
    }

    #[test]
    fn conditions_leave_it_open() {
        let testers = format!("{TESTERS}{SPLIT}");
        assert_eq!(shares(&service("airside", &testers)), None);
        assert_eq!(shares(&service("airside", TESTERS)), None);
        // After the rule that takes everything nothing is reached.
        let after = format!("{SPLIT}{TESTERS}");
        assert_eq!(shares(&service("airside", &after)), Some((0.75, 0.25)));
    }
}
