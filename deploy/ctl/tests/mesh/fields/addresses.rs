//! Matches, rewrites, redirects, headers, other origins.

use http::{Method, StatusCode};

use super::stage::{SEEN_FIELD, SEEN_HOST, SEEN_PATH, Stage, instance};

/// Path, headers, and the status that must be answered.
type Case = (&'static str, &'static [(&'static str, &'static str)], u16);

#[tokio::test]
async fn what_a_service_is_asked_for_is_rewritten() {
    let stage = Stage::set(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cpanel-ingress}
spec:
  hosts: ['*']
  gateways: [airside]
  http:
  - match: [{uri: {prefix: /old}}]
    rewrite: {uri: /new, authority: inner.example}
    route: [{destination: {host: cpanel, subset: v1, port: {number: 8080}}}]
  - match: [{uri: {prefix: /camera-}}]
    rewrite: {uriRegexRewrite: {match: '^/camera-([0-9]+)(.*)$', rewrite: '/cameras/\\1\\2'}}
    route: [{destination: {host: cpanel, subset: v1, port: {number: 8080}}}]
  - match: [{uri: {prefix: /moved}}]
    redirect: {prefixRewrite: /here, authority: other.example, port: 8443, scheme: https, redirectCode: 308}
  - redirect: {uri: /index}
",
        &["v1"],
    )
    .await;
    let answer = stage.get("/old/page?a=b", &[]).await;
    assert_eq!(answer.header(SEEN_PATH), Some("/new/page?a=b"));
    assert_eq!(answer.header(SEEN_HOST), Some("inner.example"));
    let answer = stage.get("/camera-2/state?now", &[]).await;
    assert_eq!(answer.header(SEEN_PATH), Some("/cameras/2/state?now"));
    let answer = stage.get("/moved/page", &[]).await;
    assert_eq!(answer.status, StatusCode::PERMANENT_REDIRECT);
    let elsewhere = "https://other.example:8443/here/page";
    assert_eq!(answer.header("location"), Some(elsewhere));
    let answer = stage.get("/", &[]).await;
    assert_eq!(answer.status, StatusCode::MOVED_PERMANENTLY);
    let same_host = stage.bench.ingress("/index");
    assert_eq!(answer.header("location"), Some(same_host.as_str()));
}

#[tokio::test]
async fn headers_are_changed_by_the_rule_and_by_the_destination() {
    let stage = Stage::set(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cpanel-ingress}
spec:
  hosts: ['*']
  gateways: [airside]
  http:
  - match: [{uri: {prefix: /set}}]
    headers: {request: {set: {x-field: rule, Host: set.example}}, response: {set: {x-answer: rule}}}
    route:
    - destination: {host: cpanel, subset: v1, port: {number: 8080}}
      headers: {request: {add: {x-field: destination}}, response: {add: {x-answer: destination}, remove: [x-seen-path]}}
  - match: [{uri: {prefix: /remove}}]
    headers: {request: {remove: [x-field]}}
    route: [{destination: {host: cpanel, subset: v1, port: {number: 8080}}}]
  - route:
    - destination: {host: cpanel, subset: v1, port: {number: 8080}}
      weight: 50
      headers: {response: {set: {x-answer: first}}}
    - destination: {host: cpanel, subset: v2, port: {number: 8080}}
      weight: 50
      headers: {response: {set: {x-answer: second}}}
",
        &["v1", "v2"],
    )
    .await;
    let sent = [("x-field", "caller")];
    let answer = stage.get("/set", &sent).await;
    assert_eq!(answer.header(SEEN_FIELD), Some("rule,destination"));
    assert_eq!(answer.header(SEEN_HOST), Some("set.example"));
    assert_eq!(answer.header(SEEN_PATH), None);
    let values: Vec<_> = answer.headers.get_all("x-answer").iter().collect();
    assert_eq!(values, ["rule", "destination"]);
    let answer = stage.get("/remove", &sent).await;
    assert_eq!(answer.header(SEEN_FIELD), Some(""));
    for _ in 0..20 {
        let answer = stage.get("/", &sent).await;
        let expected = match instance(&answer) {
            "cpanel-v1" => "first",
            _ => "second",
        };
        assert_eq!(answer.header("x-answer"), Some(expected));
        assert_eq!(answer.header(SEEN_FIELD), Some("caller"));
    }
}

#[tokio::test]
async fn a_request_is_matched_by_all_its_parts() {
    let stage = Stage::set(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cpanel-ingress}
spec:
  hosts: ['*']
  gateways: [airside]
  http:
  - match: [{uri: {exact: /Page}, ignoreUriCase: true}]
    directResponse: {status: 201}
  - match: [{authority: {prefix: beta.}, scheme: {exact: http}}]
    directResponse: {status: 202}
  - match: [{uri: {prefix: /plain}, withoutHeaders: {x-beta: {}, x-level: {exact: '9'}}}]
    directResponse: {status: 203}
  - match: [{uri: {prefix: /}}]
    directResponse: {status: 204}
  - directResponse: {status: 500}
",
        &[],
    )
    .await;
    let cases: [Case; 7] = [
        ("/pAGE", &[], 201),
        ("/pAGEs", &[], 204),
        ("/", &[("host", "beta.example")], 202),
        ("/plain", &[], 203),
        ("/plain", &[("x-level", "1")], 203),
        ("/plain", &[("x-level", "9")], 204),
        ("/plain", &[("x-beta", "yes")], 204),
    ];
    for (path, headers, expected) in cases {
        let answer = stage.get(path, headers).await;
        assert_eq!(answer.status.as_u16(), expected, "{path} {headers:?}");
    }
}

#[tokio::test]
async fn pages_of_other_origins_are_told_what_they_may() {
    let stage = Stage::set(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cpanel-ingress}
spec:
  hosts: ['*']
  gateways: [airside]
  http:
  - corsPolicy:
      allowOrigins: [{exact: 'https://page.example'}, {regex: 'https://[a-z]+[.]test'}]
      allowMethods: [GET, PUT]
      allowHeaders: [x-camera-id]
      exposeHeaders: [x-airside-instance]
      maxAge: 2h
      allowCredentials: true
      unmatchedPreflights: IGNORE
    route: [{destination: {host: cpanel, subset: v1, port: {number: 8080}}}]
",
        &["v1"],
    )
    .await;
    for (origin, may) in [
        ("https://page.example", true),
        ("https://any.test", true),
        ("https://other.example", false),
    ] {
        let allowed = may.then_some(origin);
        let preflight = [("origin", origin), ("access-control-request-method", "PUT")];
        let answer = stage.ask(Method::OPTIONS, "/", &preflight).await;
        assert_eq!(instance(&answer), "nobody", "{origin}");
        assert_eq!(answer.header("access-control-allow-origin"), allowed);
        if may {
            assert_eq!(
                answer.header("access-control-allow-methods"),
                Some("GET,PUT")
            );
            assert_eq!(
                answer.header("access-control-allow-headers"),
                Some("x-camera-id")
            );
            assert_eq!(answer.header("access-control-max-age"), Some("7200"));
        }
        let answer = stage.get("/", &[("origin", origin)]).await;
        assert_eq!(instance(&answer), "cpanel-v1");
        assert_eq!(answer.header("access-control-allow-origin"), allowed);
    }
}
