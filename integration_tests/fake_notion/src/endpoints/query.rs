//! `POST /v1/data_sources/{id}/query`: filters and sorts by timestamps.

use serde_json::Value;

use super::{
    Context,
    listing::{Position, ResultPage},
};
use crate::{
    answer::Refusal,
    clock,
    workspace::{Kind, RowEntry, SortKey},
};

const DAY_MS: i64 = 86_400_000;

/// A filter that can be decided from a row's times.
enum Filter {
    All(Vec<Self>),
    Any(Vec<Self>),
    /// The time must lie in the range, both ends included.
    Within(SortKey, i64, i64),
}

pub(super) fn query(context: &mut Context<'_>) -> Result<String, Refusal> {
    let id = context.path_id("data_source_id")?;
    context.require(id, Kind::DataSource)?;
    context.refuse_locked(id)?;
    let filter = context.call.field("filter").map(parse_filter).transpose()?;
    let sorts = parse_sorts(context.call.field("sorts"))?;
    let archived = context.call.field("is_archived").and_then(Value::as_bool).unwrap_or(false);
    let kind = match context.call.field("result_type").and_then(Value::as_str) {
        Some("page") => Some(Kind::Page),
        Some("data_source") => Some(Kind::DataSource),
        _ => None,
    };
    let wanted = context.wanted()?;
    let cap = context.workspace.settings.query_result_cap;
    let rows = context.workspace.row_entries(id, &sorts);
    let found = |row: &&RowEntry| {
        row.archived == archived
            && kind.is_none_or(|kind| kind == row.kind)
            && filter.as_ref().is_none_or(|filter| filter.accepts(row))
    };
    let total = rows.iter().filter(found).count();
    let start = match wanted.position {
        Some(Position::Row(last)) => rows.partition_point(|row| row.compare(&last, &sorts).is_le()),
        _ => 0,
    };
    let size = wanted.size.min(cap.saturating_sub(wanted.served));
    let rest: Vec<&RowEntry> =
        rows[start..].iter().filter(found).skip(wanted.passed()).take(size + 1).collect();
    let mut page = ResultPage::new(total > cap);
    for row in rest.iter().take(size) {
        let Some(node) = context.workspace.node(row.id) else { continue };
        page.push(|out| match row.kind {
            Kind::DataSource => context.workspace.write_data_source(row.id, node, out),
            _ => context.workspace.write_page(row.id, node, out),
        });
    }
    let served = wanted.served + size;
    if let Some(&&last) = rest.get(size.saturating_sub(1)).filter(|_| rest.len() > size && served < cap) {
        page.next_cursor = Some(context.issue_behind("s:", Position::Row(last), served));
    }
    Ok(page.finish("page_or_data_source", "{}"))
}

impl Filter {
    fn accepts(&self, row: &RowEntry) -> bool {
        match self {
            Self::All(filters) => filters.iter().all(|filter| filter.accepts(row)),
            Self::Any(filters) => filters.iter().any(|filter| filter.accepts(row)),
            Self::Within(SortKey::CreatedTime, from, to) => (*from..=*to).contains(&row.created),
            Self::Within(SortKey::LastEditedTime, from, to) => (*from..=*to).contains(&row.edited),
        }
    }
}

fn parse_filter(filter: &Value) -> Result<Filter, Refusal> {
    let compound = |filters: &Value| {
        filters.as_array().into_iter().flatten().map(parse_filter).collect::<Result<Vec<_>, _>>()
    };
    if let Some(filters) = filter.get("and") {
        return compound(filters).map(Filter::All);
    }
    if let Some(filters) = filter.get("or") {
        return compound(filters).map(Filter::Any);
    }
    let refused = |what: &str| {
        Refusal::invalid(format!("body failed validation: body.filter.{what}, instead was `{filter}`."))
    };
    let name = filter["timestamp"].as_str().or_else(|| {
        // The form with `property` is accepted for the two timestamps, too.
        filter["property"].as_str()
    });
    let key = name.and_then(sort_key).ok_or_else(|| {
        let property = filter["property"].as_str().unwrap_or("undefined");
        Refusal::invalid(format!("Could not find property with name or id: {property}"))
    })?;
    let condition =
        name.and_then(|name| filter[name].as_object()).and_then(|conditions| conditions.iter().next());
    let (operator, value) = condition.ok_or_else(|| refused("timestamp should have a condition"))?;
    let text = value.as_str().unwrap_or_default();
    let from = clock::parse(text).ok_or_else(|| refused("value should be a valid ISO 8601 date string"))?;
    let to = if text.contains('T') { from } else { from + DAY_MS - 1 };
    match operator.as_str() {
        "equals" => Ok(Filter::Within(key, from, to)),
        "before" => Ok(Filter::Within(key, i64::MIN, from - 1)),
        "after" => Ok(Filter::Within(key, to + 1, i64::MAX)),
        "on_or_before" => Ok(Filter::Within(key, i64::MIN, to)),
        "on_or_after" => Ok(Filter::Within(key, from, i64::MAX)),
        _ => Err(refused("condition should be a date condition")),
    }
}

fn parse_sorts(sorts: Option<&Value>) -> Result<Vec<(SortKey, bool)>, Refusal> {
    let sorts = sorts.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if sorts.is_empty() {
        return Ok(vec![(SortKey::CreatedTime, true)]);
    }
    let parse = |sort: &Value| {
        let name = sort["timestamp"].as_str().or_else(|| sort["property"].as_str()).unwrap_or("undefined");
        let key = sort_key(name).ok_or_else(|| {
            Refusal::invalid(format!("Could not find sort property with name or id: {name}"))
        })?;
        Ok((key, sort["direction"] == "descending"))
    };
    sorts.iter().map(parse).collect()
}

fn sort_key(name: &str) -> Option<SortKey> {
    match name {
        "created_time" => Some(SortKey::CreatedTime),
        "last_edited_time" => Some(SortKey::LastEditedTime),
        _ => None,
    }
}
