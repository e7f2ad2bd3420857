//! The fewest requests that a complete read costs.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::workspace::{BlockInfo, Kind, Workspace};

const PAGE_SIZE: usize = 100;
/// Trees are read this deep.
const DEEPEST_LEVEL: usize = 30;

/// Requests by endpoint; a faultless complete read needs no more and can do with no fewer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdealRequests {
    /// Searches for pages.
    pub search_pages: usize,
    /// Searches for data sources.
    pub search_data_sources: usize,
    /// Queries of data sources for rows that are not archived.
    pub queries: usize,
    /// Queries of data sources for archived rows.
    pub archived_queries: usize,
    /// Listings of the children of pages and blocks.
    pub children: usize,
    /// Listings of the comments of pages.
    pub comments: usize,
    /// Listings of users.
    pub users: usize,
    /// Completions of property values that page answers cut and mark, or may have cut.
    pub properties: usize,
    /// Retrievals of the databases that `child_database` blocks stand for.
    pub databases: usize,
    /// Retrievals of originals of synced blocks, and of what they stand in, where their page is not read.
    pub originals: usize,
    /// Retrievals of pages and data sources that neither search nor a query shows.
    pub lookups: usize,
}

impl IdealRequests {
    /// All of them.
    pub fn total(&self) -> usize {
        self.search_pages
            + self.search_data_sources
            + self.queries
            + self.archived_queries
            + self.children
            + self.comments
            + self.users
            + self.properties
            + self.databases
            + self.originals
            + self.lookups
    }
}

/// The requests of a first read of everything that is visible.
pub fn ideal_requests(workspace: &Workspace) -> IdealRequests {
    ideal_requests_since(workspace, DateTime::<Utc>::MIN_UTC)
}

/// The same, with content of only those pages that were edited since the start date.
pub fn ideal_requests_since(workspace: &Workspace, start: DateTime<Utc>) -> IdealRequests {
    let pages = workspace.visible_pages();
    let synced = pages.into_iter().filter(|(_, time)| *time >= start).map(|(id, _)| id).collect();
    Reading { workspace, trees: &synced, synced: &synced, archived_rows: true }.requests()
}

/// The requests of a later read when only these pages are due: the whole listing, the trees of these pages, the
/// comments of all pages, and one lookup for each object that neither search nor a query without archived rows shows.
pub fn ideal_requests_for(workspace: &Workspace, pages: &[Uuid]) -> IdealRequests {
    let synced = workspace.visible_pages().into_iter().map(|(id, _)| id).collect();
    let trees = pages.iter().copied().collect();
    Reading { workspace, trees: &trees, synced: &synced, archived_rows: false }.requests()
}

struct Reading<'a> {
    workspace: &'a Workspace,
    /// The pages whose trees are read.
    trees: &'a BTreeSet<Uuid>,
    /// The pages that are delivered at all.
    synced: &'a BTreeSet<Uuid>,
    /// Whether tables are asked for archived rows.
    archived_rows: bool,
}

