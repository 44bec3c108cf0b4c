//! Frames on their way to a collector that is reached by TLS.

pub(crate) mod authority;

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    time::Duration,
};

use airside_agent::{agent, settings, systemd::Manager};
use rcgen::date_time_ymd;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

use self::authority::{Authority, Files, expired, not_yet};
use super::{
    collector::Collector, eventually, harness::Figures, posting::destination_by, reloading::Site,
};

/// Who the collector is, beside `localhost`.
const IDENTITY: &str = "spiffe://example.org/collector";

/// One camera that streams to `destination`, with these keys in `[uplink]`.
fn configuration(destination: &str, uplink: &str) -> String {
    format!(
        "agent = \"gate\"\n[[camera]]\nid = 1\nsource = \"test://\"\n\
         stream = {{ section = 1, event = \"exit\", destination = \"{destination}\" }}\n[uplink]\n{uplink}\n"
    )
}

fn trusting(authority: &Authority) -> String {
    format!("ca = {:?}\n", authority.file)
}

fn bearing(files: &Files) -> String {
    format!(
        "certificate = {:?}\nkey = {:?}\n",
        files.certificate, files.key
    )
}

async fn site(destination: &str, uplink: &str) -> Site {
    Site::new(&configuration(destination, uplink), Manager::default()).await
}

/// Streams two pictures; why they do not get there.
async fn failure(destination: &str, uplink: &str) -> String {
    let site = site(destination, uplink).await;
    site.tape.show(1..=2);
    let failed = |state: &Value| state["link"] == "failed";
    let state = site.agent.becomes("the link fails", failed).await;
    let reason = state["link-error"].as_str().unwrap().to_owned();
    site.agent.stop().await;
    reason
}

async fn delivers(destination: &str, uplink: &str) {
    let site = site(destination, uplink).await;
    site.tape.show(1..=3);
    acknowledged(&site, 3).await;
    site.agent.stop().await;
}

async fn acknowledged(site: &Site, frames: u64) {
    let all = |state: &Value| state["frames"]["acknowledged"] == frames;
    site.agent.becomes("all are acknowledged", all).await;
}

#[tokio::test]
async fn a_certificate_that_is_of_no_use_is_told_plainly() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (
        Authority::new(folder.path(), "ours"),
        Authority::new(folder.path(), "theirs"),
    );
    let names = ["localhost", IDENTITY];
    for (files, uplink, wanted) in [
        (
            ours.issue_with("old", &names, expired),
            String::new(),
            "the peer's certificate expired at 2021-01-01T00:00:00Z (here it is 20",
        ),
        (
            ours.issue_with("young", &names, not_yet),
            String::new(),
            "the peer's certificate is not valid before 2090-01-01T00:00:00Z",
        ),
        (
            theirs.issue("theirs", &names),
            String::new(),
            "signed by an authority that is not trusted here",
        ),
        (
            ours.issue("other", &["collector.example", "10.0.0.7"]),
            String::new(),
            "the peer's certificate is for collector.example, 10.0.0.7, not for localhost",
        ),
        (
            ours.issue("good", &names),
            "peer = \"collector.example\"".to_owned(),
            "the peer's certificate is for localhost, not for collector.example",
        ),
        (
            ours.issue("known", &names),
            "peer = \"spiffe://example.org/other\"".to_owned(),
            "certificate is for spiffe://example.org/collector, not for spiffe://example.org/other",
        ),
        (
            ours.issue("double", &[IDENTITY, "spiffe://example.org/b"]),
            format!("peer = \"{IDENTITY}\""),
            "is for spiffe://example.org/collector, spiffe://example.org/b, not for",
        ),
        (
            ours.issue("nameless", &["localhost"]),
            format!("peer = \"{IDENTITY}\""),
            "the peer's certificate is for nobody by name, not for spiffe://",
        ),
    ] {
        let collector = Collector::secure(files.listener(None)).await;
        let uplink = trusting(&ours) + &uplink;
        let grpc = collector.secure_destination();
        for destination in [grpc.clone(), grpc.replace("grpcs", "https")] {
            let reason = failure(&destination, &uplink).await;
            assert!(reason.contains(wanted), "{destination}: {reason}");
        }
        assert!(collector.frames().is_empty());
    }
    let strangers = Collector::secure(theirs.issue("system", &names).listener(None)).await;
    let reason = failure(&strangers.secure_destination(), "").await;
    assert!(reason.contains("not trusted here"), "{reason}");
}

