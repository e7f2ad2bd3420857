//! Endpoints for scripts in other languages: edits, faults, the log and the counts as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    answer::{Answer, Refusal},
    call::Call,
    fault::Fault,
    pipeline::{Shared, lock},
    route::Route,
    workspace::Workspace,
};

/// Answers a request below `/__control/`.
pub(crate) fn answer(shared: &Shared, call: &Call) -> Answer {
    let done = match (call.method.as_str(), call.segment(1)) {
        ("POST", "edit") => Some(edit(&mut lock(&shared.workspace))),
        ("POST", "trash") => trash(&mut lock(&shared.workspace), call),
        ("POST", "fail") => fail(shared, call),
        ("GET", "requests") => Some(requests(shared)),
        ("GET", "counts") => Some(counts(&lock(&shared.workspace))),
        _ => None,
    };
    let id = uuid::Uuid::nil();
    match done {
        Some(value) => Answer::object(value.to_string(), id),
        None => Answer::refusal(Refusal::invalid("There is no such control, or its body is wrong."), id),
    }
}

/// Edits the first paragraph, and adds a row, a page, and a comment on the first page.
fn edit(workspace: &mut Workspace) -> Value {
    let pages = workspace.visible_pages();
    let data_sources = workspace.visible_data_sources();
    let paragraph =
        workspace.visible_blocks().into_iter().find(|block| block.reachable && block.kind == "paragraph");
    let now = workspace.now();
    let mut done = json!({});
    if let Some(block) = paragraph {
        workspace.edit_block_text(block.id, &format!("Edited at {now}"));
        done["block"] = json!({"id": block.id.to_string(), "page_id": block.page_id.to_string()});
    }
    if let Some(&(data_source, _)) = data_sources.first() {
        let row = workspace.add_row(data_source, "Added row", now);
        done["row"] = json!({"id": row.to_string(), "data_source_id": data_source.to_string()});
    }
    if let Some(&(page, _)) = pages.first() {
        let added = workspace.add_page(page, "Added page");
        let comment = workspace.add_comment(page, "Added comment");
        done["page"] = json!({"id": added.to_string(), "parent_id": page.to_string()});
        done["comment"] = json!({"id": comment.to_string(), "page_id": page.to_string()});
    }
    done
}

/// Puts the page or block with the given `id` into the trash.
fn trash(workspace: &mut Workspace, call: &Call) -> Option<Value> {
    let id = call.field("id")?.as_str()?.parse().ok()?;
    workspace.object(id)?;
    workspace.trash(id);
    Some(json!({"trashed": id.to_string()}))
}

fn fail(shared: &Shared, call: &Call) -> Option<Value> {
    let route = Route::named(call.field("route")?.as_str()?)?;
    let status = u16::try_from(call.field("status")?.as_u64()?).ok()?;
    let times = call.field("times").and_then(Value::as_u64).unwrap_or(1);
    let fault = || if status == 429 { Fault::rate_limited(1) } else { Fault::status(status) };
    let mut faults = lock(&shared.faults);
    (0..times).for_each(|_| faults.queue(route, fault()));
    Some(json!({"queued": times}))
}

fn requests(shared: &Shared) -> Value {
    let log = lock(&shared.log);
    let requests = log.requests.iter().map(|logged| {
        json!({
            "number": logged.number,
            "time": logged.time.to_rfc3339(),
            "method": logged.method,
            "path": logged.path,
            "query": logged.query,
            "body": logged.body,
            "status": logged.status,
            "held": logged.held,
        })
    });
    json!({"requests": requests.collect::<Vec<_>>()})
}

fn counts(workspace: &Workspace) -> Value {
    let ideal = crate::ideal::ideal_requests(workspace);
    let (blocks, comments) = (workspace.visible_blocks(), workspace.visible_comments());
    let mut reachable_blocks = BTreeMap::<&str, u64>::new();
    for block in blocks.iter().filter(|block| block.reachable) {
        *reachable_blocks.entry(&block.kind).or_default() += 1;
    }
    json!({
        "users": workspace.listed_users().len(),
        "data_sources": workspace.visible_data_sources().len(),
        "trashed_data_sources": workspace.trashed_data_sources().len(),
        "pages": workspace.visible_pages().len(),
        "blocks": blocks.len(),
        "reachable_blocks": reachable_blocks,
        "comments": comments.len(),
        "page_comments": comments.iter().filter(|comment| !comment.on_block).count(),
        "ideal_requests": ideal.total(),
    })
}
