//! A mesh in memory with a clock of its own: twenty requests a second, split and mirrored as its rules say.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use airside_mesh::istio::Source;
use anyhow::{Result, bail};
use clap::Parser;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::clock::Clock;
use super::plan::Plan;
use crate::fetch::Answer;
use crate::platform::{Change, Document, Instance, Platform};

/// Requests a second.
const RATE: u64 = 20;

/// Careful enough for a test, and quick.
pub(super) fn plan(to: &str) -> Plan {
    plan_of(&["--to", to, "--steps", "10,50,100", "--interval", "10s"])
}

pub(super) fn plan_of(flags: &[&str]) -> Plan {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        plan: Plan,
    }
    Line::parse_from(std::iter::once(&"rollout").chain(flags)).plan
}

/// The documents of a file, as a platform tells them.
pub(super) fn documents(text: &str) -> Vec<Document> {
    let source = Source {
        file: "rules.yaml".to_owned(),
        text: text.to_owned(),
    };
    let read = airside_mesh::istio::read(&source).expect("sound rules");
    let document = |document: airside_mesh::istio::Document| Document {
        kind: document.kind().to_string(),
        namespace: document.namespace.clone(),
        name: document.name.clone(),
        file: "rules.yaml".to_owned(),
        manifest: document.manifest,
    };
    read.into_iter().map(document).collect()
}

/// Time that passes when all who sleep wait for it.
#[derive(Debug, Default)]
pub(super) struct Simulated {
    now: Cell<Duration>,
    /// When each of those who sleep wakes.
    sleepers: RefCell<Vec<Duration>>,
}

impl Clock for Simulated {
    fn now(&self) -> Duration {
        self.now.get()
    }

