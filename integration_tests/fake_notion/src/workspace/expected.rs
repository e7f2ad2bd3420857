//! What a destination must hold once everything that was edited since a start date has been read.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    Kind, Workspace,
    oracle::{DEEPEST_LEVEL, shown},
};
use crate::settings::SyncedCopies;

/// Block types of which no record is made.
const LEFT_OUT: [&str; 3] = ["child_page", "child_database", "ai_block"];

/// The records of each stream, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The visible pages, archived ones included, that were edited since the start date: the synced pages.
    pub pages: BTreeMap<Uuid, ExpectedObject>,
    /// The visible data sources that were edited since the start date.
    pub data_sources: BTreeMap<Uuid, ExpectedObject>,
    /// The blocks of the synced pages.
    pub blocks: BTreeMap<Uuid, ExpectedBlock>,
    /// The open comments on synced pages, and on deleted blocks of theirs.
    pub comments: BTreeMap<Uuid, ExpectedComment>,
}

/// A page or a data source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedObject {
    /// In minutes, as the API shows it.
    pub last_edited_time: DateTime<Utc>,
    /// The title as plain text.
    pub title: String,
    /// What `is_archived` says.
    pub is_archived: bool,
}

/// A block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedBlock {
    /// In minutes, as the API shows it.
    pub last_edited_time: DateTime<Utc>,
    /// The type, as `paragraph`.
    pub kind: String,
    /// Its index among the siblings that are records.
    pub sequence_number: usize,
    /// The page that holds it. Only a block that is shown by nothing but copies of a synced block can have several of
    /// them, and any is right.
    pub homes: Vec<Home>,
}

/// A block's place in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home {
    /// The page.
    pub page_id: Uuid,
    /// 1 for a block directly in the page.
    pub depth: usize,
}

/// A comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedComment {
    /// In minutes, as the API shows it.
    pub last_edited_time: DateTime<Utc>,
    /// The page whose listing shows it.
    pub page_id: Uuid,
}

/// One reading of the trees of all synced pages.
struct Walk<'w> {
    workspace: &'w Workspace,
    synced: &'w BTreeSet<Uuid>,
    blocks: BTreeMap<Uuid, ExpectedBlock>,
    /// The pages and databases that the tree of a page shows, by page.
    links: BTreeMap<Uuid, Vec<Uuid>>,
    /// The synced blocks around the present place, whose content is read through copies.
    around: Vec<Uuid>,
}

impl Workspace {
    /// What a destination must hold once everything that was edited since `start` has been read, whatever happened
    /// before.
    pub fn expected(&self, start: DateTime<Utc>) -> Expected {
        let synced = self.synced_pages(start);
        let object = |id: Uuid, time| {
            let (title, is_archived) = (self.title(id).to_owned(), self.known(id).archived);
            (id, ExpectedObject { last_edited_time: time, title, is_archived })
        };
        let recent = |objects: Vec<(Uuid, DateTime<Utc>)>| -> BTreeMap<Uuid, ExpectedObject> {
            objects
                .into_iter()
                .filter(|(_, time)| *time >= start)
                .map(|(id, time)| object(id, time))
                .collect()
        };
        let comments = synced.iter().flat_map(|&page_id| {
            self.comments_shown(page_id).into_iter().map(move |(_, comment)| {
                (comment.id, ExpectedComment { last_edited_time: shown(comment.edited), page_id })
            })
        });
        Expected {
            comments: comments.collect(),
            blocks: self.walked(&synced).blocks,
            pages: recent(self.visible_pages()),
            data_sources: recent(self.visible_data_sources()),
        }
    }

