//! The files in `schemas/`.

use std::{collections::BTreeSet, fs};

#[test]
fn schema_files_are_up_to_date() {
    for (stream, schema) in schema_source::schemas() {
        let path = schema_source::schema_dir().join(format!("{stream}.json"));
        let file = fs::read_to_string(&path).unwrap();
        let message = "schemas/ is out of date: run `cargo run -p schema-source`";
        assert!(file == schema_source::render(&schema), "{stream}: {message}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&file).unwrap(), schema, "{stream}");
        let path = schema_source::schema_dir().join(format!("fields/{stream}.json"));
        let file = fs::read_to_string(&path).unwrap();
        assert!(file == schema_source::render(&schema_source::fields(&schema)), "{stream}: {message}");
    }
}

#[test]
fn fields_are_the_names_that_a_schema_declares() {
    let schema = serde_json::json!({"properties": {
        "id": {"type": "string"},
        "any": {"type": "object", "properties": {}},
        "ids": {"type": "array", "items": {"type": "string"}},
        "list": {"type": "array", "items": {"properties": {"a": {"type": "string"}}}},
    }});
    let fields = serde_json::json!({"id": 0, "any": 0, "ids": 0, "list": [{"a": 0}]});
    assert_eq!(schema_source::fields(&schema), fields);
}

#[test]
fn each_schema_file_is_a_streams() {
    let entries = fs::read_dir(schema_source::schema_dir()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let schemas = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let names: BTreeSet<String> =
        schemas.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(names, schema_source::schemas().map(|(stream, _)| stream.to_owned()).into());
}
