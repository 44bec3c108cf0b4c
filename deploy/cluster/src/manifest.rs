//! What is to be deployed: rendered, read, and looked at before anything is changed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use kube::api::{DynamicObject, TypeMeta};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::error::Error;

/// Where manifests come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin<'a> {
    /// A kustomize folder.
    Folder(&'a Path),
    /// A file that is rendered already.
    File(&'a Path),
    /// Standard input, rendered already.
    Input,
}

/// The first argument of the roles' program, and what else it takes there.
const ROLES: [&str; 8] = [
    "image-analysis",
    "face-recognition",
    "section",
    "alerts",
    "momentum",
    "collector",
    "cpanel",
    "models",
];
/// Name of the roles' image, whatever its registry and version.
const IMAGE: &str = "airside";
/// Kinds whose pods are waited for.
pub(crate) const WORKLOADS: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

impl Origin<'_> {
    /// The manifests as text.
    ///
    /// # Errors
    /// They cannot be read, or kustomize refuses them or is not there.
    pub async fn text(&self) -> Result<String, Error> {
        let unreadable = |place: String, error: std::io::Error| {
            Error::Unusable(format!("cannot read {place}: {error}"))
        };
        match self {
            Self::Folder(folder) => kustomize(folder).await,
            Self::File(file) => tokio::fs::read_to_string(file)
                .await
                .map_err(|error| unreadable(file.display().to_string(), error)),
            Self::Input => {
                let mut text = String::new();
                let read = tokio::io::stdin().read_to_string(&mut text).await;
                read.map_err(|error| unreadable("standard input".to_owned(), error))?;
                Ok(text)
            }
        }
    }
}

/// Renders a folder by `kustomize build`, or by the kustomize inside kubectl.
async fn kustomize(folder: &Path) -> Result<String, Error> {
    for (program, command) in [("kustomize", "build"), ("kubectl", "kustomize")] {
        let mut rendering = Command::new(program);
        rendering.arg(command).arg(folder).stdin(Stdio::null());
        let output = match rendering.output().await {
            Ok(output) => output,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::Unusable(format!("cannot run {program}: {error}"))),
        };
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Error::Unusable(format!("{program} {command}: {words}")));
        }
        return String::from_utf8(output.stdout)
            .map_err(|_| Error::Unusable(format!("{program} {command} writes no text")));
    }
    Err(Error::Unusable(
        "neither kustomize nor kubectl is in $PATH to render the folder; a file rendered elsewhere does as well"
            .to_owned(),
    ))
}

/// Reads every object of `text`; lists are taken apart.
///
/// # Errors
/// It is no YAML, or something in it is no object.
pub fn read(text: &str) -> Result<Vec<DynamicObject>, Error> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| {
        let words = error.to_string();
        Error::Unusable(format!(
            "no YAML: {}",
            words.lines().next().unwrap_or_default()
        ))
    })?;
    let mut objects = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        let place = format!("document {}", index + 1);
        match document {
            Value::Null => {}
            mut list if list["kind"] == "List" => {
                let items = list["items"].take();
                for item in items.as_array().into_iter().flatten() {
                    objects.push(object(item.clone(), &place)?);
                }
            }
            document => objects.push(object(document, &place)?),
        }
    }
    if objects.is_empty() {
        return Err(Error::Unusable("the manifest holds no object".to_owned()));
    }
    objects.iter().try_for_each(known_role)?;
    let mut seen = BTreeSet::new();
    for object in &objects {
        let name = full_name(object);
        if !seen.insert((name.clone(), object.metadata.namespace.clone())) {
            return Err(Error::Unusable(format!("{name} is there twice")));
        }
    }
    Ok(objects)
}

fn object(document: Value, place: &str) -> Result<DynamicObject, Error> {
    let wrong = |what: &str| Error::Unusable(format!("{place}: {what}"));
    let object: DynamicObject = serde_json::from_value(document)
        .map_err(|error| wrong(&format!("no Kubernetes object: {error}")))?;
    if object
        .types
        .as_ref()
        .is_none_or(|types| types.api_version.is_empty() || types.kind.is_empty())
    {
        return Err(wrong("no `apiVersion` and `kind`"));
    }
    if object.metadata.name.as_deref().is_none_or(str::is_empty) {
        return Err(wrong("no `metadata.name`"));
    }
    Ok(object)
}

/// Refuses a pod that would start the roles' program with a role that it does not have.
fn known_role(object: &DynamicObject) -> Result<(), Error> {
    let containers = object.data.pointer("/spec/template/spec/containers");
    for container in containers.and_then(Value::as_array).into_iter().flatten() {
        let image = container["image"].as_str().unwrap_or_default();
        let image = image.rsplit('/').next().unwrap_or_default();
        let program = image.split([':', '@']).next().unwrap_or_default();
        let Some(role) = container.pointer("/args/0").and_then(Value::as_str) else {
            continue;
        };
        if program == IMAGE && container.get("command").is_none() && !ROLES.contains(&role) {
            return Err(Error::Unusable(format!(
                "{}: `{role}` is no role of Airside; there are: {}",
                full_name(object),
                ROLES[..ROLES.len() - 1].join(", ")
            )));
        }
    }
    Ok(())
}

/// `Deployment collector-v1`
pub(crate) fn full_name(object: &DynamicObject) -> String {
    format!("{} {}", types(object).kind, name(object))
}

