//! An API server in memory: objects under their paths, and the ways in which it can fail.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use airside_cluster::Cluster;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The namespace of every test.
pub(crate) const NAMESPACE: &str = "airside";

/// API versions and their kinds: plural, kind, whether it lives in namespaces.
type Kinds = BTreeMap<String, Vec<(&'static str, &'static str, bool)>>;

/// What the API server holds, and what it does wrong.
pub(crate) struct World {
    pub(crate) kinds: Kinds,
    /// By path, `/apis/apps/v1/namespaces/airside/deployments/a`.
    pub(crate) objects: BTreeMap<String, Value>,
    /// `patch deployments`: denied to whoever asks.
    pub(crate) denied: BTreeSet<String>,
    /// Whether reviews of rights know of it; else only the request itself is refused.
    pub(crate) reviews_tell: bool,
    /// By path: a field of somebody else, and who that is.
    pub(crate) fields: BTreeMap<String, (String, String)>,
    /// What a workload's status is once it was written; none leaves it without.
    pub(crate) comes_up: bool,
    /// Logs by path of the pod.
    pub(crate) logs: BTreeMap<String, String>,
    /// After so many writes it is away …
    pub(crate) away_after: Option<usize>,
    /// … for so many requests.
    pub(crate) away_for: usize,
    /// What was written, in order: `PATCH /api/v1/…`.
    pub(crate) writes: Vec<String>,
    version: u64,
}

/// A running API server. It ends with this.
pub(crate) struct Server {
    world: Arc<Mutex<World>>,
    address: std::net::SocketAddr,
    accepting: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    /// With Kubernetes and Istio, and nothing in it.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let world = Arc::new(Mutex::new(World::new()));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&world)));
        Self {
            world,
            address,
            accepting,
        }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("nobody panics with it")
    }

    pub(crate) fn cluster(&self) -> Cluster {
        let uri = format!("http://{}", self.address)
            .parse()
            .expect("an address");
        Cluster::of(kube::Config::new(uri), NAMESPACE).expect("a sound configuration")
    }
}

async fn accept(listener: TcpListener, world: Arc<Mutex<World>>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let world = Arc::clone(&world);
        let answer = service_fn(move |request| answer(Arc::clone(&world), request));
        connections.spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer),
        );
    }
}

async fn answer(
    world: Arc<Mutex<World>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let mut world = world.lock().expect("nobody panics with it");
    let (status, answer) = world.answer(&head.method, head.uri.path(), &query, body);
    let text = match answer {
        Value::String(text) => text,
        answer => answer.to_string(),
    };
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/json");
    Ok(response.body(Full::from(text)).expect("a response"))
}

type Answer = (StatusCode, Value);

fn failure(status: StatusCode, message: &str) -> Answer {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": status.as_u16(),
    });
    (status, body)
}

impl World {
    fn new() -> Self {
        let kinds = [
            (
                "v1",
                vec![
                    ("namespaces", "Namespace", false),
                    ("services", "Service", true),
                    ("configmaps", "ConfigMap", true),
                    ("pods", "Pod", true),
                ],
            ),
            (
                "apps/v1",
                vec![
                    ("deployments", "Deployment", true),
                    ("statefulsets", "StatefulSet", true),
                    ("daemonsets", "DaemonSet", true),
                ],
            ),
            (
                "networking.istio.io/v1",
                vec![
                    ("virtualservices", "VirtualService", true),
                    ("destinationrules", "DestinationRule", true),
                    ("gateways", "Gateway", true),
                    ("serviceentries", "ServiceEntry", true),
                ],
            ),
        ];
        Self {
            kinds: kinds
                .map(|(version, kinds)| (version.to_owned(), kinds))
                .into(),
            objects: BTreeMap::new(),
            denied: BTreeSet::new(),
            reviews_tell: true,
            fields: BTreeMap::new(),
            comes_up: true,
            logs: BTreeMap::new(),
            away_after: None,
            away_for: 0,
            writes: Vec::new(),
            version: 0,
        }
    }

