//! The fewest requests that a complete read costs.

use std::collections::HashSet;

use uuid::Uuid;

use crate::workspace::{BlockInfo, Workspace};

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
    }
}

/// The requests of a full read of everything that is visible.
pub fn ideal_requests(workspace: &Workspace) -> IdealRequests {
    requests(workspace, None)
}

/// The same, with children, comments, properties and databases of these pages only.
pub fn ideal_requests_for(workspace: &Workspace, pages: &[Uuid]) -> IdealRequests {
    requests(workspace, Some(&pages.iter().copied().collect()))
}

fn requests(workspace: &Workspace, only: Option<&HashSet<Uuid>>) -> IdealRequests {
    let (pages, data_sources) = workspace.searchable();
    let mut ideal = IdealRequests {
        search_pages: listings(pages),
        search_data_sources: listings(data_sources),
        users: listings(workspace.listed_users().len()),
        ..IdealRequests::default()
    };
    for (data_source, _) in workspace.visible_data_sources() {
        let rows = workspace.row_counts(data_source);
        ideal.queries += listings(rows.0);
        ideal.archived_queries += listings(rows.1);
    }
    let walked =
        workspace.page_infos().into_iter().filter(|page| only.is_none_or(|only| only.contains(&page.id)));
    for page in walked {
        let blocks = workspace.blocks_of(page.id);
        ideal.children += listings(blocks.iter().filter(|block| block.depth == 1).count());
        ideal.children +=
            blocks.iter().filter(|block| is_descended(workspace, block)).map(children_of).sum::<usize>();
        ideal.databases +=
            blocks.iter().filter(|block| block.reachable && block.kind == "child_database").count();
        ideal.comments += listings(workspace.comment_count(page.id));
        ideal.properties += workspace.long_value_lengths(page.id).into_iter().map(listings).sum::<usize>();
    }
    ideal
}

/// Whether a reader must list the children of the block.
fn is_descended(workspace: &Workspace, block: &BlockInfo) -> bool {
    block.reachable
        && block.has_children
        && block.depth < DEEPEST_LEVEL
        && !matches!(block.kind.as_str(), "child_page" | "child_database" | "ai_block" | "unsupported")
        && !workspace.is_synced_copy(block.id)
}

fn children_of(block: &BlockInfo) -> usize {
    listings(block.child_count)
}

fn listings(count: usize) -> usize {
    count.div_ceil(PAGE_SIZE).max(1)
}