pub(crate) fn name(object: &DynamicObject) -> &str {
    object.metadata.name.as_deref().unwrap_or_default()
}

pub(crate) fn types(object: &DynamicObject) -> TypeMeta {
    object.types.clone().unwrap_or_default()
}

/// Moves objects to another namespace: those of the namespace that most are in, and who is named by it.
pub fn move_to(objects: &mut [DynamicObject], namespace: &str) {
    let Some(old) = home(objects) else {
        return;
    };
    if old == namespace {
        return;
    }
    for object in objects {
        if object.metadata.namespace.as_ref() == Some(&old) {
            object.metadata.namespace = Some(namespace.to_owned());
        }
        if types(object).kind == "Namespace" && name(object) == old {
            object.metadata.name = Some(namespace.to_owned());
        }
        rename(&mut object.data, &old, namespace);
    }
}

/// The namespace that most objects are in.
fn home(objects: &[DynamicObject]) -> Option<String> {
    let mut named: Vec<&String> = objects
        .iter()
        .filter_map(|one| one.metadata.namespace.as_ref())
        .collect();
    named.sort();
    let runs = named.chunk_by(|one, other| one == other);
    runs.max_by_key(|run| run.len()).map(|run| run[0].clone())
}

/// Principals (`…/ns/NAMESPACE/sa/…`), host names (`….NAMESPACE.svc…`), and fields called `namespace`.
fn rename(value: &mut Value, old: &str, new: &str) {
    match value {
        Value::String(text) => {
            *text = text
                .replace(&format!("/ns/{old}/"), &format!("/ns/{new}/"))
                .replace(&format!(".{old}.svc"), &format!(".{new}.svc"));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, old, new)),
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(name) if key == "namespace" && name == old => {
                        *name = new.to_owned()
                    }
                    value => rename(value, old, new),
                }
            }
        }
        _ => {}
    }
}

/// In which order objects are created: what others need goes first, and rules are in force before the pods that they protect start.
pub(crate) fn rank(object: &DynamicObject) -> u8 {
    let TypeMeta { api_version, kind } = types(object);
    match (kind.as_str(), api_version.as_str()) {
        ("Namespace" | "CustomResourceDefinition" | "StorageClass" | "PersistentVolume", _) => 0,
        (_, api) if api.contains(".istio.io/") => 3,
        (kind, _) if WORKLOADS.contains(&kind) => 4,
        ("Job" | "CronJob" | "Pod", _) => 4,
        ("HorizontalPodAutoscaler", _) => 5,
        (_, api) if api.starts_with("monitoring.") => 5,
        ("Service" | "NetworkPolicy" | "PodDisruptionBudget" | "PersistentVolumeClaim", _) => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: collector-v1, namespace: airside}\n\
        spec: {template: {spec: {containers: [{image: 'registry:5000/airside:0.1', args: [collector]}]}}}\n";

    #[test]
    fn bad_manifests_are_refused_with_their_place() {
        let refused = |text: &str| read(text).expect_err("refused").to_string();
        assert!(refused("a: [").starts_with("no YAML"));
        assert!(refused("---\n---\n").contains("holds no object"));
        assert!(refused("kind: Service\nmetadata: {name: a}").contains("document 1"));
        assert!(refused("apiVersion: v1\nkind: Service\nmetadata: {}").contains("metadata.name"));
        let twice = refused(&format!("{DEPLOYMENT}---\n{DEPLOYMENT}"));
        assert!(
            twice.contains("Deployment collector-v1 is there twice"),
            "{twice}"
        );
        let unknown = refused(&DEPLOYMENT.replace("[collector]", "[collectr]"));
        assert!(
            unknown.contains("`collectr` is no role") && unknown.contains("cpanel"),
            "{unknown}"
        );
    }

    #[test]
    fn an_image_of_somebody_else_may_take_any_argument() {
        assert!(read(&DEPLOYMENT.replace("airside:0.1", "postgres:15")).is_ok());
        assert!(read(&DEPLOYMENT.replace("[collector]", "[section, --section, '1']")).is_ok());
    }

    #[test]
    fn a_namespace_is_exchanged_wherever_it_is_meant() {
        let policy = "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a, namespace: airside}\n\
            spec: {rules: [{from: [{source: {principals: [cluster.local/ns/airside/sa/airside]}}]}], host: a.airside.svc}\n\
            ---\napiVersion: v1\nkind: Namespace\nmetadata: {name: airside}\n\
            ---\napiVersion: v1\nkind: Service\nmetadata: {name: b, namespace: istio-system}\n";
        let mut objects = read(&format!("{DEPLOYMENT}{policy}")).expect("read");
        move_to(&mut objects, "night");
        let spec = &objects[1].data["spec"];
        assert_eq!(
            spec.pointer("/rules/0/from/0/source/principals/0"),
            Some(&Value::from("cluster.local/ns/night/sa/airside"))
        );
        assert_eq!(spec["host"], "a.night.svc");
        let places: Vec<_> = objects
            .iter()
            .map(|one| one.metadata.namespace.as_deref())
            .collect();
        assert_eq!(
            places,
            [Some("night"), Some("night"), None, Some("istio-system")]
        );
        assert_eq!(name(&objects[2]), "night");
    }
}
