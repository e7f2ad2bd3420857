//! The edits that a listing sorted by time does not show, or that bring back what was gone.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    BRANCHES,
    edits::{EditDone, holds_text, pick, some_block, some_data_source, some_page, unshare},
    words,
};
use crate::{ids::Sequence, workspace::Workspace};

/// The computed properties that edits give to tables.
const COMPUTED: [(&str, &str); 2] = [("Computed", "formula"), ("Rolled up", "rollup")];

pub(super) fn try_rare_edit(workspace: &mut Workspace, random: &mut Sequence) -> Option<EditDone> {
    match random.below(26) {
        0..3 => share(workspace, random),
        3..6 => restore(workspace, random),
        6 => unshare_section(workspace, random),
        7 => purge(workspace, random),
        8 | 9 => compute(workspace, random),
        10 | 11 => insert_block(workspace, random),
        12 | 13 => move_block(workspace, random),
        14 => trash_block(workspace, random),
        15 => edit_archive(workspace, random),
        16..19 => edit_comments(workspace, random),
        19 => comment(workspace, random),
        20 => empty_page(workspace, random),
        21 => edit_data_source(workspace, random),
        22 => move_row(workspace, random),
        23 => move_database(workspace, random),
        _ => move_page(workspace, random),
    }
}

/// A page, section or database is shared late, or again.
fn share(workspace: &mut Workspace, random: &mut Sequence) -> Option<EditDone> {
    let id = pick(random, &workspace.unshared_objects())?;
    workspace.share(id);
    Some(EditDone::Shared { id })
}

/// Something comes back from the trash with its old time.
fn restore(workspace: &mut Workspace, random: &mut Sequence) -> Option<EditDone> {
    let mut trashed = workspace.trashed_objects();
    if random.happens(0.5) {
        // There are many more blocks than anything else.
        trashed.retain(|&id| !workspace.is_block(id));
    }
    let id = pick(random, &trashed)?;
    workspace.restore(id);
    Some(EditDone::Restored { id })
}

fn unshare_section(workspace: &mut Workspace, random: &mut Sequence) -> Option<EditDone> {
    let id = if random.happens(0.5) {
        pick(random, &workspace.visible_databases())?
    } else {
        some_page(workspace, random)?
    };
    unshare(workspace, id)
}

/// Something is deleted for good, perhaps out of the trash.
fn purge(workspace: &mut Workspace, random: &mut Sequence) -> Option<EditDone> {
    let id = match random.below(4) {
        0 | 1 => pick(random, &workspace.trashed_objects())?,
        2 => some_page(workspace, random)?,
        _ => {
            let page = some_page(workspace, random)?;
            some_block(workspace, random, page)?
        }
    };
    workspace.is_small(id).then(|| {
        workspace.purge(id);
        EditDone::Purged { id }
    })
}

/// The value of a formula or rollup changes, and no time does.
fn compute(workspace: &mut Workspace, random: &mut Sequence) -> Option<EditDone> {
    let data_source = some_data_source(workspace, random)?;
    let (row, _, _) = pick(random, &workspace.visible_rows(data_source))?;
    let (name, kind) = random.pick(&COMPUTED);
    if workspace.property_values(data_source).get(name).is_none() {
        let mut schema = json!({"type": kind});
        schema[kind] = match kind {
            "formula" => json!({"expression": "1 + 1"}),
            _ => json!({
                "rollup_property_name": "Name", "relation_property_name": "Related", "rollup_property_id": "title",
                "relation_property_id": Workspace::property_id("Related"), "function": "count",
            }),
        };
        workspace.add_schema_property(data_source, name, schema);
        workspace.touch(data_source, workspace.now());
        for (row, _, _) in workspace.visible_rows(data_source) {
            workspace.set_property_unstamped(row, name, computed(kind, 0));
        }
    }
    workspace.set_property_unstamped(row, name, computed(kind, random.below(1_000_000)));
    Some(EditDone::Computed { page: row })
}

fn computed(kind: &str, number: usize) -> Value {
    let mut value = json!({"type": kind});
    value[kind] = match kind {
        "formula" => json!({"type": "number", "number": number}),
        _ => json!({"type": "number", "number": number, "function": "count"}),
    };
    value
}

/// A block comes before others, whose sequence numbers change.
fn insert_block(workspace: &mut Workspace, random: &mut Sequence) -> Option<EditDone> {
    let page = some_page(workspace, random)?;
    let parent = if random.happens(0.3) { some_block(workspace, random, page)? } else { page };
    let position = if random.happens(0.5) { 0 } else { random.below(4) };
    let text = words(random);
    let block = workspace.insert_text(parent, position, random.pick(&BRANCHES), &text);
    Some(EditDone::BlockInserted { block })
}

/// A block goes to another page, or elsewhere in its own, and keeps its time.
fn move_block(workspace: &mut Workspace, random: &mut Sequence) -> Option<EditDone> {
    let (from, to) = (some_page(workspace, random)?, some_page(workspace, random)?);
    let blocks: Vec<Uuid> = workspace
        .blocks_of(from)
        .into_iter()
        .filter(|block| holds_text(block) || block.kind == "synced_block")
        .map(|block| block.id)
        .collect();
    let block = pick(random, &blocks)?;
    let target = if random.happens(0.3) { some_block(workspace, random, to)? } else { to };
    if workspace.would_loop(block, target) {
        return None;
    }
    workspace.move_block(block, target, random.below(4));
    Some(EditDone::BlockMoved { block })
}