    /// Puts an object there as somebody else would.
    pub(crate) fn put(&mut self, path: &str, object: Value) {
        self.objects.insert(path.to_owned(), object);
    }

    fn answer(&mut self, method: &Method, path: &str, query: &str, body: Value) -> Answer {
        if self
            .away_after
            .is_some_and(|writes| self.writes.len() >= writes)
            && self.away_for > 0
        {
            self.away_for -= 1;
            return failure(
                StatusCode::SERVICE_UNAVAILABLE,
                "the API server is starting",
            );
        }
        match path {
            "/version" => return (StatusCode::OK, version()),
            "/apis" => return (StatusCode::OK, self.groups()),
            _ if path.ends_with("/selfsubjectaccessreviews") => {
                return (StatusCode::CREATED, self.review(body));
            }
            _ => {}
        }
        let api_version = path
            .trim_start_matches("/apis/")
            .trim_start_matches("/api/");
        if let Some(kinds) = self.kinds.get(api_version) {
            return (StatusCode::OK, resources(api_version, kinds));
        }
        self.object(method, path, query, body)
    }

    fn object(&mut self, method: &Method, path: &str, query: &str, body: Value) -> Answer {
        let Some(place) = Place::of(path) else {
            return failure(
                StatusCode::NOT_FOUND,
                "the server could not find the requested resource",
            );
        };
        let verb = place.verb(method);
        if self.denied.contains(&format!("{verb} {}", place.plural)) {
            let group = place.group;
            let plural = place.plural;
            let message = format!(
                "{plural} is forbidden: User \"guest\" cannot {verb} resource \"{plural}\" in API group \"{group}\" in the namespace \"{NAMESPACE}\""
            );
            return failure(StatusCode::FORBIDDEN, &message);
        }
        if path.ends_with("/log") {
            let log = self.logs.get(path.trim_end_matches("/log"));
            return (
                StatusCode::OK,
                Value::from(log.cloned().unwrap_or_default()),
            );
        }
        let dry = query.contains("dryRun=All");
        if *method != Method::GET && !dry {
            self.writes.push(format!("{method} {path}"));
        }
        match (method.as_str(), place.name) {
            ("GET", None) => (StatusCode::OK, self.list(path, query)),
            ("GET", Some(_)) => match self.objects.get(path) {
                Some(object) => (StatusCode::OK, object.clone()),
                None => failure(StatusCode::NOT_FOUND, "not found"),
            },
            ("POST", None) => {
                let path = format!(
                    "{path}/{}",
                    body["metadata"]["name"].as_str().unwrap_or_default()
                );
                self.store(&path, body, dry)
            }
            ("PUT", Some(_)) => self.store(path, body, dry),
            ("PATCH", Some(_)) => self.patch(path, query, body, dry),
            ("DELETE", Some(_)) => match self.objects.remove(path) {
                Some(object) => (StatusCode::OK, object),
                None => failure(StatusCode::NOT_FOUND, "not found"),
            },
            _ => failure(StatusCode::METHOD_NOT_ALLOWED, "no"),
        }
    }

    fn patch(&mut self, path: &str, query: &str, body: Value, dry: bool) -> Answer {
        if let Some((field, manager)) = self.fields.get(path)
            && body.pointer(&field.replace('.', "/")).is_some()
            && !query.contains("force=true")
        {
            let cause = json!({
                "reason": "FieldManagerConflict", "field": field,
                "message": format!("conflict with \"{manager}\" using apps/v1"),
            });
            let (status, mut answer) =
                failure(StatusCode::CONFLICT, "Apply failed with 1 conflict");
            answer["reason"] = json!("Conflict");
            answer["details"] = json!({ "causes": [cause] });
            return (status, answer);
        }
        let mut object = self.objects.get(path).cloned().unwrap_or_else(|| json!({}));
        // An apply says the whole object: a label that it does not say again goes.
        if body.get("apiVersion").is_some() {
            object["metadata"]["labels"] = json!({});
        }
        merge(&mut object, body);
        self.store(path, object, dry)
    }

