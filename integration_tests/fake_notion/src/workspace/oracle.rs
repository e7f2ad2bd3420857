//! What a complete reader should have received: for tests to compare with.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Kind, Parent, Workspace, truncate};
use crate::clock::{floor_to_minute, instant};

/// Blocks deeper than this are out of a reader's reach.
pub(crate) const DEEPEST_LEVEL: usize = 30;

/// A visible page that is not in the trash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageInfo {
    /// The page.
    pub id: Uuid,
    /// In minutes, as the API shows it.
    pub last_edited_time: DateTime<Utc>,
    /// The data source that it is a row of.
    pub data_source: Option<Uuid>,
    /// The page or block that it stands below, unless it is a row or at the top.
    pub parent: Option<Uuid>,
    /// Whether it is archived.
    pub archived: bool,
    /// Whether search never lists it.
    pub hidden_from_search: bool,
}

/// A visible block that is not in the trash, `child_page` and `child_database` blocks included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockInfo {
    /// The block.
    pub id: Uuid,
    /// The page that it is part of.
    pub page_id: Uuid,
    /// The page or block that lists it.
    pub parent: Uuid,
    /// 1 for a block directly in the page.
    pub depth: usize,
    /// In minutes, as the API shows it.
    pub last_edited_time: DateTime<Utc>,
    /// The type, as `paragraph`.
    pub kind: String,
    /// What `has_children` says.
    pub has_children: bool,
    /// How many children it has that a listing would show.
    pub child_count: usize,
    /// Whether a reader can come to it: nothing above it is locked, unsupported or an AI block, and it is at
    /// most 30 levels deep.
    pub reachable: bool,
}

/// A visible comment in a page that is not in the trash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommentInfo {
    /// The comment.
    pub id: Uuid,
    /// The page or block that it stands on.
    pub parent: Uuid,
    /// The page that it stands on, or that holds the block that it stands on.
    pub page_id: Uuid,
    /// Whether it stands on a block.
    pub on_block: bool,
    /// Whether it stands on a block that was deleted; a listing for the page then shows it.
    pub is_orphan: bool,
    /// In minutes, as the API shows it.
    pub last_edited_time: DateTime<Utc>,
}

impl Workspace {
    /// Every visible page that is not in the trash: rows, archived pages and those hidden from search included.
    pub fn page_infos(&self) -> Vec<PageInfo> {
        let infos = self.listed.iter().filter_map(|&id| {
            let node = self.known(id);
            (node.kind == Kind::Page && self.is_live(id)).then(|| PageInfo {
                id,
                last_edited_time: shown(node.edited),
                data_source: Self::data_source_of(node),
                parent: match node.parent {
                    Parent::Page(parent) | Parent::Block(parent) => Some(parent),
                    _ => None,
                },
                archived: node.archived,
                hidden_from_search: node.hidden_from_search,
            })
        });
        infos.collect()
    }

    /// The ids and edit times of [`Self::page_infos`].
    pub fn visible_pages(&self) -> Vec<(Uuid, DateTime<Utc>)> {
        self.page_infos().into_iter().map(|page| (page.id, page.last_edited_time)).collect()
    }

    /// The ids and edit times of every visible data source that is not in the trash.
    pub fn visible_data_sources(&self) -> Vec<(Uuid, DateTime<Utc>)> {
        self.data_sources(false)
    }

    /// The ids and edit times of every visible data source that is in the trash.
    pub fn trashed_data_sources(&self) -> Vec<(Uuid, DateTime<Utc>)> {
        self.data_sources(true)
    }

    /// The visible rows of a data source that are not in the trash, as (id, edit time, archived).
    pub fn visible_rows(&self, data_source: Uuid) -> Vec<(Uuid, DateTime<Utc>, bool)> {
        let rows = self.unsorted_rows(data_source).into_iter().filter(|row| row.kind == Kind::Page);
        rows.map(|row| (row.id, instant(row.edited), row.archived)).collect()
    }

    /// A page, data source, database, block or comment as its own id is answered, with whole property values.
    pub fn object(&self, id: Uuid) -> Option<Value> {
        if let Some(node) = self.node(id) {
            let mut out = String::new();
            match node.kind {
                Kind::Page => self.write_page(id, node, &mut out),
                Kind::DataSource => self.write_data_source(id, node, &mut out),
                Kind::Database => self.write_database(id, node, &mut out),
                Kind::Block => self.write_block(id, node, &mut out),
            }
            let mut object = Self::read_json(&out);
            if node.kind == Kind::Page {
                object["properties"] = Self::properties(node);
            }
            return Some(object);
        }
        let mut comments = self.comments.iter().flat_map(|(parent, comments)| {
            comments.iter().filter(|comment| comment.id == id).map(|comment| (*parent, comment))
        });
        let (parent, comment) = comments.next()?;
        let mut out = String::new();
        self.write_comment(self.page_of(parent)?, parent, comment, &mut out);
        Some(Self::read_json(&out))
    }

    /// Every visible block, page by page in document order.
    pub fn visible_blocks(&self) -> Vec<BlockInfo> {
        self.page_infos().into_iter().flat_map(|page| self.blocks_of(page.id)).collect()
    }

