//! Sorted views of the workspace, made when asked for and forgotten at the next edit.

use std::{cmp::Ordering, collections::HashMap, sync::Arc, time::Duration};

use uuid::Uuid;

use super::{Kind, Workspace};
use crate::clock::floor_to_minute;

/// One page or data source in the order of search.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SearchEntry {
    pub(crate) key: (i64, Uuid),
    pub(crate) kind: Kind,
    pub(crate) trashed: bool,
}

#[derive(Clone, Debug)]
pub(super) struct SearchIndex {
    entries: Arc<Vec<SearchEntry>>,
    /// When an edit that search does not know yet becomes known.
    valid_until: i64,
    /// The settings that it was made under: the lag, and whether archived rows are listed.
    made_under: (Duration, bool),
}

/// An edit that search may not know yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecentEdit {
    at: i64,
    /// The edit time that search still believes in; `None` for a new object.
    believed: Option<i64>,
}

/// A timestamp that rows are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SortKey {
    CreatedTime,
    LastEditedTime,
}

/// One row, or data source in a wiki, in the order of a query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowEntry {
    pub(crate) created: i64,
    pub(crate) edited: i64,
    pub(crate) id: Uuid,
    pub(crate) kind: Kind,
    pub(crate) archived: bool,
}

/// Sort keys with `true` for descending.
pub(crate) type Sorts = Vec<(SortKey, bool)>;
pub(super) type RowIndexes = HashMap<(Uuid, Sorts), Arc<Vec<RowEntry>>>;

impl RowEntry {
    pub(crate) fn compare(&self, other: &Self, sorts: &[(SortKey, bool)]) -> Ordering {
        let towards = |order: Ordering, descending: bool| if descending { order.reverse() } else { order };
        sorts
            .iter()
            .map(|&(key, descending)| match key {
                SortKey::CreatedTime => towards(self.created.cmp(&other.created), descending),
                SortKey::LastEditedTime => towards(self.edited.cmp(&other.edited), descending),
            })
            .find(|order| order.is_ne())
            .unwrap_or_else(|| {
                towards(self.id.cmp(&other.id), sorts.first().is_some_and(|&(_, descending)| descending))
            })
    }
}

impl Workspace {
    /// Everything that search can list, ascending by (edit time in minutes, id).
    pub(crate) fn search_entries(&mut self) -> Arc<Vec<SearchEntry>> {
        let now = self.now_ms();
        let made_under = (self.settings.search_lag, self.settings.search_lists_archived_rows);
        let fresh = |index: &&SearchIndex| now < index.valid_until && index.made_under == made_under;
        if let Some(index) = self.search_index.as_ref().filter(fresh) {
            return Arc::clone(&index.entries);
        }
        let lag = i64::try_from(self.settings.search_lag.as_millis()).unwrap_or(i64::MAX);
        if lag == 0 {
            self.recent_edits.clear();
        }
        self.recent_edits.retain(|_, edit| edit.at.saturating_add(lag) > now);
        let valid_until =
            self.recent_edits.values().map(|edit| edit.at.saturating_add(lag)).min().unwrap_or(i64::MAX);
        let mut entries: Vec<SearchEntry> =
            self.listed.iter().filter_map(|&id| self.search_entry(id)).collect();
        entries.sort_unstable_by_key(|entry| entry.key);
        let entries = Arc::new(entries);
        self.search_index = Some(SearchIndex { entries: Arc::clone(&entries), valid_until, made_under });
        entries
    }

    /// Remembers what search believed before an edit; `old` is `None` for a new object.
    pub(super) fn note_edit(&mut self, id: Uuid, old: Option<i64>) {
        if self.settings.search_lag.is_zero() {
            return;
        }
        let at = self.now_ms();
        let edit = self.recent_edits.entry(id).or_insert(RecentEdit { at, believed: old });
        edit.at = at;
    }

    pub(crate) fn search_entry(&self, id: Uuid) -> Option<SearchEntry> {
        let node = self.nodes.get(&id)?;
        let archived_row = node.archived && Self::data_source_of(node).is_some();
        if node.hidden_from_search || (archived_row && !self.settings.search_lists_archived_rows) {
            return None;
        }
        let edited = match self.recent_edits.get(&id) {
            Some(edit) => edit.believed?,
            None => node.edited,
        };
        let reach = self.reach(id)?;
        Some(SearchEntry { key: (floor_to_minute(edited), id), kind: node.kind, trashed: reach.trashed })
    }

    /// The rows of a data source that is visible, in the order of `sorts`.
    pub(crate) fn row_entries(&mut self, data_source: Uuid, sorts: &Sorts) -> Arc<Vec<RowEntry>> {
        let key = (data_source, sorts.clone());
        if let Some(entries) = self.row_indexes.get(&key) {
            return Arc::clone(entries);
        }
        let mut entries = self.unsorted_rows(data_source);
        entries.sort_unstable_by(|one, other| one.compare(other, sorts));
        let entries = Arc::new(entries);
        self.row_indexes.insert(key, Arc::clone(&entries));
        entries
    }

    /// The visible rows of a data source that are not in the trash; in a wiki, data sources too.
    pub(crate) fn unsorted_rows(&self, data_source: Uuid) -> Vec<RowEntry> {
        if !self.is_live(data_source) {
            return Vec::new();
        }
        let Some(node) = self.nodes.get(&data_source) else { return Vec::new() };
        let mut entries = Vec::with_capacity(node.children.len());
        for child in self.listed_children(node) {
            let row = self.known(child);
            if row.kind == Kind::Database {
                entries.extend(self.listed_children(row).filter_map(|id| self.row_entry(id)));
            } else {
                entries.extend(self.row_entry(child));
            }
        }
        entries
    }

    fn row_entry(&self, id: Uuid) -> Option<RowEntry> {
        let node = self.nodes.get(&id)?;
        let (created, edited) = (floor_to_minute(node.created), floor_to_minute(node.edited));
        Some(RowEntry { created, edited, id, kind: node.kind, archived: node.archived })
    }
}
