//! Random edits, determined by a seed and the workspace.

use uuid::Uuid;

use super::{BRANCHES, words};
use crate::{ids::Sequence, workspace::Workspace};

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
            if workspace.is_below(target, page) {
                return None;
            }
            workspace.move_page(page, Some(target));
            EditDone::Moved { page }
        }
    })
}

fn some_page(workspace: &Workspace, random: &mut Sequence) -> Option<Uuid> {
    let pages = workspace.visible_pages();
    pages.get(random.below(pages.len())).map(|&(id, _)| id)
}

/// A block of the page that holds text and could hold more.
fn some_block(workspace: &Workspace, random: &mut Sequence, page: Uuid) -> Option<Uuid> {
    let blocks: Vec<Uuid> = workspace
        .blocks_of(page)
        .into_iter()
        .filter(|block| BRANCHES.contains(&block.kind.as_str()) || block.kind == "paragraph")
        .map(|block| block.id)
        .collect();
    blocks.get(random.below(blocks.len())).copied()
}
