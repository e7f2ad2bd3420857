//! What a Notion workspace holds, and how it is found: search, rows of tables, objects by their ids, block trees.
//!
//! This module knows Notion's objects (API version 2025-09-03) and no stream, no state and nothing of Airbyte. Search is no
//! inventory (<https://developers.notion.com/reference/search-optimizations-and-limitations>), so a workspace is the
//! union of what these four ways show; [`Inventory`] has one entry for each object that was seen.

mod checksum;
mod completion;
mod found;
mod inventory;
mod minute;
mod rows;
mod search;
mod tree;

pub use checksum::checksum;
pub(crate) use checksum::entry_hash;
pub use completion::{
    Completion, Incomplete, TruncatedValue, complete_page, computed_properties, truncated_values,
};
pub use found::{
    BlockParent, Found, ObjectKind, Origin, data_source_ids, kind_of, object_with_id, parent_of_block,
};
pub use inventory::{Inventory, News, Seen};
pub use minute::Minute;
pub use rows::Rows;
pub use search::{Gap, Search};
pub use tree::{BlockPlace, Met, Node, NodeListing, SyncedCopy, TreeReading};
