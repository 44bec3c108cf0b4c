//! Rules in plain words.

use airside_mesh::explain;

use crate::support;

/// The words about one host, one a line.
fn words(text: &str, host: &str) -> String {
    let found = explain(&support::with(text))
        .into_iter()
        .find(|words| words.host.starts_with(host));
    found.expect("the host is there").words.join("\n")
}

#[test]
fn rules_are_said_in_order_and_policies_after_them() {
    let text = "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cpanel}
spec:
  host: cpanel
  trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}, trafficPolicy: {loadBalancer: {simple: RANDOM}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cpanel}
spec:
  hosts: [cpanel]
  http:
  - match:
    - {uri: {prefix: /page}, headers: {x-airside-user-group: {exact: test}}}
    - {method: {regex: 'GET|HEAD'}}
    route: [{destination: {host: cpanel, subset: v2}}]
  - match: [{uri: {exact: /fault}}]
    directResponse: {status: 404}
  - route:
    - {destination: {host: cpanel, subset: v1}, weight: 999}
    - {destination: {host: cpanel, subset: v2}, weight: 1}
";
    let said = words(text, "cpanel.default");
    let expected = "\
path begins with /page and header x-airside-user-group is test, or method matches GET|HEAD → v2
path is /fault → answered 404
every request → v1 99.9 %, v2 0.1 %
any instance: each in turn
v1 (version=v1): each in turn
v2 (version=v2): one at random";
    assert_eq!(said, expected);
}

#[test]
fn what_comes_from_outside_is_said_first() {
    let explained = explain(&support::with(
        "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: momentum}
spec: {host: momentum}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: momentum}
spec: {hosts: [momentum], http: [{route: [{destination: {host: momentum}}]}]}
",
    ));
    assert_eq!(explained[0].host, "* (from outside)");
    assert_eq!(
        explained[0].words,
        [
            "path is /fault, or path begins with /fault/ → answered 404 “not found”",
            "every request → cpanel v1",
        ]
    );
    let momentum = explained
        .iter()
        .find(|words| words.host.starts_with("momentum"));
    assert_eq!(
        momentum.expect("momentum is there").words,
        [
            "every request → any instance",
            "any instance: the one with fewer requests",
        ]
    );
}
