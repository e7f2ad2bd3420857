//! Recorded API objects, where the folder that holds them lies beside the workspace.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use serde_json::{Map, Value, json};

use super::{misfits, schema_of};

const VERSIONS: [&str; 2] = ["2025-09-03", "2026-03-11"];

#[test]
fn users_are_declared() {
    assert_declared("users", moved_owner);
}

#[test]
fn pages_are_declared() {
    assert_declared("pages", |page| with(named_properties(page), &[("title", json!("Plan"))]));
}

#[test]
fn data_sources_are_declared() {
    assert_declared("data_sources", |source| with(named_properties(source), &[("name", json!("Tasks"))]));
}

#[test]
fn blocks_are_declared() {
    assert_declared("blocks", |mut block| {
        block["parent"]["sequence_number"] = json!(0);
        with(block, &[("page_id", json!("1")), ("depth", json!(1)), ("plain_text", json!("text"))])
    });
}

#[test]
fn comments_are_declared() {
    let added = [("page_id", json!("1")), ("plain_text", json!("text"))];
    assert_declared("comments", |comment| with(comment, &added));
}

/// An answer of the property endpoint, put together as a property value, fits a page's properties.
#[test]
fn property_items_are_declared_as_values() {
    let Some(items) = recorded("property_items") else { return };
    let schema = schema_of("pages");
    let mut found = BTreeSet::new();
    for (_, item) in items {
        let value = if item["object"] == "list" { value_of_list(&item) } else { value_of_item(&item) };
        let kind = value["type"].as_str().unwrap();
        assert!(value.get(kind).is_some(), "a value lacks {kind}");
        let page = json!({"properties": [{"name": "Property", "value": value}]});
        found.extend(misfits(&schema, &page));
    }
    assert!(found.is_empty(), "{found:#?}");
}

fn assert_declared(stream: &str, transformed: impl Fn(Value) -> Value) {
    let Some(objects) = recorded(stream) else { return };
    let schema = schema_of(stream);
    let mut seen: BTreeMap<String, usize> = VERSIONS.map(|version| (version.to_owned(), 0)).into();
    let mut found = BTreeSet::new();
    for (version, mut object) in objects {
        *seen.entry(version).or_default() += 1;
        // They belong to the answer, and records do not hold them.
        for field in ["request_id", "developer_survey"] {
            object.as_object_mut().unwrap().shift_remove(field);
        }
        found.extend(misfits(&schema, &transformed(object)));
    }
    assert!(found.is_empty(), "{stream}: {found:#?}");
    assert!(seen.values().all(|count| *count > 0), "{stream}: {seen:?}");
}

/// The recorded objects of one file with their API versions; none, with a word, where the folder is absent.
#[expect(clippy::print_stderr, reason = "whoever runs the tests should see that some had nothing to test")]
fn recorded(name: &str) -> Option<Vec<(String, Value)>> {
    let folder: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "..", "..", "..", "shared", "recordings", "objects"].iter().collect();
    if !folder.exists() {
        eprintln!("skipped: no recordings beside the workspace");
        return None;
    }
    let lines = fs::read_to_string(folder.join(format!("{name}.jsonl"))).unwrap();
    let parse = |line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        (line["notion_version"].as_str().unwrap().to_owned(), line["object"].take())
    };
    Some(lines.lines().map(parse).collect())
}

fn with(mut object: Value, fields: &[(&str, Value)]) -> Value {
    for (name, value) in fields {
        object[*name] = value.clone();
    }
    object
}

fn named_properties(mut object: Value) -> Value {
    if let Some(Value::Object(properties)) = object.get_mut("properties").map(Value::take) {
        let named = properties.into_iter().map(|(name, value)| json!({"name": name, "value": value}));
        object["properties"] = named.collect();
    }
    object
}

fn moved_owner(mut user: Value) -> Value {
    if let Some(owner) = user.pointer_mut("/bot/owner").and_then(Value::as_object_mut) {
        let kind = owner["type"].as_str().unwrap().to_owned();
        let info = owner.remove(&kind).unwrap();
        owner.insert("info".to_owned(), info);
    }
    user
}

/// The value in a property item; an item of a list type holds a single element, which becomes a list.
fn value_of_item(item: &Value) -> Value {
    let mut value = item.clone();
    let fields = value.as_object_mut().unwrap();
    fields.shift_remove("object");
    fields.shift_remove("request_id");
    let kind = item["type"].as_str().unwrap();
    if ["title", "rich_text", "people", "relation"].contains(&kind) && !item[kind].is_array() {
        value[kind] = json!([item[kind]]);
    }
    value
}

/// The value in a list of property items.
fn value_of_list(list: &Value) -> Value {
    let property = &list["property_item"];
    let kind = property["type"].as_str().unwrap();
    let items = list["results"].as_array().unwrap();
    let mut value = Map::new();
    value.insert("id".to_owned(), property["id"].clone());
    value.insert("type".to_owned(), kind.into());
    if kind == "rollup" {
        let mut rollup = property[kind].clone();
        rollup["array"] = items.iter().map(value_of_item).collect();
        value.insert(kind.to_owned(), rollup);
    } else {
        value.insert(kind.to_owned(), items.iter().map(|item| item[kind].clone()).collect());
        value.insert("has_more".to_owned(), list["has_more"].clone());
    }
    Value::Object(value)
}