    /// The visible blocks of one page in document order, without those of the pages below it.
    pub fn blocks_of(&self, page: Uuid) -> Vec<BlockInfo> {
        let mut blocks = Vec::new();
        self.collect_blocks(page, page, 1, !self.locks.contains_key(&page), &mut blocks);
        blocks
    }

    /// The ids of all users that are listed.
    pub fn listed_users(&self) -> Vec<Uuid> {
        self.users.iter().filter(|user| !user.guest).map(|user| user.id).collect()
    }

    /// The blocks below a block, whose children are on level 1.
    pub(crate) fn blocks_in(&self, block: Uuid) -> Vec<BlockInfo> {
        let mut blocks = Vec::new();
        self.collect_blocks(block, block, 1, !self.locks.contains_key(&block), &mut blocks);
        blocks
    }

    /// An object's title or name; empty for blocks.
    pub fn title(&self, id: Uuid) -> &str {
        self.node(id).map_or("", |node| node.title())
    }

    /// When an object was last edited, in minutes.
    pub fn last_edited_time(&self, id: Uuid) -> Option<DateTime<Utc>> {
        self.node(id).map(|node| shown(node.edited))
    }

    /// The whole values of a page's properties by their names, or the schema of a data source.
    pub fn property_values(&self, id: Uuid) -> Value {
        Self::properties(self.known(id))
    }

    /// Whether search never lists an object.
    pub fn is_hidden_from_search(&self, id: Uuid) -> bool {
        self.node(id).is_some_and(|node| node.hidden_from_search)
    }

    /// The database of a data source.
    pub fn database_of(&self, data_source: Uuid) -> Option<Uuid> {
        self.node(data_source)?.parent.id()
    }

    /// The shared pages that are themselves in the trash.
    pub fn trashed_pages(&self) -> Vec<Uuid> {
        let pages = self.listed.iter().copied().filter(|&id| {
            let node = self.known(id);
            node.kind == Kind::Page && node.trashed && self.reach(id).is_some()
        });
        pages.collect()
    }

    /// Whether an object is `ancestor` or stands somewhere below it.
    pub fn is_below(&self, id: Uuid, ancestor: Uuid) -> bool {
        std::iter::successors(Some(id), |&id| self.node(id).and_then(|node| node.parent.id()))
            .any(|id| id == ancestor)
    }

    /// Whether a block is a copy of a synced block.
    pub fn is_synced_copy(&self, block: Uuid) -> bool {
        self.synced_original(block).is_some()
    }

    /// How many pages and how many data sources search lists.
    pub fn searchable(&self) -> (usize, usize) {
        let listed = self.listed.iter().filter_map(|&id| self.search_entry(id));
        let counted = listed.filter(|entry| {
            !entry.trashed
                || (entry.kind == Kind::DataSource && self.settings.search_lists_trashed_data_sources)
        });
        counted.fold((0, 0), |(pages, data_sources), entry| match entry.kind {
            Kind::Page => (pages + 1, data_sources),
            _ => (pages, data_sources + 1),
        })
    }

    /// How many results a query gives for rows that are not archived, and for archived ones.
    pub fn row_counts(&self, data_source: Uuid) -> (usize, usize) {
        let rows = self.unsorted_rows(data_source);
        let archived = rows.iter().filter(|row| row.archived).count();
        (rows.len() - archived, archived)
    }

    /// The lengths of the property values of a page that must be completed: all that reach 25 references.
    pub fn long_value_lengths(&self, page: Uuid) -> Vec<usize> {
        let node = self.known(page);
        if !node.heading.as_ref().is_some_and(|heading| heading.long_values) {
            return Vec::new();
        }
        let properties = Self::properties(node);
        let values = properties.as_object().into_iter().flatten().map(|(_, value)| value);
        let long = values.filter(|value| truncate::is_long(value));
        long.map(|value| value["type"].as_str().map_or(0, |kind| truncate::length(&value[kind]))).collect()
    }

    fn data_sources(&self, trashed: bool) -> Vec<(Uuid, DateTime<Utc>)> {
        let nodes = self.listed.iter().map(|&id| (id, self.known(id)));
        nodes
            .filter(|(id, node)| {
                node.kind == Kind::DataSource && self.reach(*id).is_some_and(|reach| reach.trashed == trashed)
            })
            .map(|(id, node)| (id, shown(node.edited)))
            .collect()
    }

    fn collect_blocks(
        &self,
        page: Uuid,
        parent: Uuid,
        depth: usize,
        reachable: bool,
        blocks: &mut Vec<BlockInfo>,
    ) {
        let Some(node) = self.node(parent) else { return };
        for id in self.listed_children(node) {
            let child = self.known(id);
            let kind = self.block_type_of(child);
            let reachable = reachable && depth <= DEEPEST_LEVEL;
            blocks.push(BlockInfo {
                id,
                page_id: page,
                parent,
                depth,
                last_edited_time: shown(child.edited),
                kind: kind.to_owned(),
                has_children: self.has_children(id, child),
                child_count: self.listed_children(child).count(),
                reachable,
            });
            if child.kind == Kind::Block {
                let closed = matches!(kind, "unsupported" | "ai_block") || self.locks.contains_key(&id);
                self.collect_blocks(page, id, depth + 1, reachable && !closed, blocks);
            }
        }
    }
}

pub(super) fn shown(milliseconds: i64) -> DateTime<Utc> {
    instant(floor_to_minute(milliseconds))
}
