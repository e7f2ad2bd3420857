//! Random edits, determined by a seed and the workspace.

use uuid::Uuid;

use super::{BRANCHES, extras, rare_edits::try_rare_edit, words};
use crate::{
    ids::Sequence,
    workspace::{BlockInfo, Workspace},
};

/// What a random edit did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants and their fields are named after the methods of the workspace")]
pub enum EditDone {
    BlockText {
        block: Uuid,
    },
    Title {
        page: Uuid,
    },
    PageAdded {
        page: Uuid,
    },
    RowAdded {
        row: Uuid,
    },
    BlockAdded {
        block: Uuid,
    },
    CommentAdded {
        comment: Uuid,
    },
    DataSourceAdded {
        data_source: Uuid,
    },
    LinkedDatabaseAdded {
        database: Uuid,
    },
    PropertySet {
        page: Uuid,
    },
    Trashed {
        id: Uuid,
    },
    Restored {
        id: Uuid,
    },
    /// Gone for good: nothing knows it any more.
    Purged {
        id: Uuid,
    },
    Archived {
        page: Uuid,
    },
    Unarchived {
        page: Uuid,
    },
    Unshared {
        id: Uuid,
    },
    Shared {
        id: Uuid,
    },
    /// Elsewhere, with its old time.
    Moved {
        page: Uuid,
    },
    MovedAndEdited {
        page: Uuid,
    },
    RowMoved {
        row: Uuid,
    },
    DatabaseMoved {
        database: Uuid,
    },
    /// The value of a formula or rollup changed, and no time did.
    Computed {
        page: Uuid,
    },
    /// A block came before others.
    BlockInserted {
        block: Uuid,
    },
    /// Elsewhere, with its old time.
    BlockMoved {
        block: Uuid,
    },
    /// The page has no blocks any more but those that lead to pages and databases.
    Emptied {
        page: Uuid,
    },
    CommentEdited {
        comment: Uuid,
    },
    Resolved {
        comment: Uuid,
    },
    /// A resolved comment came back, with its old time.
    Reopened {
        comment: Uuid,
    },
    /// No comment is left on the page and its blocks.
    CommentsResolved {
        page: Uuid,
    },
    Renamed {
        data_source: Uuid,
    },
    /// There was nothing to apply the drawn edit to.
    Nothing,
}

/// Does one edit of a random kind on random objects, determined by the seed and the workspace.
pub fn random_edit(workspace: &mut Workspace, seed: u64) -> EditDone {
    let mut random = Sequence::new(seed);
    try_edit(workspace, &mut random).unwrap_or(EditDone::Nothing)
}

/// The same with what [`extras::Extras`] are about: synced blocks, wikis, databases and long values.
pub fn random_extra_edit(workspace: &mut Workspace, seed: u64) -> EditDone {
    let mut random = Sequence::new(seed);
    try_extra_edit(workspace, &mut random).unwrap_or(EditDone::Nothing)
}

/// Does one edit of any kind: those of [`random_edit`] and [`random_extra_edit`], and as often those that come without
/// a later time, or bring back what was gone. Nothing that holds more than a quarter of all pages is unshared or deleted.
pub fn random_any_edit(workspace: &mut Workspace, seed: u64) -> EditDone {
    let mut random = Sequence::new(seed);
    let mut try_any = |_attempt| match random.below(4) {
        0 => try_edit(workspace, &mut random),
        1 => try_extra_edit(workspace, &mut random),
        _ => try_rare_edit(workspace, &mut random),
    };
    (0..4).find_map(&mut try_any).unwrap_or(EditDone::Nothing)
}

fn try_edit(workspace: &mut Workspace, random: &mut Sequence) -> Option<EditDone> {
    let text = words(random);
    let page = some_page(workspace, random)?;
    Some(match random.below(14) {
        0 | 1 => {
            let block = some_block(workspace, random, page)?;
            workspace.edit_block_text(block, &text);
            EditDone::BlockText { block }
        }
        2 => {
            workspace.edit_page_title(page, &text);
            EditDone::Title { page }
        }
        3 => EditDone::PageAdded { page: workspace.add_page(page, &text) },
        4 => {
            let data_source = some_data_source(workspace, random)?;
            let now = workspace.now();
            EditDone::RowAdded { row: workspace.add_row(data_source, &text, now) }
        }
        5 | 6 => EditDone::BlockAdded { block: workspace.append_text(page, random.pick(&BRANCHES), &text) },
        7 => {
            let block = some_block(workspace, random, page)?;
            EditDone::BlockAdded { block: workspace.append_text(block, "paragraph", &text) }
        }
        8 => EditDone::CommentAdded { comment: workspace.add_comment(page, &text) },
        9 => {
            let id = if random.happens(0.5) { page } else { some_block(workspace, random, page)? };
            workspace.trash(id);
            EditDone::Trashed { id }
        }
        10 => {
            let id = pick(random, &workspace.trashed_pages())?;
            workspace.restore(id);
            EditDone::Restored { id }
        }
        11 => {
            workspace.archive(page);
            EditDone::Archived { page }
        }
        12 => unshare(workspace, page)?,
        _ => {
            let target = some_page(workspace, random)?;
            // Within its parent it would only change its place, perhaps under the eyes of who is listing from it on.
            if workspace.is_below(target, page) || workspace.is_directly_below(page, target) {
                return None;
            }
            workspace.move_page(page, Some(target));
            EditDone::Moved { page }
        }
    })
}