#[tokio::test]
async fn a_collector_is_known_by_its_name_or_by_its_identity() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ca");
    let named = authority.issue("named", &["localhost", "127.0.0.1"]);
    let collector = Collector::secure(named.listener(None)).await;
    let ca = trusting(&authority);
    delivers(&collector.secure_destination(), &ca).await;
    delivers(&format!("grpcs://{}", collector.address), &ca).await;
    // Its certificate says who it is, wherever it is.
    let known = authority.issue("known", &[IDENTITY]);
    let collector = Collector::secure(known.listener(None)).await;
    let peer = format!("{ca}peer = \"{IDENTITY}\"");
    delivers(&collector.secure_destination(), &peer).await;
    let known = authority.issue("elsewhere", &["collector.example"]);
    let collector = Collector::secure(known.listener(None)).await;
    let peer = format!("{ca}peer = \"collector.example\"");
    delivers(&collector.secure_destination(), &peer).await;
}

#[tokio::test]
async fn a_collector_may_want_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (
        Authority::new(folder.path(), "ours"),
        Authority::new(folder.path(), "theirs"),
    );
    let server = ours.issue("collector", &["localhost"]);
    let collector = Collector::secure(server.listener(Some(&ours))).await;
    let (destination, ca) = (collector.secure_destination(), trusting(&ours));
    let agent = ours.issue("agent", &["spiffe://example.org/gate"]);
    delivers(&destination, &(ca.clone() + &bearing(&agent))).await;
    let unknown = theirs.issue("stranger", &["spiffe://example.org/gate"]);
    let old = ours.issue_with("old", &["spiffe://example.org/gate"], expired);
    for (uplink, wanted) in [
        (
            String::new(),
            "the peer wants a certificate, and none is configured here",
        ),
        (
            bearing(&unknown),
            "the peer does not trust the authority of this side's certificate",
        ),
        (
            bearing(&old),
            "the peer says that the certificate of this side has expired",
        ),
    ] {
        for destination in [destination.clone(), destination.replace("grpcs", "https")] {
            let reason = failure(&destination, &(ca.clone() + &uplink)).await;
            assert!(reason.contains(wanted), "{destination}: {reason}");
        }
    }
    assert_eq!(collector.numbers(), [1, 2, 3]);
}

#[tokio::test]
async fn who_speaks_no_tls_is_told_from_who_is_away() {
    let plain = Collector::recording().await;
    let destination = format!("grpcs://{}", plain.address);
    let reason = failure(&destination, "").await;
    assert!(reason.contains("the peer does not speak TLS"), "{reason}");
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let reason = failure(&format!("grpcs://{address}"), "").await;
    let wanted = format!("no connection to {address}: Connection refused");
    assert!(reason.contains(&wanted), "{reason}");
}

