//! Whatever becomes of an experiment, the system is as it was afterwards.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::pending;
use std::time::Duration;

use airside_mesh::istio::Source;
use anyhow::{Result, bail};
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

use super::{Check, Experiment, Lab, Percent, Setup};
use crate::fetch::Answer;
use crate::platform::{Change, Document, Instance, Platform};

/// A system in memory.
#[derive(Debug, Clone, Default, PartialEq)]
struct State {
    /// Names of the documents in force over the default ones.
    rules: Vec<String>,
    replicas: BTreeMap<String, u32>,
    faulty: bool,
    delay: String,
}

#[derive(Debug, Default)]
struct Memory(RefCell<State>);

impl Memory {
    /// With somebody's rule in force and two panels.
    fn in_use() -> Self {
        Self(RefCell::new(State {
            rules: vec!["theirs".to_owned()],
            replicas: [("cpanel-v2".to_owned(), 2)].into(),
            faulty: false,
            delay: "0ms".to_owned(),
        }))
    }

    fn state(&self) -> State {
        self.0.borrow().clone()
    }
}

const CHANGE: Change = Change {
    elapsed: Duration::ZERO,
};

impl Platform for Memory {
    fn entrance(&self) -> &'static str {
        "http://127.0.0.1:9"
    }

    async fn apply(&self, rules: Vec<Source>) -> Result<Change> {
        let names = rules.into_iter().map(|rule| rule.file);
        self.0.borrow_mut().rules.extend(names);
        Ok(CHANGE)
    }

    async fn reset(&self) -> Result<Change> {
        self.0.borrow_mut().rules.clear();
        Ok(CHANGE)
    }

    async fn scale(&self, workload: &str, replicas: u32) -> Result<()> {
        let mut state = self.0.borrow_mut();
        state.replicas.insert(workload.to_owned(), replicas);
        Ok(())
    }

    async fn documents(&self) -> Result<Vec<Document>> {
        let rules = self.state().rules.into_iter();
        let document = |file: String| Document {
            kind: "VirtualService".to_owned(),
            namespace: "default".to_owned(),
            name: file.clone(),
            file,
            manifest: json!({}),
        };
        Ok(rules.map(document).collect())
    }

    async fn instances(&self) -> Result<Vec<Instance>> {
        let replicas = self.state().replicas.get("cpanel-v2").copied();
        let instance = |index| Instance {
            name: format!("cpanel-v2-{index}"),
            service: "cpanel".to_owned(),
            version: "v2".to_owned(),
            ready: true,
            address: None,
        };
        Ok((0..replicas.unwrap_or_default()).map(instance).collect())
    }

    async fn ask(&self, _: &str, _: Method, path: &str) -> Result<Answer> {
        let mut state = self.0.borrow_mut();
        match path.split_once("?delay=") {
            Some((_, delay)) => delay.clone_into(&mut state.delay),
            None if path == "/fault" => state.faulty = !state.faulty,
            None => {}
        }
        Ok(Answer {
            status: if state.faulty && path == "/status" {
                StatusCode::SERVICE_UNAVAILABLE
            } else {
                StatusCode::OK
            },
            headers: HeaderMap::new(),
            body: String::new(),
        })
    }

    async fn proxy_counters(&self) -> Result<BTreeMap<String, u64>> {
        let host = "cpanel.default.svc.cluster.local";
        let counters = [
            (
                format!("cluster.outbound|8080||{host}.upstream_rq_total"),
                1,
            ),
            (
                format!("cluster.outbound|8080|v2|{host}.upstream_rq_total"),
                2,
            ),
            (
                format!("cluster.outbound|9090|v2|{host}.upstream_rq_total"),
                4,
            ),
            (
                format!("cluster.outbound|8080||not-{host}.upstream_rq_total"),
                8,
            ),
            (
                format!("cluster.outbound|8080||{host}.upstream_rq_total_more"),
                16,
            ),
        ];
        Ok(counters.into())
    }
}

fn setup() -> Setup {
    Setup {
        files: concat!(env!("CARGO_MANIFEST_DIR"), "/../istio").into(),
        percent: Percent::default(),
    }
}

/// Changes everything that it can.
async fn upset(lab: &mut Lab<'_, Memory>) -> Result<()> {
    assert!(
        lab.platform().state().rules.is_empty(),
        "it begins under the default rules"
    );
    lab.apply("cpanel-v2").await?;
    lab.scale("cpanel-v2", 5).await?;
    lab.set_faulty("cpanel-v2-0", true).await?;
    lab.set_slow("cpanel-v2-0", Duration::from_millis(100))
        .await?;
    assert!(lab.platform().state().faulty);
    lab.check(Check::count("errors", 0, 0..=0));
    Ok(())
}

#[tokio::test]
async fn a_sound_experiment_leaves_everything_as_it_was() {
    let platform = Memory::in_use();
    let before = platform.state();
    let experiment = Experiment::new("upset", "nothing", |lab| Box::pin(upset(lab)));
    let verdict = experiment.conduct(&platform, &setup(), pending()).await;
    assert!(verdict.holds(), "{verdict}");
    assert_eq!(platform.state(), before);
}

#[tokio::test]
async fn so_does_one_that_fails_half_way() {
    async fn fails(lab: &mut Lab<'_, Memory>) -> Result<()> {
        upset(lab).await?;
        bail!("no answer");
    }
    let platform = Memory::in_use();
    let before = platform.state();
    let experiment = Experiment::new("fails", "nothing", |lab| Box::pin(fails(lab)));
    let verdict = experiment.conduct(&platform, &setup(), pending()).await;
    assert_eq!(verdict.failure.as_deref(), Some("no answer"));
    assert!(!verdict.holds());
    assert_eq!(platform.state(), before);
}

#[tokio::test]
async fn so_does_one_that_is_interrupted() {
    async fn hangs(lab: &mut Lab<'_, Memory>) -> Result<()> {
        upset(lab).await?;
        pending().await
    }
    let platform = Memory::in_use();
    let before = platform.state();
    let experiment = Experiment::new("hangs", "nothing", |lab| Box::pin(hangs(lab)));
    // Ready the second time it is looked at: the steps have come as far as they do by then.
    let verdict = experiment
        .conduct(&platform, &setup(), tokio::task::yield_now())
        .await;
    assert_eq!(verdict.failure.as_deref(), Some("interrupted"));
    assert_eq!(platform.state(), before);
}

#[tokio::test]
async fn an_experiment_that_checks_nothing_does_not_hold() {
    let platform = Memory::in_use();
    let experiment = Experiment::new("idle", "nothing", |_| Box::pin(async { Ok(()) }));
    assert!(
        !experiment
            .conduct(&platform, &setup(), pending())
            .await
            .holds()
    );
}

#[tokio::test]
async fn proxies_count_by_service_and_port() {
    let (platform, setup) = (Memory::in_use(), setup());
    let lab = Lab::open(&platform, &setup).await.expect("open");
    let all = lab.proxy_count("cpanel", "upstream_rq_total").await;
    assert_eq!(all.expect("counted"), 7);
    let rest = lab
        .proxy_count_at("cpanel", 8080, "upstream_rq_total")
        .await;
    assert_eq!(rest.expect("counted"), 3);
}
