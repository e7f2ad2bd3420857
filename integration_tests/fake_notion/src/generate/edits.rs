//! Random edits, determined by a seed and the workspace.

use uuid::Uuid;

use super::{BRANCHES, extras, words};
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
    Archived {
        page: Uuid,
    },
    Unshared {
        page: Uuid,
    },
    Moved {
        page: Uuid,
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
            let data_sources = workspace.visible_data_sources();
            let (data_source, _) = *data_sources.get(random.below(data_sources.len()))?;
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
            let trashed = workspace.trashed_pages();
            let id = *trashed.get(random.below(trashed.len()))?;
            workspace.restore(id);
            EditDone::Restored { id }
        }
        11 => {
            workspace.archive(page);
            EditDone::Archived { page }
        }
        12 => {
            workspace.unshare(page);
            EditDone::Unshared { page }
        }
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

fn some_data_source(workspace: &Workspace, random: &mut Sequence) -> Option<Uuid> {
    let data_sources = workspace.visible_data_sources();
    data_sources.get(random.below(data_sources.len())).map(|&(id, _)| id)
}

/// The original or a copy of a synced block.
fn some_synced_block(workspace: &Workspace, random: &mut Sequence, is_copy: bool) -> Option<Uuid> {
    let is_wanted =
        |block: &BlockInfo| block.kind == "synced_block" && workspace.is_synced_copy(block.id) == is_copy;
    let blocks: Vec<BlockInfo> = workspace.visible_blocks().into_iter().filter(is_wanted).collect();
    blocks.get(random.below(blocks.len())).map(|block| block.id)
}

/// A block that holds text below the original of a synced block.
fn some_block_below(workspace: &Workspace, random: &mut Sequence) -> Option<Uuid> {
    let original = some_synced_block(workspace, random, false)?;
    let is_wanted = |block: &BlockInfo| holds_text(block) && workspace.is_below(block.id, original);
    let blocks: Vec<BlockInfo> = workspace.visible_blocks().into_iter().filter(is_wanted).collect();
    blocks.get(random.below(blocks.len())).map(|block| block.id)
}

fn some_page(workspace: &Workspace, random: &mut Sequence) -> Option<Uuid> {
    let pages = workspace.visible_pages();
    pages.get(random.below(pages.len())).map(|&(id, _)| id)
}

/// A block of the page that holds text and could hold more.
fn some_block(workspace: &Workspace, random: &mut Sequence, page: Uuid) -> Option<Uuid> {
    let blocks: Vec<Uuid> =
        workspace.blocks_of(page).into_iter().filter(holds_text).map(|block| block.id).collect();
    blocks.get(random.below(blocks.len())).copied()
}

fn holds_text(block: &BlockInfo) -> bool {
    BRANCHES.contains(&block.kind.as_str()) || block.kind == "paragraph"
}
