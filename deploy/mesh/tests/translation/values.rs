//! Values that Istio's validation refuses, and fields that are not carried out: each with its place
//! and a hint.

use crate::refusals::refused;

/// What is written, where a problem must be found, and what must be said about it.
type Case = (&'static str, &'static str, &'static str);

const TARGET: &str = "route: [{destination: {host: cpanel, port: {number: 8080}}}]";

fn check(kind: &str, spec: impl Fn(&str) -> String, root: &str, cases: &[Case]) {
    for (text, path, said) in cases {
        let problems = refused(kind, &spec(text));
        let dot = if path.is_empty() { "" } else { "." };
        let expected = format!("test.yaml, document 1, {root}{dot}{path}: ");
        let found = problems.lines().find(|line| line.starts_with(&expected));
        let Some(found) = found else {
            panic!("{text}\nsays\n{problems}\nnot\n{expected}");
        };
        assert!(found.contains(said), "{text}\nsays\n{found}\nnot\n{said}");
        assert!(found.ends_with(')'), "no hint: {found}");
    }
}

#[test]
fn rules_with_wrong_values_are_refused() {
    let spec = |rule: &str| {
        format!("{{hosts: ['*.example.com'], gateways: [airside], http: [{{{rule}, {TARGET}}}]}}")
    };
    let cases: &[Case] = &[
        ("timeout: 3", "timeout", "expected a string"),
        ("timeout: '3'", "timeout", "`3` is no duration"),
        ("timeout: 0s", "timeout", "is shorter than 1ms"),
        ("timeout: 1500us", "timeout", "is finer than 1ms"),
        ("retries: {attempts: -1}", "retries.attempts", "-1"),
        (
            "retries: {attempts: 0, retryOn: 5xx}",
            "retries.attempts",
            "switches retries off",
        ),
        (
            "retries: {attempts: 1, retryOn: often}",
            "retries.retryOn",
            "`often` is nothing that can be retried",
        ),
        (
            "retries: {attempts: 1, retryOn: '700'}",
            "retries.retryOn",
            "700",
        ),
        (
            "retries: {attempts: 1, perTryTimeout: 0s}",
            "retries.perTryTimeout",
            "is shorter than 1ms",
        ),
        ("fault: {}", "fault", "does nothing"),
        (
            "fault: {abort: {percentage: {value: 50}}}",
            "fault.abort",
            "answers nothing",
        ),
        (
            "fault: {abort: {httpStatus: 600}}",
            "fault.abort.httpStatus",
            "600 is no status",
        ),
        (
            "fault: {abort: {httpStatus: 500, grpcStatus: OK}}",
            "fault.abort",
            "has `httpStatus` and `grpcStatus`",
        ),
        (
            "fault: {abort: {grpcStatus: AWAY}}",
            "fault.abort.grpcStatus",
            "unknown value `AWAY`",
        ),
        (
            "fault: {abort: {httpStatus: 500, percentage: {value: 101}}}",
            "fault.abort.percentage.value",
            "101 is neither 0",
        ),
        (
            "fault: {delay: {fixedDelay: 1s, percentage: {value: 0.00001}}}",
            "fault.delay.percentage.value",
            "is neither 0",
        ),
        (
            "fault: {delay: {percentage: {value: 1}, exponentialDelay: 1s}}",
            "fault.delay.exponentialDelay",
            "is not supported",
        ),
        ("mirrorPercentage: {value: 5}", "", "no `mirror`"),
        (
            "mirror: {host: nobody}",
            "mirror.host",
            "there is no service",
        ),
        (
            "mirrors: [{destination: {host: cpanel, subset: v9, port: {number: 8080}}}]",
            "mirrors[0].destination.subset",
            "has no subset `v9`",
        ),
        ("rewrite: {}", "rewrite", "changes nothing"),
        ("rewrite: {uri: ''}", "rewrite", "changes nothing"),
        (
            "retries: {attempts: 1, retryOn: '5xx, reset'}",
            "retries.retryOn",
            "commas alone separate",
        ),
        (
            "retries: {attempts: 1, retryOn: '5xx,'}",
            "retries.retryOn",
            "nothing is empty",
        ),
        (
            "rewrite: {uri: /a, uriRegexRewrite: {match: a, rewrite: b}}",
            "rewrite",
            "has `uri` and `uriRegexRewrite`",
        ),
        (
            "rewrite: {uriRegexRewrite: {match: '(', rewrite: b}}",
            "rewrite.uriRegexRewrite.match",
            "is no regular expression",
        ),
        (
            "rewrite: {authority: a}, headers: {request: {set: {host: b}}}",
            "rewrite.authority",
            "changed twice",
        ),
        (
            "headers: {request: {set: {':path': /}}}",
            "headers.request.set.:path",
            "cannot be changed",
        ),
        (
            "headers: {response: {set: {x-a: '100%'}}}",
            "headers.response.set.x-a",
            "without its pair",
        ),
        (
            "match: [{headers: {x-a: {regex: '['}}}]",
            "match[0].headers.x-a.regex",
            "is no regular expression",
        ),
        (
            "match: [{queryParams: {a: {prefix: ''}}}]",
            "match[0].queryParams.a.prefix",
            "is empty",
        ),
        (
            "match: [{gateways: [other]}]",
            "match[0].gateways[0]",
            "there is no gateway `other`",
        ),
        (
            "match: [{sourceLabels: {app: a}}]",
            "match[0].sourceLabels",
            "is not supported",
        ),
        (
            "corsPolicy: {allowMethods: [FETCH]}",
            "corsPolicy.allowMethods[0]",
            "`FETCH` is no method",
        ),
        (
            "corsPolicy: {maxAge: 1500ms}",
            "corsPolicy.maxAge",
            "finer than 1s",
        ),
        (
            "directResponse: {status: 200}",
            "",
            "has `route` and `directResponse`",
        ),
        ("delegate: {name: a}", "delegate", "is not supported"),
        ("timeuot: 1s", "timeuot", "did you mean `timeout`?"),
    ];
    check("VirtualService", spec, "spec.http[0]", cases);
}

#[test]
fn redirects_that_lead_nowhere_are_refused() {
    let spec = |redirect: &str| {
        format!("{{hosts: ['*.example.com'], gateways: [airside], http: [{{{redirect}}}]}}")
    };
    let cases: &[Case] = &[
        ("redirect: {}", "redirect", "leads nowhere"),
        ("redirect: {redirectCode: 302}", "redirect", "leads nowhere"),
        (
            "redirect: {uri: /a, redirectCode: 304}",
            "redirect.redirectCode",
            "304 is no redirect",
        ),
        (
            "redirect: {scheme: ftp}",
            "redirect.scheme",
            "`ftp` is no scheme",
        ),
        (
            "redirect: {uri: /a, prefixRewrite: /b}",
            "redirect",
            "has `uri`",
        ),
        (
            "match: [{uri: {exact: /a}}], redirect: {prefixRewrite: /b}",
            "redirect.prefixRewrite",
            "needs a match by prefix",
        ),
        (
            "redirect: {authority: a, derivePort: FROM_REQUEST_PORT}",
            "redirect.derivePort",
            "another host",
        ),
        (
            "redirect: {uri: /a}, timeout: 1s",
            "timeout",
            "beside a fixed answer",
        ),
        (
            "redirect: {uri: /a}, fault: {abort: {httpStatus: 500}}",
            "fault",
            "beside a fixed answer",
        ),
    ];
    check("VirtualService", spec, "spec.http[0]", cases);
}

#[test]
fn policies_with_wrong_values_are_refused() {
    let spec = |policy: &str| format!("{{host: cpanel, trafficPolicy: {{{policy}}}}}");
    let cases: &[Case] = &[
        (
            "loadBalancer: {simple: PASSTHROUGH}",
            "loadBalancer.simple",
            "not supported",
        ),
        (
            "loadBalancer: {simple: RANDON}",
            "loadBalancer.simple",
            "did you mean `RANDOM`?",
        ),
        (
            "loadBalancer: {consistentHash: {}}",
            "loadBalancer.consistentHash",
            "what makes requests alike",
        ),
        (
            "loadBalancer: {consistentHash: {httpHeaderName: ''}}",
            "loadBalancer.consistentHash.httpHeaderName",
            "is empty",
        ),
        (
            "loadBalancer: {simple: RANDOM, consistentHash: {useSourceIp: true}}",
            "loadBalancer",
            "has `simple` and `consistentHash`",
        ),
        (
            "loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 100}}}",
            "loadBalancer.consistentHash.maglev.tableSize",
            "100 is no size",
        ),
        (
            "loadBalancer: {simple: RANDOM, warmup: {duration: 1s}}",
            "loadBalancer.warmup",
            "ROUND_ROBIN",
        ),
        (
            "loadBalancer: {warmup: {duration: 1s, aggression: 0}}",
            "loadBalancer.warmup.aggression",
            "not above 0",
        ),
        (
            "loadBalancer: {localityLbSetting: {enabled: true}}",
            "loadBalancer.localityLbSetting",
            "not supported",
        ),
        ("connectionPool: {}", "connectionPool", "says nothing"),
        (
            "connectionPool: {tcp: {maxConnections: -1}}",
            "connectionPool.tcp.maxConnections",
            "-1",
        ),
        (
            "connectionPool: {http: {useClientProtocol: true, h2UpgradePolicy: UPGRADE}}",
            "connectionPool.http.useClientProtocol",
            "contradicts",
        ),
        (
            "outlierDetection: {maxEjectionPercent: 101}",
            "outlierDetection.maxEjectionPercent",
            "101 is no percentage",
        ),
        (
            "outlierDetection: {consecutiveLocalOriginFailures: 3}",
            "outlierDetection.consecutiveLocalOriginFailures",
            "apart from answers",
        ),
        (
            "outlierDetection: {consecutiveErrors: 3}",
            "outlierDetection.consecutiveErrors",
            "consecutive5xxErrors",
        ),
        (
            "portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}]",
            "portLevelSettings[0].port.number",
            "has no port 80",
        ),
        (
            "portLevelSettings: [{port: {number: 8080}}]",
            "portLevelSettings[0]",
            "says nothing",
        ),
        ("tls: {mode: DISABLE}", "tls", "not supported"),
        ("tunnel: {targetHost: a}", "tunnel", "not supported"),
    ];
    check("DestinationRule", spec, "spec.trafficPolicy", cases);
    let whole = |text: &str| format!("{{host: nowhere, {text}}}");
    let cases: &[Case] = &[
        ("trafficPolicy: {}", "trafficPolicy", "says nothing"),
        ("exportTo: ['.']", "exportTo", "not supported"),
        ("workloadSelector: {}", "workloadSelector", "not supported"),
        (
            "subsets: [{name: V_1}]",
            "subsets[0].name",
            "no name of a subset",
        ),
        (
            "subsets: [{name: v1}, {name: v1}]",
            "subsets[1].name",
            "is there twice",
        ),
    ];
    check("DestinationRule", whole, "spec", cases);
}

#[test]
fn gateways_with_wrong_values_are_refused() {
    let spec =
        |server: &str| format!("{{selector: {{istio: ingressgateway}}, servers: [{server}]}}");
    let cases: &[Case] = &[
        ("", "servers", "names no server"),
        (
            "{port: {number: 0, name: a, protocol: HTTP}, hosts: ['*']}",
            "servers[0].port.number",
            "0 is no port",
        ),
        (
            "{port: {number: 80, protocol: HTTP}, hosts: ['*']}",
            "servers[0].port.name",
            "is missing",
        ),
        (
            "{port: {number: 80, name: a, protocol: TLS}, hosts: ['*']}",
            "servers[0].port.protocol",
            "`TLS` is not supported",
        ),
        (
            "{port: {number: 80, name: a, protocol: http}, hosts: [localhost]}",
            "servers[0].hosts[0]",
            "`localhost` is no host",
        ),
        (
            "{port: {number: 80, name: a, protocol: HTTP}, hosts: ['*'], tls: {}}",
            "servers[0].tls",
            "not supported",
        ),
    ];
    check("Gateway", spec, "spec", cases);
}
