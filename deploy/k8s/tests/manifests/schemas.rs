//! Every field is one that the API server and Istio know.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use airside_manifests::{OVERLAYS, render_text, repository};

/// The schemas of the version that Airside is tested on.
const KUBERNETES: &str = "1.34";

/// What the judge says of these manifests, a mistake a line.
fn mistakes(manifests: &str) -> String {
    let root = repository();
    let mut judge = Command::new(root.join(".airside/venv/bin/python3"))
        .arg(root.join("deploy/k8s/schemas.py"))
        .arg(KUBERNETES)
        .arg(root.join(".airside/kubernetes/istio.yaml"))
        .arg(root.join(".airside/kubernetes/prometheus-operator.yaml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut input = judge.stdin.take().unwrap();
    input.write_all(manifests.as_bytes()).unwrap();
    drop(input);
    let judged = judge.wait_with_output().unwrap();
    assert!(judged.status.code().is_some_and(|code| code <= 1));
    String::from_utf8(judged.stdout).unwrap()
}

#[test]
fn every_overlay_is_what_the_apis_take() {
    for overlay in OVERLAYS {
        assert_eq!(mistakes(&render_text(overlay).unwrap()), "", "{overlay}");
    }
}

#[test]
fn every_misspelt_field_or_value_is_found() {
    let mut bad = render_text("film").unwrap() + "---\n" + &render_text("monitored").unwrap();
    let mistaken = [
        ("appProtocol:", "appProtocl:", "Service collector"),
        ("mode: STRICT", "mode: STRCT", "PeerAuthentication default"),
        (
            "serviceAccounts:",
            "serviceAccount:",
            "AuthorizationPolicy collector",
        ),
        (
            "readOnlyRootFilesystem:",
            "readOnlyRoot:",
            "Deployment collector-v1",
        ),
        (
            "metricRelabelings:",
            "metricRelabelling:",
            "PodMonitor airside",
        ),
        ("expr:", "expression:", "PrometheusRule airside"),
    ];
    for (word, misspelt, _) in mistaken {
        assert!(bad.contains(word), "no {word}");
        bad = bad.replace(word, misspelt);
    }
    let told = mistakes(&bad);
    for (_, misspelt, of) in mistaken {
        assert!(told.contains(&format!("{of}:")), "{misspelt}: {told}");
    }
}