    fn store(&mut self, path: &str, mut object: Value, dry: bool) -> Answer {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if self.comes_up && path.contains("/apis/apps/") {
            let replicas = object["spec"]["replicas"].as_u64().unwrap_or(1);
            object["status"] = json!({
                "observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas,
            });
        }
        if !dry {
            self.objects.insert(path.to_owned(), object.clone());
        }
        (StatusCode::OK, object)
    }

    fn list(&self, path: &str, query: &str) -> Value {
        let wanted: Vec<(String, String)> = selector(query);
        let is_meant = |object: &Value| {
            wanted
                .iter()
                .all(|(key, value)| object["metadata"]["labels"][key] == value.as_str())
        };
        let start = format!("{path}/");
        let own = self.objects.iter().filter(|(at, _)| {
            at.strip_prefix(&start)
                .is_some_and(|rest| !rest.contains('/'))
        });
        let items: Vec<&Value> = own
            .map(|(_, object)| object)
            .filter(|object| is_meant(object))
            .collect();
        json!({ "kind": "List", "apiVersion": "v1", "metadata": {}, "items": items })
    }

    fn groups(&self) -> Value {
        let mut groups: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for api_version in self.kinds.keys() {
            if let Some((group, version)) = api_version.split_once('/') {
                let version = json!({ "groupVersion": api_version, "version": version });
                groups.entry(group).or_default().push(version);
            }
        }
        let groups: Vec<Value> = groups
            .into_iter()
            .map(|(name, versions)| json!({ "name": name, "versions": versions }))
            .collect();
        json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
    }

    fn review(&self, mut review: Value) -> Value {
        let asked = &review["spec"]["resourceAttributes"];
        let right = format!(
            "{} {}",
            asked["verb"].as_str().unwrap_or_default(),
            asked["resource"].as_str().unwrap_or_default()
        );
        let allowed = !(self.reviews_tell && self.denied.contains(&right));
        review["status"] = json!({ "allowed": allowed });
        review
    }
}

/// What a path is about.
struct Place<'a> {
    group: &'a str,
    plural: &'a str,
    name: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let mut parts = path.trim_start_matches('/').split('/');
        let group = if parts.next()? == "apis" {
            parts.next()?
        } else {
            ""
        };
        let rest: Vec<&str> = parts.skip(1).collect();
        let (plural, name) = match rest.as_slice() {
            ["namespaces", _, plural] => (*plural, None),
            ["namespaces", _, plural, name, ..] => (*plural, Some(*name)),
            [plural] => (*plural, None),
            [plural, name] => (*plural, Some(*name)),
            _ => return None,
        };
        Some(Self {
            group,
            plural,
            name,
        })
    }

    fn verb(&self, method: &Method) -> &'static str {
        match (method.as_str(), self.name) {
            ("GET", None) => "list",
            ("GET", Some(_)) => "get",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("DELETE", _) => "delete",
            _ => "patch",
        }
    }
}

/// The pairs of `labelSelector=a%3Db%2Cc%3Dd`.
fn selector(query: &str) -> Vec<(String, String)> {
    let parameter = query
        .split('&')
        .find_map(|part| part.strip_prefix("labelSelector="));
    let text = parameter
        .unwrap_or_default()
        .replace("%3D", "=")
        .replace("%2C", ",")
        .replace("%2F", "/");
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn resources(api_version: &str, kinds: &[(&str, &str, bool)]) -> Value {
    let resources: Vec<Value> = kinds
        .iter()
        .map(|(plural, kind, namespaced)| {
            json!({ "name": plural, "singularName": "", "kind": kind, "namespaced": namespaced, "verbs": ["get"] })
        })
        .collect();
    json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": resources })
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "34", "gitVersion": "v1.34.4", "gitCommit": "", "gitTreeState": "", "buildDate": "",
        "goVersion": "", "compiler": "", "platform": "",
    })
}

/// As a merge patch does it; enough for an apply by a single manager.
fn merge(object: &mut Value, patch: Value) {
    match (object, patch) {
        (Value::Object(fields), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(fields.entry(key).or_insert(Value::Null), value);
            }
        }
        (object, patch) => *object = patch,
    }
}