impl Reading<'_> {
    fn requests(&self) -> IdealRequests {
        let workspace = self.workspace;
        let (pages, data_sources) = workspace.searchable();
        let mut ideal = IdealRequests {
            search_pages: listings(pages),
            search_data_sources: listings(data_sources),
            users: listings(workspace.listed_users().len()),
            lookups: self.lookups(),
            ..IdealRequests::default()
        };
        for (data_source, _) in workspace.visible_data_sources() {
            let rows = workspace.row_counts(data_source);
            ideal.queries += listings(rows.0);
            ideal.archived_queries += if self.archived_rows { listings(rows.1) } else { 0 };
        }
        let mut originals = BTreeSet::new();
        for page in workspace.page_infos() {
            if self.synced.contains(&page.id) {
                ideal.comments += listings(workspace.comment_count(page.id));
            }
            if self.trees.contains(&page.id) {
                let blocks = workspace.blocks_of(page.id);
                self.add_tree(&mut ideal, &blocks);
                let copied = blocks.iter().filter(|block| is_asked_for_children(block));
                originals.extend(copied.filter_map(|block| workspace.synced_original(block.id)));
                let long = workspace.long_value_lengths(page.id);
                ideal.properties += long.into_iter().map(listings).sum::<usize>();
            }
        }
        self.add_originals(&mut ideal, originals);
        ideal
    }

    /// Adds the listings of a tree, from those of its first level on.
    fn add_tree(&self, ideal: &mut IdealRequests, blocks: &[BlockInfo]) {
        ideal.children += listings(blocks.iter().filter(|block| block.depth == 1).count());
        let is_copy = |block: &BlockInfo| self.workspace.is_synced_copy(block.id);
        let descended = blocks.iter().filter(|block| is_asked_for_children(block) && !is_copy(block));
        ideal.children += descended.map(|block| listings(block.child_count)).sum::<usize>();
        let databases = blocks.iter().filter(|block| block.reachable && block.kind == "child_database");
        ideal.databases += databases.count();
    }

    /// Adds the originals of copies that were met: each is looked for once, and read once through a copy if need be.
    fn add_originals(&self, ideal: &mut IdealRequests, copied: BTreeSet<Uuid>) {
        let (mut open, mut seen): (Vec<Uuid>, _) = (copied.into_iter().collect(), BTreeSet::new());
        while let Some(original) = open.pop() {
            if !seen.insert(original) || self.is_met(original) {
                continue;
            }
            let parent = |id: &Uuid| self.workspace.node(*id).and_then(|node| node.parent.id());
            let is_block = |id: &Uuid| self.workspace.node(*id).is_some_and(|node| node.kind == Kind::Block);
            let asked = std::iter::successors(Some(original), parent).take_while(is_block);
            let reach = self.workspace.reach(original);
            ideal.originals += match reach {
                Some(reach) if !reach.trashed => asked.take_while(|block| !self.is_met(*block)).count(),
                _ => 1,
            };
            // The content of what is in the trash is nowhere to be seen.
            let is_trashed = reach.is_some_and(|reach| reach.trashed);
            let page = self.workspace.page_of(original).filter(|_| reach.is_some());
            if is_trashed || page.is_some_and(|page| self.synced.contains(&page)) {
                continue;
            }
            let content = self.workspace.content_of_copy(original, self.synced);
            let blocks = content.map_or(Vec::new(), |original| self.workspace.blocks_in(original));
            self.add_tree(ideal, &blocks);
            let copied = blocks.iter().filter(|block| is_asked_for_children(block));
            open.extend(copied.filter_map(|block| self.workspace.synced_original(block.id)));
        }
    }

    /// Whether a block shows up in one of the trees.
    fn is_met(&self, block: Uuid) -> bool {
        let page = self.workspace.page_of(block).filter(|page| self.trees.contains(page));
        page.is_some_and(|page| {
            self.workspace.blocks_of(page).iter().any(|met| met.id == block && met.reachable)
        })
    }

    /// How many pages and data sources must be asked for by their own ids.
    fn lookups(&self) -> usize {
        let workspace = self.workspace;
        let mut shown = BTreeSet::new();
        for (data_source, _) in workspace.visible_data_sources() {
            let rows = workspace.unsorted_rows(data_source).into_iter();
            shown.extend(rows.filter(|row| self.archived_rows || !row.archived).map(|row| row.id));
        }
        let data_sources = workspace.visible_data_sources().into_iter().map(|(id, _)| id);
        let all = workspace.visible_pages().into_iter().map(|(id, _)| id).chain(data_sources);
        all.filter(|id| !shown.contains(id) && workspace.search_entry(*id).is_none()).count()
    }
}

/// Whether a reader wants to know what stands in the block.
fn is_asked_for_children(block: &BlockInfo) -> bool {
    block.reachable
        && block.has_children
        && block.depth < DEEPEST_LEVEL
        && !matches!(block.kind.as_str(), "child_page" | "child_database" | "ai_block" | "unsupported")
}

fn listings(count: usize) -> usize {
    count.div_ceil(PAGE_SIZE).max(1)
}
