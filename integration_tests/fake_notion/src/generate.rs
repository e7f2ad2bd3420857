//! Workspaces of any size, and random edits; both determined by a seed.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use crate::{ids::Sequence, rich_text, workspace::Workspace};

const WORDS: [&str; 12] = [
    "plan", "report", "note", "draft", "review", "budget", "meeting", "release", "design", "issue",
    "summary", "list",
];
const LEAVES: [&str; 5] = ["paragraph", "heading_2", "to_do", "quote", "code"];
const BRANCHES: [&str; 3] = ["bulleted_list_item", "toggle", "numbered_list_item"];

/// The size and shape of a generated workspace.
#[derive(Clone, Copy, Debug)]
pub struct GenerateOptions {
    /// Decides everything that the other options leave open.
    pub seed: u64,
    /// All pages, rows included.
    pub pages: usize,
    /// The mean number of blocks in a page, at all levels; single pages have up to twice as many.
    pub blocks_per_page: usize,
    /// How deep blocks are nested at most; 1 is flat.
    pub depth: usize,
    /// Which part of the pages are rows, from 0 to 1.
    pub row_share: f64,
    /// How many data sources share the rows, each in a database of its own.
    pub data_sources: usize,
    /// The mean number of comments on a page.
    pub comments_per_page: f64,
    /// How many listed persons there are.
    pub users: usize,
    /// How long ago the oldest edit was, in days before `now`.
    pub oldest_days: u32,
    /// The end of the time that edits are spread over; `None` is the present.
    pub now: Option<DateTime<Utc>>,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            pages: 100,
            blocks_per_page: 10,
            depth: 3,
            row_share: 0.5,
            data_sources: 3,
            comments_per_page: 0.3,
            users: 5,
            oldest_days: 365,
            now: None,
        }
    }
}

/// Builds a workspace in which everything can be reached through search.
pub fn generated_workspace(options: GenerateOptions) -> Workspace {
    let mut workspace = Workspace::with_seed(options.seed);
    let mut random = Sequence::new(options.seed ^ 0x5eed);
    let now = options.now.unwrap_or_else(|| workspace.now());
    for number in 1..=options.users {
        workspace.add_person(&format!("Person {number}"), Some(&format!("person{number}@example.com")));
    }
    let minutes = usize::try_from(options.oldest_days).unwrap_or(365) * 1440;
    let some_time = |random: &mut Sequence| {
        let ago = 60 + random.below(minutes.saturating_sub(60));
        now - TimeDelta::minutes(i64::try_from(ago).unwrap_or(60))
    };
    let mut pages = vec![workspace.add_top_page_at("Home", some_time(&mut random))];
    let mut data_sources = Vec::new();
    for number in 1..=options.data_sources {
        let time = some_time(&mut random);
        data_sources.push(workspace.add_database(pages[0], &format!("Database {number}"), time).1);
    }
    while pages.len() < options.pages.max(1) {
        let (title, time) = (words(&mut random), some_time(&mut random));
        let page = if !data_sources.is_empty() && random.happens(options.row_share) {
            workspace.add_row(random.pick(&data_sources), &title, time)
        } else if random.happens(0.1) {
            workspace.add_top_page_at(&title, time)
        } else {
            workspace.add_page_at(random.pick(&pages), &title, time)
        };
        pages.push(page);
    }
    for &page in &pages {
        let time = some_time(&mut random);
        workspace.set_default_time(Some(time));
        add_blocks(&mut workspace, &mut random, page, options);
        while random.happens(options.comments_per_page / (1.0 + options.comments_per_page)) {
            let text = words(&mut random);
            workspace.add_comment(page, &text);
        }
        workspace.touch(page, time);
    }
    workspace.set_default_time(None);
    workspace
}

fn add_blocks(workspace: &mut Workspace, random: &mut Sequence, page: Uuid, options: GenerateOptions) {
    let count = random.below(2 * options.blocks_per_page + 1);
    // The open branches, the page first.
    let mut open = vec![page];
    for _ in 0..count {
        open.truncate(1 + random.below(open.len()));
        let parent = *open.last().expect("the page stays open");
        let text = words(random);
        if open.len() < options.depth && random.happens(0.2) {
            open.push(workspace.append_text(parent, random.pick(&BRANCHES), &text));
            continue;
        }
        match random.pick(&LEAVES) {
            "code" => {
                let payload =
                    json!({"caption": [], "rich_text": rich_text::plain(&text), "language": "plain text"});
                workspace.append_block(parent, "code", payload);
            }
            kind => {
                workspace.append_text(parent, kind, &text);
            }
        }
    }
}

fn words(random: &mut Sequence) -> String {
    (0..2 + random.below(5)).map(|_| random.pick(&WORDS)).collect::<Vec<_>>().join(" ")
}

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
