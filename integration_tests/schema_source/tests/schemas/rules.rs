//! The rules that every schema keeps: those of the protocol, and our own.

use serde_json::{Value, json};

const KEYWORDS: [&str; 7] =
    ["description", "type", "format", "airbyte_type", "properties", "items", "additionalProperties"];

/// Discover prints all schemas at once, and a platform keeps them.
const MAX_TOTAL_BYTES: usize = 250_000;

#[test]
fn each_root_is_an_open_draft_07_object() {
    for (stream, schema) in schema_source::schemas() {
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#", "{stream}");
        assert_eq!(schema["type"], "object", "{stream}");
        assert_eq!(schema["additionalProperties"], true, "{stream}");
        let mut keywords: Vec<&String> = schema.as_object().unwrap().keys().collect();
        keywords.sort();
        assert_eq!(keywords, ["$schema", "additionalProperties", "properties", "type"], "{stream}");
    }
}

#[test]
fn each_field_is_nullable_open_and_of_a_supported_type() {
    for (stream, schema) in schema_source::schemas() {
        for (name, field) in schema["properties"].as_object().unwrap() {
            check(field, &format!("{stream}.{name}"));
        }
    }
}

/// Keywords outside the list are refused, and with them `$ref`, `allOf`, `not`, `required` and `enum`.
fn check(schema: &Value, path: &str) {
    for keyword in schema.as_object().unwrap().keys() {
        assert!(KEYWORDS.contains(&keyword.as_str()), "{path}: {keyword}");
    }
    let types: Vec<&str> =
        schema["type"].as_array().unwrap().iter().map(|kind| kind.as_str().unwrap()).collect();
    assert!(types.len() > 1 && types[0] == "null", "{path}: {types:?}");
    for kind in types.iter().skip(1) {
        assert!(
            ["string", "boolean", "integer", "number", "array", "object"].contains(kind),
            "{path}: {kind}"
        );
    }
    let is_object = types.contains(&"object");
    assert_eq!(schema.get("additionalProperties"), is_object.then_some(&json!(true)), "{path}");
    assert!(is_object || schema.get("properties").is_none(), "{path}: properties");
    assert_eq!(schema.get("items").is_some(), types.contains(&"array"), "{path}: items");
    if schema.get("format").is_some() || schema.get("airbyte_type").is_some() {
        assert_eq!(types, ["null", "string"], "{path}");
        assert_eq!(schema["format"], "date-time", "{path}");
        assert_eq!(schema["airbyte_type"], "timestamp_with_timezone", "{path}");
    }
    if let Some(description) = schema.get("description") {
        let description = description.as_str().unwrap();
        assert!(description.ends_with('.') && description.len() > 2, "{path}: {description}");
    }
    if let Some(properties) = schema.get("properties") {
        for (name, field) in properties.as_object().unwrap() {
            check(field, &format!("{path}.{name}"));
        }
    }
    if let Some(items) = schema.get("items") {
        check(items, &format!("{path}[]"));
    }
}

#[test]
fn each_top_level_field_is_described() {
    for (stream, schema) in schema_source::schemas() {
        for (name, field) in schema["properties"].as_object().unwrap() {
            assert!(field["description"].is_string(), "{stream}.{name}");
        }
    }
}

#[test]
fn key_and_cursor_are_declared() {
    for (stream, schema) in schema_source::schemas() {
        assert_eq!(schema["properties"]["id"]["type"], json!(["null", "string"]), "{stream}");
        let cursor_format = &schema["properties"]["last_edited_time"]["format"];
        assert_eq!(cursor_format == "date-time", stream != "users", "{stream}");
    }
}

#[test]
fn all_schemas_together_stay_small() {
    let total: usize = schema_source::schemas().iter().map(|(_, schema)| schema.to_string().len()).sum();
    assert!(total < MAX_TOTAL_BYTES, "{total} bytes");
}

/// Records do not hold them.
#[test]
fn what_belongs_to_an_answer_is_not_declared() {
    for (stream, schema) in schema_source::schemas() {
        for field in ["request_id", "developer_survey"] {
            assert!(schema["properties"].get(field).is_none(), "{stream}.{field}");
        }
    }
}

#[test]
fn our_added_fields_are_declared() {
    let timestamps = [
        ("pages", "_ab_cdc_deleted_at"),
        ("data_sources", "_ab_cdc_deleted_at"),
        ("blocks", "page_read_at"),
        ("blocks", "page_last_edited_time"),
        ("comments", "page_read_at"),
        ("comments", "page_last_edited_time"),
    ];
    for (stream, field) in timestamps {
        assert_eq!(super::schema_of(stream)["properties"][field]["format"], "date-time", "{stream}.{field}");
    }
    for (stream, field, kind) in [
        ("pages", "title", "string"),
        ("data_sources", "name", "string"),
        ("blocks", "page_id", "string"),
        ("blocks", "depth", "integer"),
        ("blocks", "plain_text", "string"),
        ("comments", "page_id", "string"),
        ("comments", "plain_text", "string"),
    ] {
        assert_eq!(
            super::schema_of(stream)["properties"][field]["type"],
            json!(["null", kind]),
            "{stream}.{field}"
        );
    }
}
