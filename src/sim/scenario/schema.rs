//! The JSON schema of scenario files, for editors: from the types that read them.

use std::sync::Arc;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::file::{Head, Keys};
use crate::services::Application;

/// The schema of scenario files of these services, in draft 2020-12.
#[must_use]
pub fn schema(services: &[Arc<dyn Application>]) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut head = Head::json_schema(&mut generator).to_value();
    let mut variant = Keys::json_schema(&mut generator).to_value();
    let mut definitions = generator.take_definitions(true);

    let keys = properties(&mut variant);
    keys.append(&mut settings(services));
    let keys = keys.clone();
    let top = properties(&mut head);
    top.extend(keys);
    top.insert("variants".to_owned(), variants());
    if !services.is_empty() {
        let names: Vec<&str> = services.iter().map(|service| service.name()).collect();
        top["service"]["enum"] = json!(names);
    }

    definitions.insert("Variant".to_owned(), variant);
    head["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    head["title"] = json!("A wavetank scenario");
    head["description"] = json!("One story of a service and its clients; see `wavetank run`.");
    head["$defs"] = Value::Object(definitions);
    without_null(&mut head);
    head
}

/// The schema as the text of a file.
#[must_use]
pub fn schema_text(services: &[Arc<dyn Application>]) -> String {
    format!("{:#}\n", schema(services))
}

fn variants() -> Value {
    json!({
        "type": "object",
        "description": "Each is one run over the same storm, with keys of its own.",
        "minProperties": 1,
        "additionalProperties": { "$ref": "#/$defs/Variant" },
    })
}

fn properties(schema: &mut Value) -> &mut Map<String, Value> {
    let properties = schema["properties"].as_object_mut();
    properties.expect("a struct with named fields has properties")
}

/// The settings of all services. Where two services have one of the same name, either will do.
fn settings(services: &[Arc<dyn Application>]) -> Map<String, Value> {
    let mut settings: Map<String, Value> = Map::new();
    for setting in services.iter().flat_map(|service| service.settings()) {
        match settings.get_mut(setting.name) {
            None => {
                settings.insert(setting.name.to_owned(), setting.schema);
            }
            Some(same) if *same == setting.schema => {}
            Some(other) => *other = json!({ "anyOf": [other.take(), setting.schema] }),
        }
    }
    settings
}

/// Removes what stands for optional values in JSON and does not exist in TOML: nulls and defaults.
fn without_null(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.remove("default");
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    object["type"] = only.clone();
                }
            }
            if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
                choices.retain(|choice| choice["type"] != "null");
                if let [only] = choices.as_mut_slice() {
                    let only = only.take();
                    object.remove("anyOf");
                    object.extend(only.as_object().cloned().unwrap_or_default());
                }
            }
            object.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}
