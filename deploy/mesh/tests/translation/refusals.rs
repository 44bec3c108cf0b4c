//! What is refused, and the words for it.

use airside_mesh::istio::Source;
use airside_mesh::{Rules, resolve};

use crate::support;

/// What is said about a document of this kind with this spec, over the default rules.
pub(crate) fn refused(kind: &str, spec: &str) -> String {
    let text = format!(
        "apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: x}}\nspec: {spec}\n"
    );
    let file = "test.yaml".to_owned();
    let problems = match Rules::read(&[Source { file, text }]) {
        Ok(rules) => {
            let rules = support::default_rules().overlaid(&rules);
            resolve(&rules, &support::registry()).expect_err("must be refused")
        }
        Err(problems) => problems,
    };
    problems.to_string()
}

#[test]
fn references_that_lead_nowhere_are_named() {
    let destination = |destination: &str| {
        let spec = format!(
            "{{hosts: ['*.example.com'], gateways: [airside], http: [{{route: [{{destination: {destination}}}]}}]}}"
        );
        refused("VirtualService", &spec)
    };
    let cases = [
        (
            destination("{host: nobody, port: {number: 8080}}"),
            "spec.http[0].route[0].destination.host: there is no service `nobody` (known: alerts,",
        ),
        (
            destination("{host: cpanel, subset: v3, port: {number: 8080}}"),
            "destination.subset: `cpanel` has no subset `v3` (it has v1, v2)",
        ),
        (
            destination("{host: cpanel, port: {number: 80}}"),
            "destination.port: `cpanel` has no port 80 (it has 8080, 9090)",
        ),
        (
            destination("{host: cpanel}"),
            "destination: `cpanel` has several ports (name one of 8080, 9090 in `port.number`)",
        ),
        (
            refused(
                "VirtualService",
                "{hosts: [cpanel], gateways: [other], http: [{directResponse: {status: 200}}]}",
            ),
            "spec.gateways[0]: there is no gateway `other` (known: mesh, default/airside)",
        ),
        (
            refused(
                "VirtualService",
                "{hosts: [momentum], http: [{route: [{destination: {host: momentum}}]}]}",
            ),
            "spec.hosts[0]: VirtualService `momentum` has rules for `momentum.default.svc.cluster.local` already",
        ),
        (
            refused(
                "VirtualService",
                "{hosts: ['*'], http: [{directResponse: {status: 200}}]}",
            ),
            "spec.hosts[0]: there is no service `*` to call",
        ),
        (
            refused("DestinationRule", "{host: cpanel}"),
            "spec.host: another DestinationRule is for `cpanel` already",
        ),
        (
            refused("DestinationRule", "{host: nobody}"),
            "spec.host: there is no service `nobody`",
        ),
        (
            refused(
                "Gateway",
                "{selector: {istio: egressgateway}, servers: [{port: {number: 80, name: http, protocol: http}, hosts: ['*']}]}",
            ),
            "spec.selector: no gateway runs with these labels (the local ingress has istio: ingressgateway)",
        ),
    ];
    for (said, expected) in cases {
        assert!(said.contains(expected), "{said}\nshould say\n{expected}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn rules_that_contradict_themselves_are_refused() {
    let rule = |rule: &str| {
        let spec = format!("{{hosts: ['*.example.com'], gateways: [airside], http: [{rule}]}}");
        refused("VirtualService", &spec)
    };
    let target = "{host: cpanel, port: {number: 8080}}";
    let cases = [
        (rule("{name: nothing}"), "spec.http[0]: goes nowhere"),
        (
            rule(&format!(
                "{{route: [{{destination: {target}}}], directResponse: {{status: 200}}}}"
            )),
            "spec.http[0]: has `route` and `directResponse` (one of them)",
        ),
        (
            rule("{directResponse: {status: 99}}"),
            "spec.http[0].directResponse.status: 99",
        ),
        (
            rule(&format!(
                "{{route: [{{destination: {target}}}, {{destination: {target}, weight: 0}}]}}"
            )),
            "spec.http[0].route: all weights are 0",
        ),
        (
            rule(&format!(
                "{{match: [{{uri: {{}}}}], route: [{{destination: {target}}}]}}"
            )),
            "spec.http[0].match[0].uri: says nothing",
        ),
        (
            rule(&format!(
                "{{match: [{{port: 80}}], route: [{{destination: {target}}}]}}"
            )),
            "spec.http[0].match[0].port: `port` has no meaning at a gateway",
        ),
    ];
    for (said, expected) in cases {
        assert!(said.contains(expected), "{said}\nshould say\n{expected}");
    }
}
