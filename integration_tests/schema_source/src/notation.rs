//! The words that the schemas are written in. Each makes a nullable, open draft-07 schema, so that none can
//! forget to be one.

use serde_json::{Map, Value, json};

/// Null or a value of one of the protocol's types.
fn nullable(kind: &str) -> Value {
    json!({"type": ["null", kind]})
}

/// A string.
pub(crate) fn text() -> Value {
    nullable("string")
}

/// A boolean.
pub(crate) fn boolean() -> Value {
    nullable("boolean")
}

/// A whole number.
pub(crate) fn integer() -> Value {
    nullable("integer")
}

/// A number.
pub(crate) fn number() -> Value {
    nullable("number")
}

/// An instant with its offset.
pub(crate) fn timestamp() -> Value {
    json!({"type": ["null", "string"], "format": "date-time", "airbyte_type": "timestamp_with_timezone"})
}

/// An array of `items`.
pub(crate) fn list(items: Value) -> Value {
    let mut list = nullable("array");
    list["items"] = items;
    list
}

/// An object of which no field is known: the API's `{}`, or one that is never filled.
pub(crate) fn open_object() -> Value {
    json!({"type": ["null", "object"], "additionalProperties": true})
}

/// An object with these fields, and maybe others.
pub(crate) fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let mut object = open_object();
    object["properties"] = Value::Object(named(fields));
    object
}

/// The same object with more fields.
pub(crate) fn extended<const N: usize>(mut object: Value, fields: [(&str, Value); N]) -> Value {
    if let Some(properties) = object["properties"].as_object_mut() {
        properties.extend(named(fields));
    }
    object
}

/// The root schema of a stream.
pub(crate) fn stream<const N: usize>(fields: [(&str, Value); N]) -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": true,
        "properties": named(fields),
    })
}

fn named<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

/// Adds a description to a schema.
pub(crate) trait About {
    /// The same schema with this description, in place of any other.
    fn about(self, description: &str) -> Self;
}

impl About for Value {
    fn about(mut self, description: &str) -> Self {
        if let Some(keywords) = self.as_object_mut() {
            keywords.shift_insert(0, "description".to_owned(), description.into());
        }
        self
    }
}
