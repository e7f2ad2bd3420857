//! Property values that page answers cut short.

use serde_json::Value;

/// How many references a value in a page answer holds at most.
const VALUE_LIMIT: usize = 25;

/// Whether any value is or may be cut in page answers.
pub(super) fn has_long_values(properties: &Value) -> bool {
    properties.as_object().into_iter().flatten().any(|(_, value)| is_long(value))
}

/// Whether a reader must complete the value: a cut relation says so, people and mentions at the limit do not.
pub(super) fn is_long(value: &Value) -> bool {
    match value["type"].as_str() {
        Some("relation") => length(&value["relation"]) > VALUE_LIMIT,
        Some("people") => length(&value["people"]) >= VALUE_LIMIT,
        Some(kind @ ("title" | "rich_text")) => {
            value[kind].as_array().into_iter().flatten().filter(|item| is_reference(item)).count()
                >= VALUE_LIMIT
        }
        _ => false,
    }
}

/// Cuts long values: a relation says `has_more`, people and mentions are cut silently.
pub(super) fn cut_long_values(properties: &mut Value) {
    for (_, value) in properties.as_object_mut().into_iter().flatten() {
        let Some(kind) = value["type"].as_str().map(str::to_owned) else { continue };
        let Some(items) = value[&kind].as_array_mut() else { continue };
        match kind.as_str() {
            "relation" if items.len() > VALUE_LIMIT => {
                items.truncate(VALUE_LIMIT);
                value["has_more"] = true.into();
            }
            "people" => items.truncate(VALUE_LIMIT),
            "title" | "rich_text" => {
                let mut references = 0;
                items.retain(|item| {
                    references += usize::from(is_reference(item));
                    !is_reference(item) || references <= VALUE_LIMIT
                });
            }
            _ => {}
        }
    }
}

/// How many items the property endpoint lists for a value.
pub(super) fn length(value: &Value) -> usize {
    value.as_array().map_or(0, Vec::len)
}

fn is_reference(item: &Value) -> bool {
    item["type"] == "mention" && matches!(item["mention"]["type"].as_str(), Some("user" | "page"))
}