fn trash_block(workspace: &mut Workspace, random: &mut Sequence) -> Option<EditDone> {
    let page = some_page(workspace, random)?;
    let id = some_block(workspace, random, page)?;
    workspace.trash(id);
    Some(EditDone::Trashed { id })
}

/// A row is archived or comes back from the archive, sometimes without a trace in its time.
fn edit_archive(workspace: &mut Workspace, random: &mut Sequence) -> Option<EditDone> {
    let pages = workspace.page_infos();
    let archived: Vec<Uuid> = pages.iter().filter(|page| page.archived).map(|page| page.id).collect();
    let others = pages.iter().filter(|page| !page.archived && page.data_source.is_some());
    let others: Vec<Uuid> = others.map(|page| page.id).collect();
    let unarchives = random.happens(0.6);
    let page = pick(random, if unarchives { &archived } else { &others })?;
    let time = workspace.last_edited_time(page)?;
    let done = if unarchives {
        workspace.unarchive(page);
        EditDone::Unarchived { page }
    } else {
        workspace.archive(page);
        EditDone::Archived { page }
    };
    if random.happens(0.5) {
        workspace.touch(page, time);
    }
    Some(done)
}

fn edit_comments(workspace: &mut Workspace, random: &mut Sequence) -> Option<EditDone> {
    let visible: Vec<Uuid> = workspace.visible_comments().iter().map(|comment| comment.id).collect();
    match random.below(4) {
        0 => {
            let comment = pick(random, &visible)?;
            workspace.edit_comment(comment, &words(random));
            Some(EditDone::CommentEdited { comment })
        }
        1 => {
            let comment = pick(random, &visible)?;
            workspace.resolve_comment(comment);
            Some(EditDone::Resolved { comment })
        }
        2 => {
            let comment = pick(random, &workspace.resolved_comments())?;
            workspace.reopen_comment(comment);
            Some(EditDone::Reopened { comment })
        }
        _ => {
            let page = pick(random, &workspace.visible_comments())?.page_id;
            let of_page = workspace.visible_comments().into_iter().filter(|comment| comment.page_id == page);
            of_page.for_each(|comment| workspace.resolve_comment(comment.id));
            Some(EditDone::CommentsResolved { page })
        }
    }
}

/// A comment on a page, or on a block: that one shows up when the block is deleted.
fn comment(workspace: &mut Workspace, random: &mut Sequence) -> Option<EditDone> {
    let page = some_page(workspace, random)?;
    let place = if random.happens(0.5) { some_block(workspace, random, page)? } else { page };
    Some(EditDone::CommentAdded { comment: workspace.add_comment(place, &words(random)) })
}

/// A page loses all its blocks; pages and databases in it stay.
fn empty_page(workspace: &mut Workspace, random: &mut Sequence) -> Option<EditDone> {
    let page = some_page(workspace, random)?;
    for block in workspace.blocks_of(page) {
        let holds_others = workspace.blocks_in(block.id).iter().any(|inner| inner.kind.starts_with("child_"));
        if block.depth == 1 && !block.kind.starts_with("child_") && !holds_others {
            workspace.trash(block.id);
        }
    }
    Some(EditDone::Emptied { page })
}

fn edit_data_source(workspace: &mut Workspace, random: &mut Sequence) -> Option<EditDone> {
    let data_source = some_data_source(workspace, random)?;
    if random.happens(0.5) {
        workspace.edit_title(data_source, &words(random));
        return Some(EditDone::Renamed { data_source });
    }
    let id = if random.happens(0.5) { data_source } else { workspace.database_of(data_source)? };
    workspace.trash(id);
    Some(EditDone::Trashed { id })
}

fn move_row(workspace: &mut Workspace, random: &mut Sequence) -> Option<EditDone> {
    let (from, to) = (some_data_source(workspace, random)?, some_data_source(workspace, random)?);
    let (row, _, _) = pick(random, &workspace.visible_rows(from)).filter(|_| from != to)?;
    if workspace.is_below(to, row) {
        return None;
    }
    workspace.move_row(row, to);
    if random.happens(0.5) {
        workspace.touch(row, workspace.now());
    }
    Some(EditDone::RowMoved { row })
}

/// A database goes to another page, and its data sources and rows with it: none of their times change.
fn move_database(workspace: &mut Workspace, random: &mut Sequence) -> Option<EditDone> {
    let database = pick(random, &workspace.visible_databases())?;
    let target = some_page(workspace, random)?;
    if workspace.is_below(target, database) {
        return None;
    }
    workspace.move_page(database, Some(target));
    Some(EditDone::DatabaseMoved { database })
}

/// A page goes below another one or to the top, and its time moves or does not.
fn move_page(workspace: &mut Workspace, random: &mut Sequence) -> Option<EditDone> {
    let page = some_page(workspace, random)?;
    let target = if random.happens(0.2) { None } else { Some(some_page(workspace, random)?) };
    if target.is_some_and(|target| workspace.is_below(target, page)) {
        return None;
    }
    workspace.move_page(page, target);
    if random.happens(0.5) {
        return Some(EditDone::Moved { page });
    }
    workspace.touch(page, workspace.now());
    Some(EditDone::MovedAndEdited { page })
}
