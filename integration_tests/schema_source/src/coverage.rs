//! What of a record its schema does not say.
//!
//! Paths name fields from the root, with `[]` for the items of an array: `properties[].value.number`.

use std::collections::BTreeSet;

use serde_json::Value;

/// The paths in `value` that `schema` does not declare, each once, in alphabetical order. What lies under an
/// undeclared path is not looked at.
pub fn undeclared_paths(schema: &Value, value: &Value) -> Vec<String> {
    let mut paths = BTreeSet::new();
    walk(schema, value, "", &mut |path, schema, _| {
        if schema.is_none() {
            paths.insert(path.to_owned());
        }
    });
    paths.into_iter().collect()
}

/// The paths in `value` whose JSON type or timestamp form is not the declared one, each with what was found
/// and what was declared.
pub fn type_mismatches(schema: &Value, value: &Value) -> Vec<String> {
    let mut mismatches = BTreeSet::new();
    walk(schema, value, "", &mut |path, schema, value| {
        let Some(schema) = schema else { return };
        if !declared_types(schema).iter().any(|declared| is_of_type(value, declared)) {
            mismatches.insert(format!("{path}: {} is not {}", json_type(value), schema["type"]));
        } else if schema["format"] == "date-time"
            && let Some(text) = value.as_str()
            && !is_timestamp(text)
        {
            mismatches.insert(format!("{path}: {text} is not a timestamp"));
        }
    });
    mismatches.into_iter().collect()
}

/// Visits every value with its path and its schema, none where nothing is declared.
fn walk(schema: &Value, value: &Value, path: &str, visit: &mut dyn FnMut(&str, Option<&Value>, &Value)) {
    visit(path, Some(schema), value);
    let mut descend = |path: String, schema: Option<&Value>, value: &Value| match schema {
        Some(schema) => walk(schema, value, &path, visit),
        None => visit(&path, None, value),
    };
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                descend(format!("{path}{dot}{name}"), schema["properties"].get(name), field);
            }
        }
        Value::Array(items) => {
            for item in items {
                descend(format!("{path}[]"), schema.get("items"), item);
            }
        }
        _ => {}
    }
}

fn declared_types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        declared => declared.as_str().into_iter().collect(),
    }
}

fn is_of_type(value: &Value, declared: &str) -> bool {
    match declared {
        "integer" => value.is_i64() || value.is_u64(),
        declared => json_type(value) == declared,
    }
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Whether `text` is a date, `T`, a time with an optional fraction, and `Z` or a numeric offset.
fn is_timestamp(text: &str) -> bool {
    let Some((instant, rest)) = text.as_bytes().split_at_checked("2026-01-01T00:00:00".len()) else {
        return false;
    };
    let fraction = rest.iter().take_while(|byte| **byte == b'.' || byte.is_ascii_digit()).count();
    let zone: String = rest.iter().skip(fraction).map(|byte| shape(*byte)).collect();
    let instant: String = instant.iter().map(|byte| shape(*byte)).collect();
    instant == "0000-00-00T00:00:00" && ["Z", "+00:00", "-00:00"].contains(&zone.as_str())
}

fn shape(byte: u8) -> char {
    if byte.is_ascii_digit() { '0' } else { char::from(byte) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({"type": "object", "properties": {
            "count": {"type": ["null", "integer"]},
            "time": {"type": ["null", "string"], "format": "date-time"},
            "items": {"type": ["null", "array"], "items": {"type": ["null", "object"], "properties": {
                "name": {"type": ["null", "string"]},
            }}},
            "empty": {"type": ["null", "object"]},
        }})
    }

    #[test]
    fn undeclared_paths_are_named_once() {
        let record = json!({
            "count": 1,
            "new": {"deep": 1},
            "items": [{"name": "a", "size": 1}, {"size": 2}, {}],
            "empty": {"filled": true},
        });
        assert_eq!(undeclared_paths(&schema(), &record), ["empty.filled", "items[].size", "new"]);
    }

    #[test]
    fn wrong_types_and_timestamps_are_named() {
        let record = json!({"count": 1.5, "time": "2026-06-27", "items": {}, "empty": null, "new": 1});
        assert_eq!(
            type_mismatches(&schema(), &record),
            [
                r#"count: number is not ["null","integer"]"#,
                r#"items: object is not ["null","array"]"#,
                "time: 2026-06-27 is not a timestamp",
            ]
        );
    }

    #[test]
    fn timestamps_may_have_a_fraction_and_an_offset() {
        for time in ["2026-06-27T16:47:00.000Z", "2026-06-27T16:47:37.331+00:00", "2026-06-27T16:47:00-07:00"]
        {
            assert!(is_timestamp(time), "{time}");
        }
        for time in ["2026-06-27T16:47:00", "2026-06-27 16:47:00Z", "today", ""] {
            assert!(!is_timestamp(time), "{time}");
        }
    }
}
