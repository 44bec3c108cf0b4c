//! The JSON Schema of the configuration file: flags as clap knows them, tables as serde reads them.

use std::any::TypeId;

use clap::{Arg, ArgAction, CommandFactory as _};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{Flags, ONLY_FLAGS, Tables};

/// The schema of the whole file.
#[must_use]
pub fn schema() -> Value {
    // One place for each key: without references the schema reads as the file does.
    let whole = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    let mut schema = whole
        .into_generator()
        .into_root_schema_for::<Tables>()
        .to_value();
    schema["title"] = json!("Configuration of airside-agent");
    schema["description"] = json!(
        "Flags and environment come before what the file says; the keys at its top are flags."
    );
    let command = Flags::command();
    let flags = command.get_arguments().filter_map(property);
    let mut properties: Map<_, _> = flags.collect();
    if let Some(tables) = schema["properties"].as_object_mut() {
        properties.append(tables);
    }
    schema["properties"] = properties.into();
    schema
}

fn property(flag: &Arg) -> Option<(String, Value)> {
    let key = flag.get_long().filter(|key| !ONLY_FLAGS.contains(key))?;
    let mut property = json!({ "type": types(flag) });
    if let Some(help) = flag.get_help() {
        property["description"] = help.to_string().into();
    }
    if let [default] = flag.get_default_values() {
        property["default"] = default.to_string_lossy().into();
    }
    let values = flag.get_possible_values();
    if !values.is_empty() && property["type"] != "boolean" {
        let names = values.iter().map(|value| value.get_name().into());
        property["enum"] = names.collect::<Vec<Value>>().into();
    }
    Some((key.to_owned(), property))
}

/// Numbers may be written as texts, as flags are; and a name may be a number.
fn types(flag: &Arg) -> Value {
    let parsed = flag.get_value_parser().type_id();
    let numbers = [
        TypeId::of::<u8>(),
        TypeId::of::<u32>(),
        TypeId::of::<usize>(),
        TypeId::of::<f64>(),
    ];
    match flag.get_action() {
        ArgAction::SetTrue => json!("boolean"),
        _ if numbers.iter().any(|number| parsed == *number) => json!(["number", "string"]),
        _ => json!(["string", "number"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_schema_is_this_one() {
        let documented = include_str!("../../../docs/agent-config.schema.json");
        let schema = format!("{:#}\n", schema());
        assert!(
            documented == schema,
            "docs/agent-config.schema.json is out of date: airside-agent config schema > docs/agent-config.schema.json"
        );
    }
}
