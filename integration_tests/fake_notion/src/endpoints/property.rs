//! `GET /v1/pages/{id}/properties/{property}`: whole values, as lists where a value can be long.

use serde_json::{Value, json};

use super::{
    Context,
    listing::{Position, ResultPage},
};
use crate::{
    answer::Refusal,
    call::percent_decode,
    workspace::{Kind, Workspace},
};

pub(super) fn property(context: &mut Context<'_>) -> Result<String, Refusal> {
    let id = context.path_id("page_id")?;
    context.require(id, Kind::Page)?;
    let sent = context.call.segment(4).to_owned();
    let node = context.workspace.node(id).expect("the page was found");
    let properties = Workspace::properties(node);
    let values: Vec<&Value> = properties.as_object().into_iter().flatten().map(|(_, value)| value).collect();
    // Stored ids are percent-encoded once; a second encoding finds nothing.
    let found = values.iter().find(|value| {
        value["id"]
            .as_str()
            .is_some_and(|stored| stored == sent || percent_decode(stored) == percent_decode(&sent))
    });
    let value = *found.ok_or_else(|| {
        Refusal::new(404, "object_not_found", format!("Could not find property with name or id: {sent}"))
    })?;
    let kind = value["type"].as_str().unwrap_or_default();
    let items: Vec<Value> = match kind {
        "title" | "rich_text" | "people" | "relation" => {
            items(&value[kind]).iter().map(|item| property_item(&value["id"], kind, item)).collect()
        }
        "rollup" => rolled_up(value, &values),
        _ => return Ok(property_item(&value["id"], kind, &value[kind]).to_string()),
    };
    list(context, value, kind, &items)
}

fn list(context: &mut Context<'_>, value: &Value, kind: &str, items: &[Value]) -> Result<String, Refusal> {
    let wanted = context.wanted()?;
    let start = wanted.passed().min(items.len());
    let end = (start + wanted.size).min(items.len());
    let mut page = ResultPage::default();
    for item in &items[start..end] {
        page.push(|out| out.push_str(&item.to_string()));
    }
    let mut next_url = Value::Null;
    if end < items.len() {
        let cursor = context.issue("", Position::Index(end), end);
        next_url = format!("https://api.notion.com{}?start_cursor={cursor}", context.call.path).into();
        page.next_cursor = Some(cursor);
    }
    let mut detail = json!({"id": value["id"], "next_url": next_url, "type": kind});
    detail[kind] = match kind {
        "rollup" if page.next_cursor.is_some() => {
            json!({"type": "incomplete", "incomplete": {}, "function": value["rollup"]["function"]})
        }
        "rollup" if value["rollup"]["type"] == "array" => {
            json!({"type": "array", "array": [], "function": value["rollup"]["function"]})
        }
        "rollup" => value["rollup"].clone(),
        _ => json!({}),
    };
    Ok(page.finish("property_item", &detail.to_string()))
}

/// The items below a rollup: its array, or the relations of the page when it is a single value.
fn rolled_up(value: &Value, others: &[&Value]) -> Vec<Value> {
    if value["rollup"]["type"] == "array" {
        let kind_of = |item: &Value| item["type"].as_str().unwrap_or_default().to_owned();
        let array = items(&value["rollup"]["array"]);
        return array
            .iter()
            .map(|item| property_item(&value["id"], &kind_of(item), &item[&kind_of(item)]))
            .collect();
    }
    let relation = others.iter().find(|other| other["type"] == "relation");
    let relation = relation.map(|relation| (&relation["id"], items(&relation["relation"])));
    relation
        .into_iter()
        .flat_map(|(id, items)| items.iter().map(move |item| property_item(id, "relation", item)))
        .collect()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn property_item(id: &Value, kind: &str, value: &Value) -> Value {
    let mut item = json!({"object": "property_item", "type": kind, "id": id});
    item[kind] = value.clone();
    item
}