    /// The visible pages and data sources that no search and no query shows, nor, if `reads_trees`, the tree of a
    /// page that is found and was edited since `start`: a reader cannot know them unless it has known them before.
    pub fn unfindable(&self, start: DateTime<Utc>, reads_trees: bool) -> BTreeSet<Uuid> {
        let synced = self.synced_pages(start);
        let links = if reads_trees { self.walked(&synced).links } else { BTreeMap::new() };
        let mut found = BTreeSet::new();
        let searched = self.listed.iter().copied().filter(|&id| self.search_entry(id).is_some());
        let mut open: Vec<Uuid> = searched.filter(|&id| self.is_live(id)).collect();
        while let Some(id) = open.pop() {
            let Some(node) = self.node(id).filter(|_| self.is_live(id)) else { continue };
            if !found.insert(id) {
                continue;
            }
            match node.kind {
                Kind::Page => {
                    open.extend(Self::data_source_of(node));
                    open.extend(links.get(&id).into_iter().flatten());
                }
                Kind::DataSource if self.lock_of(id).is_none() => {
                    open.extend(self.unsorted_rows(id).iter().map(|row| row.id));
                }
                Kind::Database if node.linked().is_none() => open.extend(self.listed_children(node)),
                Kind::DataSource | Kind::Database | Kind::Block => {}
            }
        }
        self.listed.iter().copied().filter(|id| self.is_live(*id) && !found.contains(id)).collect()
    }

    fn synced_pages(&self, start: DateTime<Utc>) -> BTreeSet<Uuid> {
        self.visible_pages().into_iter().filter(|(_, time)| *time >= start).map(|(id, _)| id).collect()
    }

    fn walked<'w>(&'w self, synced: &'w BTreeSet<Uuid>) -> Walk<'w> {
        let mut walk = Walk {
            workspace: self,
            synced,
            blocks: BTreeMap::new(),
            links: BTreeMap::new(),
            around: Vec::new(),
        };
        for &page in synced.iter().filter(|page| self.lock_of(**page).is_none()) {
            walk.read(page, Home { page_id: page, depth: 1 });
        }
        walk
    }

    /// The pages that show content through copies of synced blocks whose originals stand in no synced page. Such content
    /// changes without an edit of these pages.
    pub fn pages_with_copied_content(&self, start: DateTime<Utc>) -> BTreeSet<Uuid> {
        let blocks = self.walked(&self.synced_pages(start)).blocks;
        let is_elsewhere = |id: Uuid, home: &Home| self.page_of(id) != Some(home.page_id);
        let homes = blocks.into_iter().flat_map(|(id, block)| {
            block.homes.into_iter().filter(move |home| is_elsewhere(id, home)).map(|home| home.page_id)
        });
        homes.collect()
    }

    /// Where the content of a copy is read, if that is not the place of the original: `None` if it is, or if it is
    /// nowhere. An original that is shared and stands in a page that is not synced is itself asked for its content.
    pub(crate) fn content_of_copy(&self, original: Uuid, synced: &BTreeSet<Uuid>) -> Option<Uuid> {
        let page = self.page_of(original).filter(|page| synced.contains(page));
        let shows_hidden = self.settings.synced_copies == SyncedCopies::Content;
        let answers = shows_hidden || self.reach(original).is_some();
        (page.is_none() && answers && self.node(original).is_some() && !self.is_in_trash(original))
            .then_some(original)
    }
}

impl Walk<'_> {
    /// Reads the children of a page or block, which have their places from `home` on.
    fn read(&mut self, parent: Uuid, home: Home) {
        let workspace = self.workspace;
        let Some(node) = workspace.node(parent).filter(|_| home.depth <= DEEPEST_LEVEL) else { return };
        let mut sequence_number = 0;
        for id in workspace.listed_children(node) {
            let child = workspace.known(id);
            let kind = workspace.block_type_of(child);
            if child.kind != Kind::Block {
                self.links.entry(home.page_id).or_default().push(id);
            }
            if LEFT_OUT.contains(&kind) {
                continue;
            }
            let block = self.blocks.entry(id).or_insert_with(|| ExpectedBlock {
                last_edited_time: shown(child.edited),
                kind: kind.to_owned(),
                sequence_number,
                homes: Vec::new(),
            });
            block.homes.push(home);
            sequence_number += 1;
            if kind == "unsupported" || workspace.lock_of(id).is_some() || !workspace.has_children(id, child)
            {
                continue;
            }
            let inside = Home { depth: home.depth + 1, ..home };
            match workspace.synced_original(id) {
                None => self.read(id, inside),
                Some(original) if self.around.contains(&original) => {}
                Some(original) => {
                    if let Some(content) = workspace.content_of_copy(original, self.synced) {
                        self.around.push(original);
                        self.read(content, inside);
                        self.around.pop();
                    }
                }
            }
        }
    }
}