    async fn sleep(&self, time: Duration) {
        let due = self.now() + time;
        self.sleepers.borrow_mut().push(due);
        let sleeper = Sleeper { clock: self, due };
        // Whoever is polled beside this one gets a turn first: it may have something to do before.
        tokio::task::yield_now().await;
        poll_fn(|context| {
            let next = self.sleepers.borrow().iter().min().copied();
            if next == Some(sleeper.due) {
                self.now.set(self.now().max(sleeper.due));
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// Who sleeps; whoever gives up sleeping is waited for no more.
struct Sleeper<'a> {
    clock: &'a Simulated,
    due: Duration,
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        let mut sleepers = self.clock.sleepers.borrow_mut();
        if let Some(index) = sleepers.iter().position(|due| *due == self.due) {
            sleepers.swap_remove(index);
        }
    }
}

/// How the new version behaves.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manners {
    /// Every so many requests fail.
    pub(super) fails_every: Option<u64>,
    /// It sees no face.
    pub(super) is_blind: bool,
    /// It answers after a second.
    pub(super) is_slow: bool,
}

/// The mesh.
#[derive(Debug)]
pub(super) struct Trial {
    service: &'static str,
    pub(super) clock: Simulated,
    documents: RefCell<Vec<Document>>,
    /// Ready instances by version.
    instances: RefCell<BTreeMap<String, u32>>,
    manners: Cell<Manners>,
    is_away: Cell<bool>,
    has_traffic: Cell<bool>,
    /// Requests so far, and what each version made of them.
    requests: Cell<u64>,
    answered: RefCell<BTreeMap<&'static str, Answered>>,
}

#[derive(Debug, Clone, Default)]
struct Answered {
    count: u64,
    errors: u64,
    slow: u64,
    seen: Vec<Value>,
}

impl Trial {
    pub(super) fn new(service: &'static str, rules: &str) -> Self {
        Self {
            service,
            clock: Simulated::default(),
            documents: RefCell::new(documents(rules)),
            instances: RefCell::new([("v1".to_owned(), 2)].into()),
            manners: Cell::default(),
            is_away: Cell::new(false),
            has_traffic: Cell::new(true),
            requests: Cell::new(0),
            answered: RefCell::default(),
        }
    }

    pub(super) fn behave(&self, manners: Manners) {
        self.manners.set(manners);
    }

    pub(super) fn leave(&self, is_away: bool) {
        self.is_away.set(is_away);
    }

    pub(super) fn silence(&self) {
        self.has_traffic.set(false);
    }

    pub(super) fn replicas(&self, version: &str) -> u32 {
        self.instances
            .borrow()
            .get(version)
            .copied()
            .unwrap_or_default()
    }

    pub(super) fn set_replicas(&self, version: &str, replicas: u32) {
        self.instances
            .borrow_mut()
            .insert(version.to_owned(), replicas);
    }

    pub(super) fn put(&self, documents: Vec<Document>) {
        *self.documents.borrow_mut() = documents;
    }

    /// Share of the new version and who gets copies, of the first rule of the first VirtualService.
    pub(super) fn split(&self) -> (u64, Option<String>) {
        let documents = self.documents.borrow();
        let service = documents
            .iter()
            .find(|document| document.kind == "VirtualService");
        let rule = &service.expect("a VirtualService").manifest["spec"]["http"][0];
        let weight = rule.pointer("/route/1/weight").and_then(Value::as_u64);
        let mirror = rule.pointer("/mirror/subset").and_then(Value::as_str);
        (weight.unwrap_or_default(), mirror.map(str::to_owned))
    }

    /// Lets happen what happened since the last time.
    fn pass(&self) {
        let (share, mirror) = self.split();
        let until = u64::try_from(self.clock.now().as_millis()).expect("short") * RATE / 1000;
        for request in self.requests.replace(until)..until {
            if !self.has_traffic.get() {
                continue;
            }
            // 37 and 100 have no common divisor: any hundred requests are split exactly.
            let first = if request * 37 % 100 < share {
                "v2"
            } else {
                "v1"
            };
            self.answer(first, request);
            match mirror.as_deref() {
                Some("v1") => self.answer("v1", request),
                Some("v2") => self.answer("v2", request),
                _ => {}
            }
        }
    }

    fn answer(&self, version: &'static str, request: u64) {
        let manners = if version == "v2" {
            self.manners.get()
        } else {
            Manners::default()
        };
        let mut answered = self.answered.borrow_mut();
        let answered = answered.entry(version).or_default();
        answered.count += 1;
        let fails = manners
            .fails_every
            .is_some_and(|every| request.is_multiple_of(every));
        answered.errors += u64::from(fails);
        answered.slow += u64::from(manners.is_slow);
        let face =
            json!({"box": {"x": 0, "y": 0, "width": 9, "height": 9}, "age": "4-6", "name": "a"});
        let faces = if manners.is_blind {
            json!([])
        } else {
            json!([face])
        };
        answered
            .seen
            .push(json!({ "request": request.to_string(), "faces": faces }));
    }

    fn metrics(answered: &Answered) -> String {
        let name = "airside_request_duration_seconds_bucket";
        let Answered { count, slow, .. } = answered;
        let quick = count - slow;
        format!(
            "{name}{{le=\"0.1\",route=\"/\"}} {quick}\n{name}{{le=\"0.25\",route=\"/\"}} {quick}\n\
             {name}{{le=\"+Inf\",route=\"/\"}} {count}\n"
        )
    }

    fn reach(&self) -> Result<()> {
        if self.is_away.get() {
            bail!("no mesh is running");
        }
        self.pass();
        Ok(())
    }
}

impl Platform for Trial {
    fn entrance(&self) -> &'static str {
        "http://127.0.0.1:0"
    }

    async fn apply(&self, rules: Vec<Source>) -> Result<Change> {
        self.reach()?;
        let mut all = self.documents.borrow_mut();
        for source in rules {
            for document in documents(&source.text) {
                let key = |document: &Document| (document.kind.clone(), document.name.clone());
                all.retain(|old| key(old) != key(&document));
                all.push(document);
            }
        }
        Ok(Change {
            elapsed: Duration::ZERO,
        })
    }

    async fn reset(&self) -> Result<Change> {
        bail!("a rollout never resets")
    }

    async fn scale(&self, workload: &str, replicas: u32) -> Result<()> {
        self.reach()?;
        let (_, version) = workload.rsplit_once('-').expect("SERVICE-VERSION");
        self.set_replicas(version, replicas);
        Ok(())
    }

    async fn documents(&self) -> Result<Vec<Document>> {
        self.reach()?;
        Ok(self.documents.borrow().clone())
    }

    async fn instances(&self) -> Result<Vec<Instance>> {
        self.reach()?;
        let instances = self.instances.borrow();
        let named = |version: &str, index: u32| Instance {
            name: format!("{}-{version}-{index}", self.service),
            service: self.service.to_owned(),
            version: version.to_owned(),
            ready: true,
            address: None,
        };
        let each = instances
            .iter()
            .flat_map(|(version, count)| (0..*count).map(move |index| named(version, index)));
        Ok(each.collect())
    }

    async fn ask(&self, instance: &str, _: Method, path: &str) -> Result<Answer> {
        self.reach()?;
        let version = if instance.contains("-v1-") {
            "v1"
        } else {
            "v2"
        };
        let answered = self
            .answered
            .borrow()
            .get(version)
            .cloned()
            .unwrap_or_default();
        // The first instance of a version does all the work.
        let body = match (path, instance.ends_with("-0")) {
            ("/metrics", true) => Self::metrics(&answered),
            ("/metrics", false) => String::new(),
            (_, true) => json!({ "results": answered.seen }).to_string(),
            (_, false) => json!({ "results": [] }).to_string(),
        };
        Ok(Answer {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body,
        })
    }

    async fn proxy_counters(&self) -> Result<BTreeMap<String, u64>> {
        self.reach()?;
        let answered = self.answered.borrow();
        let counters = answered.iter().flat_map(|(version, answered)| {
            let host = format!("{}.default.svc.cluster.local", self.service);
            let cluster = format!("cluster.outbound|8080|{version}|{host}");
            [
                (format!("{cluster}.upstream_rq_total"), answered.count),
                (format!("{cluster}.upstream_rq_5xx"), answered.errors),
            ]
        });
        Ok(counters.collect())
    }
}