fn try_extra_edit(workspace: &mut Workspace, random: &mut Sequence) -> Option<EditDone> {
    let text = words(random);
    let page = some_page(workspace, random)?;
    Some(match random.below(12) {
        0 => EditDone::BlockAdded { block: extras::add_original(workspace, random, page) },
        1 => {
            let original = some_synced_block(workspace, random, false)?;
            EditDone::BlockAdded { block: extras::add_copy(workspace, random, page, original) }
        }
        2 => {
            let original = some_synced_block(workspace, random, false)?;
            EditDone::BlockAdded { block: workspace.append_text(original, "paragraph", &text) }
        }
        3 => {
            let block = some_block_below(workspace, random)?;
            workspace.edit_block_text(block, &text);
            EditDone::BlockText { block }
        }
        4 => {
            let original = some_synced_block(workspace, random, false)?;
            EditDone::PageAdded { page: workspace.add_page(original, &text) }
        }
        5 => {
            let is_copy = random.happens(0.7);
            let id = some_synced_block(workspace, random, is_copy)?;
            workspace.trash(id);
            EditDone::Trashed { id }
        }
        6 => {
            let data_source = some_data_source(workspace, random)?;
            EditDone::DataSourceAdded { data_source: add_data_source(workspace, random, data_source) }
        }
        7 => {
            let id = workspace.database_of(some_data_source(workspace, random)?)?;
            workspace.trash(id);
            EditDone::Trashed { id }
        }
        8 => EditDone::LinkedDatabaseAdded { database: extras::add_linked_database(workspace, random, page) },
        _ => {
            let (name, value) = extras::long_value(workspace, random, page);
            workspace.set_property(page, &name, value);
            EditDone::PropertySet { page }
        }
    })
}

/// Unshares an object, unless too much would be gone at once: a reader then believes that its connection was removed.
pub(super) fn unshare(workspace: &mut Workspace, id: Uuid) -> Option<EditDone> {
    workspace.is_small(id).then(|| {
        workspace.unshare(id);
        EditDone::Unshared { id }
    })
}

/// Adds a data source to the same database or, in a database of its own, to a wiki.
fn add_data_source(workspace: &mut Workspace, random: &mut Sequence, data_source: Uuid) -> Uuid {
    let (now, title) = (workspace.now(), words(random));
    let is_wiki = workspace.property_values(data_source).get("Verification").is_some();
    let added = if is_wiki {
        workspace.add_database(data_source, &title, now).1
    } else {
        let database = workspace.database_of(data_source).expect("a data source is in a database");
        workspace.touch(database, now);
        if let Some(page) = workspace.page_of(database) {
            workspace.touch(page, now);
        }
        workspace.add_data_source(database, &title, now)
    };
    extras::add_long_properties(workspace, added);
    added
}

/// One of the items, if there are any.
pub(super) fn pick<T: Copy>(random: &mut Sequence, items: &[T]) -> Option<T> {
    items.get(random.below(items.len())).copied()
}

pub(super) fn some_data_source(workspace: &Workspace, random: &mut Sequence) -> Option<Uuid> {
    pick(random, &workspace.visible_data_sources()).map(|(id, _)| id)
}

/// The original or a copy of a synced block.
fn some_synced_block(workspace: &Workspace, random: &mut Sequence, is_copy: bool) -> Option<Uuid> {
    let is_wanted =
        |block: &BlockInfo| block.kind == "synced_block" && workspace.is_synced_copy(block.id) == is_copy;
    let blocks: Vec<Uuid> =
        workspace.visible_blocks().into_iter().filter(is_wanted).map(|block| block.id).collect();
    pick(random, &blocks)
}

/// A block that holds text below the original of a synced block.
fn some_block_below(workspace: &Workspace, random: &mut Sequence) -> Option<Uuid> {
    let original = some_synced_block(workspace, random, false)?;
    let is_wanted = |block: &BlockInfo| holds_text(block) && workspace.is_below(block.id, original);
    let blocks: Vec<Uuid> =
        workspace.visible_blocks().into_iter().filter(is_wanted).map(|block| block.id).collect();
    pick(random, &blocks)
}

pub(super) fn some_page(workspace: &Workspace, random: &mut Sequence) -> Option<Uuid> {
    pick(random, &workspace.visible_pages()).map(|(id, _)| id)
}

/// A block of the page that holds text and could hold more.
pub(super) fn some_block(workspace: &Workspace, random: &mut Sequence, page: Uuid) -> Option<Uuid> {
    let blocks: Vec<Uuid> =
        workspace.blocks_of(page).into_iter().filter(holds_text).map(|block| block.id).collect();
    pick(random, &blocks)
}

pub(super) fn holds_text(block: &BlockInfo) -> bool {
    BRANCHES.contains(&block.kind.as_str()) || block.kind == "paragraph"
}
