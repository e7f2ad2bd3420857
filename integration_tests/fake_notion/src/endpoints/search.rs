//! `POST /v1/search`: a live listing by (edit time, id).

use serde_json::Value;

use super::{
    Context,
    listing::{Position, ResultPage},
};
use crate::{
    answer::Refusal,
    workspace::{Kind, SearchEntry},
};

struct Terms {
    kind: Option<Kind>,
    in_trash: bool,
    text: Option<String>,
    descending: bool,
}

pub(super) fn search(context: &mut Context<'_>) -> Result<String, Refusal> {
    let terms = terms(context)?;
    let wanted = context.wanted()?;
    let limit = context.workspace.settings.search_position_limit;
    if let Some(cursor) =
        context.call.start_cursor().filter(|_| limit.is_some_and(|limit| wanted.served >= limit))
    {
        return Err(Refusal::invalid_cursor(cursor));
    }
    let cap = context.workspace.settings.search_result_cap;
    let entries = context.workspace.search_entries();
    let found = |entry: &&SearchEntry| matches(context, &terms, entry);
    let total = entries.iter().filter(found).count();

    let size = wanted.size.min(cap.saturating_sub(wanted.served));
    let passed = wanted.passed();
    let rest: Vec<&SearchEntry> = match (terms.descending, wanted.position) {
        (false, Some(Position::Search(key))) => entries[entries.partition_point(|entry| entry.key <= key)..]
            .iter()
            .filter(found)
            .take(size + 1)
            .collect(),
        (true, Some(Position::Search(key))) => {
            let end = entries.partition_point(|entry| entry.key < key);
            entries[..end].iter().rev().filter(found).take(size + 1).collect()
        }
        (false, _) => entries.iter().filter(found).skip(passed).take(size + 1).collect(),
        (true, _) => entries.iter().rev().filter(found).skip(passed).take(size + 1).collect(),
    };
    let mut page = ResultPage::new(total > cap);
    for entry in rest.iter().take(size) {
        let id = entry.key.1;
        let Some(node) = context.workspace.node(id) else { continue };
        page.push(|out| match node.kind {
            Kind::DataSource => context.workspace.write_data_source(id, node, out),
            _ => context.workspace.write_page(id, node, out),
        });
    }
    let served = wanted.served + size;
    if let Some(last) = rest.get(size.saturating_sub(1)).filter(|_| rest.len() > size && served < cap) {
        page.next_cursor = Some(context.issue_behind("", Position::Search(last.key), served));
    }
    Ok(page.finish("page_or_data_source", "{}"))
}

fn terms(context: &Context<'_>) -> Result<Terms, Refusal> {
    let call = context.call;
    let mut terms = Terms { kind: None, in_trash: false, text: None, descending: true };
    if let Some(filter) = call.field("filter") {
        terms.in_trash = filter["in_trash"].as_bool().unwrap_or(false);
        terms.kind = match filter.get("value").map(|value| value.as_str().unwrap_or_default()) {
            None => None,
            Some("page") => Some(Kind::Page),
            Some("data_source") => Some(Kind::DataSource),
            Some(other) => {
                return Err(Refusal::invalid(format!(
                    "body failed validation: body.filter.value should be `\"page\"` or `\"data_source\"`, instead was `\"{other}\"`."
                )));
            }
        };
    }
    if let Some(sort) = call.field("sort") {
        match sort["timestamp"].as_str() {
            Some("last_edited_time") => terms.descending = sort["direction"] != "ascending",
            None if sort["property"] == "relevance" => {}
            _ => {
                return Err(Refusal::invalid(
                    "body.sort.timestamp should be \"last_edited_time\" when sorting by timestamp.",
                ));
            }
        }
    }
    terms.text =
        call.field("query").and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_lowercase);
    Ok(terms)
}

fn matches(context: &Context<'_>, terms: &Terms, entry: &SearchEntry) -> bool {
    let trash_fits = if terms.in_trash {
        entry.trashed
    } else {
        !entry.trashed
            || (entry.kind == Kind::DataSource
                && context.workspace.settings.search_lists_trashed_data_sources)
    };
    let kind_fits = terms.kind.is_none_or(|kind| kind == entry.kind);
    trash_fits
        && kind_fits
        && terms
            .text
            .as_ref()
            .is_none_or(|text| context.workspace.title(entry.key.1).to_lowercase().contains(text))
}
