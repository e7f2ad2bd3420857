//! The schemas' promises.
#![cfg(test)]

mod airbyte;
mod files;
mod recordings;
mod rules;
mod samples;

use serde_json::Value;

/// The schema of one stream.
fn schema_of(stream: &str) -> Value {
    let [schema] = schema_source::schemas()
        .into_iter()
        .filter(|(name, _)| *name == stream)
        .map(|(_, schema)| schema)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    schema
}

/// Everything that a schema does not say of a record.
fn misfits(schema: &Value, record: &Value) -> Vec<String> {
    let undeclared = schema_source::undeclared_paths(schema, record);
    let undeclared = undeclared.into_iter().map(|path| format!("{path}: undeclared"));
    undeclared.chain(schema_source::type_mismatches(schema, record)).collect()
}
