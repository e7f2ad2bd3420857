//! How a schema looks as a file.

use std::path::PathBuf;

use serde_json::Value;

const MAX_WIDTH: usize = 110;

/// The folder that holds the schema files.
pub fn schema_dir() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "schemas"].iter().collect()
}

/// The fields that a schema declares: an object of fields, an array with what its items are, or 0 for anything else.
pub fn fields(schema: &Value) -> Value {
    let properties = schema["properties"].as_object().filter(|properties| !properties.is_empty());
    let items = || fields(&schema["items"]);
    match properties {
        Some(properties) => properties.iter().map(|(name, schema)| (name.clone(), fields(schema))).collect(),
        None if schema["items"].is_object() && items() != 0 => Value::Array(vec![items()]),
        None => 0.into(),
    }
}

/// The text of a schema file: JSON, indented, with what fits into one line in one line.
pub fn render(schema: &Value) -> String {
    let mut text = String::new();
    write(schema, 0, 0, &mut text);
    text.push('\n');
    text
}

/// Writes `value`, whose line is already `column` wide and indented by `indent`.
fn write(value: &Value, indent: usize, column: usize, text: &mut String) {
    let one_line = value.to_string();
    // One more for the comma that may follow.
    if column + one_line.chars().count() < MAX_WIDTH {
        text.push_str(&one_line);
        return;
    }
    match value {
        Value::Object(entries) => {
            let keyed =
                entries.iter().map(|(key, entry)| (format!("{}: ", Value::from(key.as_str())), entry));
            write_entries(('{', '}'), keyed, indent, text);
        }
        Value::Array(entries) => {
            write_entries(('[', ']'), entries.iter().map(|entry| (String::new(), entry)), indent, text);
        }
        _ => text.push_str(&one_line),
    }
}

fn write_entries<'a>(
    (open, close): (char, char),
    entries: impl Iterator<Item = (String, &'a Value)>,
    indent: usize,
    text: &mut String,
) {
    let inner = indent + 2;
    text.push(open);
    for (position, (key, entry)) in entries.enumerate() {
        if position > 0 {
            text.push(',');
        }
        start_line(inner, text);
        text.push_str(&key);
        write(entry, inner, inner + key.chars().count(), text);
    }
    start_line(indent, text);
    text.push(close);
}

fn start_line(indent: usize, text: &mut String) {
    text.push('\n');
    text.push_str(&" ".repeat(indent));
}
