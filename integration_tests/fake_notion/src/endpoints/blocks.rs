//! Blocks, their children, and comments.

use uuid::Uuid;

use super::{Context, listing::ResultPage, not_found};
use crate::{
    answer::Refusal,
    call::parse_uuid,
    settings::SyncedCopies,
    workspace::{Kind, Node},
};

pub(super) fn block(context: &mut Context<'_>) -> Result<String, Refusal> {
    let id = context.path_id("block_id")?;
    let node = visible_block(context, id)?;
    let mut out = String::new();
    context.workspace.write_block(id, node, &mut out);
    Ok(out)
}

pub(super) fn children(context: &mut Context<'_>) -> Result<String, Refusal> {
    let id = context.path_id("block_id")?;
    if !context.workspace.is_shown_through_copy(id) {
        visible_block(context, id)?;
    }
    context.refuse_locked(id)?;
    let node = context.workspace.node(id).expect("the block was found");
    if context.workspace.is_in_trash(id) {
        return Err(match node.kind {
            Kind::Page => not_found(context.workspace, "block", id),
            _ => Refusal::invalid("Can't list children of a block that is archived."),
        });
    }
    let kind = context.workspace.block_type(node);
    if node.kind == Kind::Block && matches!(kind, "unsupported" | "ai_block") {
        return Err(Refusal::invalid(format!("Block type {kind} is not supported via the API.")));
    }
    let source = match context.workspace.synced_original(id) {
        None => Some(id),
        Some(original) => match context.workspace.settings.synced_copies {
            SyncedCopies::NotFound => return Err(not_found(context.workspace, "block", id)),
            SyncedCopies::Empty => None,
            SyncedCopies::Content => {
                Some(original).filter(|&original| !context.workspace.is_in_trash(original))
            }
        },
    };
    list_children(context, source)
}

fn list_children(context: &mut Context<'_>, source: Option<Uuid>) -> Result<String, Refusal> {
    let size = context.page_size()?;
    let start = start_child(context)?;
    let workspace = &*context.workspace;
    // A database is shown as a block, but lists no children: its rows come from queries.
    let node = source.and_then(|id| workspace.node(id)).filter(|node| node.kind != Kind::Database);
    let children = node.map_or(&[][..], |node| node.children.as_slice());
    let from = match start {
        None => 0,
        Some(cursor) => children
            .iter()
            .position(|&child| child == cursor)
            .ok_or_else(|| Refusal::invalid_cursor(&cursor.to_string()))?,
    };
    let mut listed = children[from..].iter().copied().filter(|&child| workspace.is_listed_child(child));
    let mut page = ResultPage::default();
    for child in listed.by_ref().take(size) {
        let child_node = workspace.node(child).expect("children are nodes");
        page.push(|out| workspace.write_block(child, child_node, out));
    }
    if let Some(next) = listed.next() {
        page.next_cursor = Some(next.to_string());
        context.note_plain_cursor(next);
    }
    Ok(page.finish("block", "{}"))
}

/// The child that the cursor names: these cursors carry their position in themselves.
fn start_child(context: &Context<'_>) -> Result<Option<Uuid>, Refusal> {
    let Some(cursor) = context.call.start_cursor() else { return Ok(None) };
    let id = parse_uuid(cursor).ok_or_else(|| {
        Refusal::invalid(format!(
            "query failed validation: query.start_cursor should be a valid uuid or `undefined`, instead was `\"{cursor}\"`."
        ))
    })?;
    if context.is_plain_cursor_alive(id) { Ok(Some(id)) } else { Err(Refusal::invalid_cursor(cursor)) }
}

pub(super) fn comments(context: &mut Context<'_>) -> Result<String, Refusal> {
    let sent = context.call.parameter("block_id");
    let id = sent.and_then(parse_uuid).ok_or_else(|| {
        let sent = sent.map_or("undefined".to_owned(), |sent| format!("\"{sent}\""));
        Refusal::invalid(format!(
            "query failed validation: query.block_id should be a valid uuid, instead was `{sent}`."
        ))
    })?;
    visible_block(context, id)?;
    let shown = context.workspace.comments_shown(id).into_iter();
    let comments: Vec<_> = shown.map(|(parent, comment)| (parent, comment.clone())).collect();
    context.slice(&comments, "comment", |context, (parent, comment), out| {
        context.workspace.write_comment(id, *parent, comment, out);
    })
}

/// Everything that can be addressed as a block: blocks, pages and databases.
fn visible_block<'a>(context: &'a Context<'_>, id: Uuid) -> Result<&'a Node, Refusal> {
    let node = context.workspace.node(id).filter(|node| node.kind != Kind::DataSource);
    node.filter(|_| context.workspace.reach(id).is_some())
        .ok_or_else(|| not_found(context.workspace, "block", id))
}