/// Why the agent does not start.
async fn refused(uplink: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.toml");
    fs::write(&file, configuration("grpcs://localhost:1", uplink)).unwrap();
    let args = ["airside-agent", "--listen", "127.0.0.1:0", "--config"];
    let mut args: Vec<OsString> = args.map(Into::into).into();
    args.push(file.into());
    let loaded = settings::load(args.clone()).unwrap();
    let error = agent::build(loaded, args, Manager::default()).await;
    let error = error.expect_err("it is refused");
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

#[tokio::test]
async fn files_that_are_of_no_use_are_named_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ca");
    let agent = authority.issue("agent", &["gate"]);
    let other = authority.issue("other", &["gate"]);
    let missing = folder.path().join("missing.pem");
    let exposed = Files {
        certificate: agent.certificate.clone(),
        key: folder.path().join("exposed.key"),
    };
    fs::copy(&agent.key, &exposed.key).unwrap();
    fs::set_permissions(&exposed.key, Permissions::from_mode(0o644)).unwrap();
    let swapped = |certificate: &Path, key: &Path| {
        bearing(&Files {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        })
    };
    for (uplink, wanted) in [
        (
            format!("ca = {missing:?}"),
            "missing.pem cannot be read: No such file or directory",
        ),
        (
            format!("ca = {:?}", agent.key),
            "agent.key holds no certificate (PEM): there is none in it",
        ),
        (
            swapped(&agent.certificate, &other.key),
            "other.key does not fit the certificate",
        ),
        (
            swapped(&agent.certificate, &authority.file),
            "ca.pem holds no private key (PEM): there is none in it",
        ),
        (
            bearing(&exposed),
            "exposed.key is readable by everyone; expected mode 0600 or 0640",
        ),
    ] {
        let reason = refused(&uplink).await;
        assert!(reason.contains(wanted), "{reason}");
    }
}

/// Exchanges a folder of files at once, as Kubernetes does: a link leads to the folder in force.
fn exchange(link: &Path, folder: &Path) {
    let next = link.with_extension("next");
    symlink(folder, &next).unwrap();
    fs::rename(&next, link).unwrap();
}

#[tokio::test]
async fn certificates_are_renewed_under_streaming_without_losing_or_repeating_a_frame() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::new(home.path(), "ca");
    let server = authority.issue("collector", &["localhost"]);
    let collector = Collector::secure(server.listener(Some(&authority))).await;
    let generation = |number: u32| -> TempDir {
        let made = authority.issue("agent", &["gate"]);
        let folder = TempDir::with_prefix_in(number.to_string(), home.path()).unwrap();
        fs::rename(&made.certificate, folder.path().join("agent.pem")).unwrap();
        fs::rename(&made.key, folder.path().join("agent.key")).unwrap();
        folder
    };
    let link = home.path().join("current");
    let first = generation(1);
    exchange(&link, first.path());
    let uplink = trusting(&authority)
        + &bearing(&Files {
            certificate: link.join("agent.pem"),
            key: link.join("agent.key"),
        });
    let site = site(&collector.secure_destination(), &uplink).await;
    let mut shown = 0;
    let mut show = |site: &Site| {
        site.tape.show(shown + 1..=shown + 5);
        shown += 5;
    };
    show(&site);
    acknowledged(&site, 5).await;
    let mut folders = vec![first];
    for number in 2..=3 {
        let next = generation(number);
        exchange(&link, next.path());
        folders.push(next);
        // Frames are on their way all the time.
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        while collector.hellos().len() < number as usize {
            show(&site);
            tick.tick().await;
        }
    }
    show(&site);
    let state = site
        .agent
        .becomes("none waits", |state| {
            state["frames"]["captured"] == shown && state["frames"]["spooled"] == 0
        })
        .await;
    assert_eq!(state["frames"]["acknowledged"], shown);
    // What was captured between two streams comes newest first.
    let mut numbers = collector.numbers();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=shown).collect::<Vec<_>>());
    let metrics: Figures = site.agent.metrics().await;
    assert_eq!(metrics.sum("airside_agent_tls_reloads_total"), 2);
    assert!(metrics.sum("airside_agent_link_ends_total") >= 2);
    site.agent.stop().await;
}

