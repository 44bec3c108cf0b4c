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

#[test]
fn everything_on_the_way_to_an_instance_is_said() {
    let text = "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: section-1}
spec:
  host: section-1
  trafficPolicy:
    loadBalancer: {consistentHash: {httpCookie: {name: user, ttl: 1h}}}
    outlierDetection: {consecutive5xxErrors: 3, baseEjectionTime: 5s}
    portLevelSettings:
    - port: {number: 9090}
      connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}
  subsets: [{name: v1, labels: {version: v1}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: section-1}
spec:
  hosts: [section-1]
  http:
  - match: [{authority: {prefix: section}, withoutHeaders: {x-beta: {}}, port: 8080}]
    route: [{destination: {host: section-1, subset: v1}, headers: {response: {remove: [server]}}}]
    rewrite: {uri: /old, authority: section}
    timeout: 3s
    retries: {attempts: 3, perTryTimeout: 1s, retryOn: 5xx}
    mirror: {host: momentum}
    mirrorPercentage: {value: 0.1}
    headers: {request: {set: {x-a: b}}}
    fault:
      delay: {fixedDelay: 2s, percentage: {value: 50}}
      abort: {httpStatus: 500, percentage: {value: 25}}
  - match: [{uri: {prefix: /moved}}]
    redirect: {authority: elsewhere, redirectCode: 302}
  - route: [{destination: {host: section-1}}]
    retries: {attempts: 0}
";
    let expected = "\
host begins with section and not header x-beta is there and port 8080 → \
v1 (removes server of the answer); asked for path /old and host section; at most 3s; \
tried again up to 3 times, 1s each, on 5xx; 0.1 % copied to any instance of momentum; \
50 % wait 2s first; 25 % fail with 500; sets x-a=b of the request
path begins with /moved → sent to host elsewhere (302)
every request → any instance; never tried again
any instance: always the same one for the same cookie user; left out for 5s after 3 answers 5xx in a row
any instance, port 9090: the one with fewer requests; at most 1 connections, 1 waiting requests
v1 (version=v1): always the same one for the same cookie user; left out for 5s after 3 answers 5xx in a row
v1 (version=v1), port 9090: the one with fewer requests; at most 1 connections, 1 waiting requests";
    assert_eq!(words(text, "section-1"), expected);
}
