//! What a reload tells: what it changed, what it could not, and what is in force.

use std::sync::Arc;

use serde::Serialize;
use toml::{Table, Value};

use crate::{
    fleet::Changes,
    settings::{Loaded, ONLY_FLAGS},
};

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// What it did to each camera.
    #[serde(flatten)]
    pub changes: Changes,
    /// Keys that differ from what is in force and are taken over by a new process only.
    pub restart_needed: Vec<String>,
    /// Whether the file holds it now.
    pub persisted: bool,
}

/// Flags that describe cameras; a reload takes them over.
const OF_CAMERAS: &[&str] = &[
    "camera",
    "source",
    "width",
    "height",
    "fps",
    "jpeg-quality",
    "stall",
    "section",
    "event",
    "destination",
];

/// What is in force now of what was loaded, without a new process.
pub(super) fn take_over(now: &mut Loaded, wanted: &Loaded) {
    now.settings.cameras.clone_from(&wanted.settings.cameras);
    now.settings.uplink = wanted.settings.uplink.clone();
    now.settings.spool.take_over(&wanted.settings.spool);
    let of_uplink = |key: &str| key == "stream-age";
    let wanted = wanted.in_force.0.iter().filter(|flag| of_uplink(&flag.key));
    now.in_force.0.retain(|flag| !of_uplink(&flag.key));
    now.in_force.0.extend(wanted.cloned());
}

/// The keys, other than those of cameras, that differ.
pub(super) fn differences(old: &Loaded, new: &Loaded) -> Vec<String> {
    let (old, new) = (common(old), common(new));
    let mut keys: Vec<_> = old.keys().chain(new.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let differs = keys
        .into_iter()
        .filter(|key| old.get(*key) != new.get(*key));
    let names = differs.flat_map(|key| match (old.get(key), new.get(key)) {
        (Some(Value::Table(old)), Some(Value::Table(new))) => old
            .keys()
            .chain(new.keys().filter(|inner| !old.contains_key(*inner)))
            .filter(|inner| old.get(*inner) != new.get(*inner))
            .map(|inner| format!("{key}.{inner}"))
            .collect(),
        _ => vec![key.clone()],
    });
    names.collect()
}

/// The configuration in force as it could stand in a file, but for credentials in addresses.
pub(super) fn in_force(loaded: &Loaded) -> Arc<str> {
    let mut file = common(loaded);
    let cameras = loaded.settings.cameras.iter();
    let cameras = cameras.filter_map(|camera| Value::try_from(&camera.table).ok());
    let mut cameras = Value::Array(cameras.collect());
    as_written(&mut cameras);
    file.insert("camera".to_owned(), cameras);
    toml::to_string(&file).unwrap_or_default().into()
}

/// Shows numbers as they were written: those of single precision would show what they were rounded to.
fn as_written(value: &mut Value) {
    match value {
        Value::Float(number) if f64::from(*number as f32) == *number => {
            *number = (*number as f32).to_string().parse().unwrap_or(*number);
        }
        Value::Array(values) => values.iter_mut().for_each(as_written),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| as_written(value)),
        _ => {}
    }
}

/// What is not of one camera alone.
fn common(loaded: &Loaded) -> Table {
    let settings = &loaded.settings;
    let flags = loaded.in_force.0.iter().filter_map(|flag| {
        let key = flag.key.as_str();
        let of_file = !ONLY_FLAGS.contains(&key) && !OF_CAMERAS.contains(&key);
        let value = flag.value.as_ref().filter(|_| of_file)?;
        Some((flag.key.clone(), Value::String(value.clone())))
    });
    let tables = [
        ("spool", Value::try_from(&settings.spool)),
        ("uplink", Value::try_from(&settings.uplink)),
        ("control", Value::try_from(&settings.control)),
    ];
    let tables = tables.into_iter();
    let tables = tables.filter_map(|(key, table)| Some((key.to_owned(), table.ok()?)));
    flags.chain(tables).collect()
}
