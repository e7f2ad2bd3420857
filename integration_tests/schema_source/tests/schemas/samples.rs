//! Records of every kind that the API documents.

use std::collections::BTreeMap;

use super::{misfits, schema_of};

#[test]
fn each_kind_of_record_is_declared() {
    let schemas = BTreeMap::from(schema_source::schemas());
    let mut found = BTreeMap::new();
    for (stream, record) in schema_source::samples::records() {
        for misfit in misfits(&schemas[stream], &record) {
            found.entry((stream, misfit)).or_insert(record.clone());
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn an_unknown_field_and_type_are_reported() {
    let (stream, mut record) = schema_source::samples::records().pop().unwrap();
    record["rich_text"] = serde_json::json!([{"type": "mention", "mention": {"planet": {}}}, 1]);
    record["mood"] = serde_json::json!("good");
    assert_eq!(
        misfits(&schema_of(stream), &record),
        [
            "mood: undeclared",
            "rich_text[].mention.planet: undeclared",
            r#"rich_text[]: number is not ["null","object"]"#,
        ]
    );
}