#[tokio::test]
async fn other_files_are_put_in_force_by_a_reload_without_losing_or_repeating_a_frame() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ca");
    let server = authority.issue("collector", &["localhost"]);
    let collector = Collector::secure(server.listener(Some(&authority))).await;
    let destination = collector.secure_destination();
    let with =
        |files: &Files| configuration(&destination, &(trusting(&authority) + &bearing(files)));
    let site = Site::new(
        &with(&authority.issue("first", &["gate"])),
        Manager::default(),
    )
    .await;
    site.tape.show(1..=5);
    acknowledged(&site, 5).await;
    let useless = Files {
        certificate: folder.path().join("none.pem"),
        key: folder.path().join("none.key"),
    };
    let (status, problem) = site.agent.put("/config", &with(&useless)).await;
    assert_eq!(status, 400, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("none.pem"));
    let long = authority.issue_with("second", &["gate"], |params| {
        params.not_after = date_time_ymd(2095, 1, 1);
    });
    let (_, report) = site.agent.put("/config", &with(&long)).await;
    assert_eq!(report["restart-needed"], serde_json::json!([]), "{report}");
    site.tape.show(6..=10);
    acknowledged(&site, 10).await;
    eventually("a stream by the new", || collector.hellos().len() == 2).await;
    let mut numbers = collector.numbers();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
    let state = site.agent.state().await;
    assert_eq!(state["tls"]["certificate-expires"], "2095-01-01T00:00:00Z");
    assert_eq!(site.tape.openings(), 1);
    site.agent.stop().await;
}

#[tokio::test]
async fn posted_frames_travel_by_tls_and_renewals_cost_none() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ca");
    let server = authority.issue("collector", &["localhost"]);
    let tls = server.listener(Some(&authority));
    let (address, posts) = destination_by(Some(tls), |_| 200).await;
    let agent = authority.issue("agent", &["gate"]);
    let uplink = trusting(&authority) + &bearing(&agent);
    let site = site(&format!("https://localhost:{}", address.port()), &uplink).await;
    site.tape.show(1..=5);
    acknowledged(&site, 5).await;
    let before = site.agent.state().await["tls"]["certificate-expires"].clone();
    authority.issue_with("agent", &["gate"], |params| {
        params.not_after = date_time_ymd(2095, 1, 1);
    });
    let renewed = |state: &Value| state["tls"]["certificate-expires"] != before;
    site.agent.becomes("it is renewed", renewed).await;
    site.tape.show(6..=10);
    acknowledged(&site, 10).await;
    let posts = posts.lock().unwrap();
    let requests: BTreeSet<_> = posts
        .iter()
        .map(|(headers, _)| headers["x-request-id"].to_str().unwrap())
        .collect();
    assert_eq!((posts.len(), requests.len()), (10, 10));
}

#[tokio::test]
async fn files_that_become_useless_leave_the_old_in_force_and_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ca");
    let server = authority.issue("collector", &["localhost"]);
    let collector = Collector::secure(server.listener(Some(&authority))).await;
    let agent = authority.issue("agent", &["gate"]);
    let uplink = trusting(&authority) + &bearing(&agent) + "stream-age = \"1s\"";
    let site = site(&collector.secure_destination(), &uplink).await;
    site.tape.show(1..=2);
    acknowledged(&site, 2).await;
    let state = site.agent.state().await;
    assert_eq!(state["tls"]["certificate-expires"], "4096-01-01T00:00:00Z");
    assert_eq!(state["tls"]["error"], Value::Null);
    fs::write(&agent.certificate, "half a certificate").unwrap();
    let told = |state: &Value| {
        let error = state["tls"]["error"].as_str();
        error.is_some_and(|error| {
            error.ends_with("agent.pem holds no certificate (PEM): there is none in it")
        })
    };
    site.agent.becomes("it is told", told).await;
    // Streams go on and are opened anew.
    let streams = collector.hellos().len();
    site.tape.show(3..=4);
    acknowledged(&site, 4).await;
    eventually("another stream", || collector.hellos().len() > streams).await;
    authority.issue_with("agent", &["gate"], expired);
    let due = |state: &Value| state["tls"]["renewal-due"] == true;
    let state = site.agent.becomes("the end is told", due).await;
    assert_eq!(state["tls"]["certificate-expires"], "2021-01-01T00:00:00Z");
    let metrics = site.agent.metrics().await;
    let expiry = metrics.sum("airside_agent_certificate_expiry_timestamp_seconds");
    assert_eq!(expiry, 1_609_459_200);
    site.tape.show([5]);
    authority.issue("agent", &["gate"]);
    acknowledged(&site, 5).await;
    site.agent.stop().await;
}
