//! What was found in the workspace: pages and data sources, each once.

use std::{
    collections::{HashMap, HashSet},
    mem,
};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Unlisted;

/// Whether an object was met before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sighting {
    /// Never.
    New,
    /// Yes, and it has been edited since.
    Newer,
    /// Yes, as it is.
    Known,
}

/// Pages and data sources by id; a page takes 28 bytes in the map.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    pages: HashMap<Uuid, DateTime<Utc>>,
    data_sources: HashMap<Uuid, DateTime<Utc>>,
    /// Data sources that search shows.
    listed_data_sources: HashSet<Uuid>,
    /// Data sources that the query of a wiki shows.
    wiki_data_sources: HashSet<Uuid>,
    /// Data sources that rows name as their parent.
    parents: HashSet<Uuid>,
    /// Rows that are wanted from an earlier time than others, and the data source for which they are.
    early_rows: HashMap<Uuid, Uuid>,
    /// Data sources that no listing showed, to this run or to earlier ones; whoever knew nothing of them reads them whole.
    found_data_sources: HashSet<Uuid>,
    /// Pages that no listing showed, to this run or to earlier ones; whoever knew nothing of them reads them whole.
    unlisted: HashSet<Uuid>,
    /// Ids that were asked for one by one, so as not to ask twice.
    asked: HashSet<Uuid>,
    newest_page: Option<DateTime<Utc>>,
    newest_data_source: Option<DateTime<Utc>>,
    /// How many sightings were of something new or newer.
    news: u64,
}

impl Inventory {
    /// Notes a page.
    pub(super) fn see_page(&mut self, id: Uuid, time: DateTime<Utc>) -> Sighting {
        self.newest_page = self.newest_page.max(Some(time));
        let sighting = see(&mut self.pages, id, time);
        self.news += u64::from(sighting != Sighting::Known);
        sighting
    }

    /// Notes a data source.
    pub(super) fn see_data_source(&mut self, id: Uuid, time: DateTime<Utc>) -> Sighting {
        self.newest_data_source = self.newest_data_source.max(Some(time));
        let sighting = see(&mut self.data_sources, id, time);
        self.news += u64::from(sighting != Sighting::Known);
        sighting
    }

    /// How many sightings so far were of something new or newer.
    pub(super) fn news(&self) -> u64 {
        self.news
    }

    /// Notes what a row says of its parents.
    pub(super) fn see_parents(&mut self, data_source: Option<Uuid>) {
        self.parents.extend(data_source);
    }

    /// Notes that a row belongs to a data source whose rows are wanted from an earlier time; whether that is new.
    pub(super) fn see_early_row(&mut self, row: Uuid, data_source: Uuid) -> bool {
        self.early_rows.insert(row, data_source).is_none()
    }

    /// The data source for which this row is wanted from an earlier time than others.
    pub(super) fn early_source(&self, row: Uuid) -> Option<Uuid> {
        self.early_rows.get(&row).copied()
    }

    /// Begins with what no listing showed to earlier runs.
    pub(super) fn new(unlisted: &Unlisted) -> Self {
        Self {
            unlisted: unlisted.pages.iter().copied().collect(),
            found_data_sources: unlisted.data_sources.iter().copied().collect(),
            ..Self::default()
        }
    }

    /// Notes that no listing showed a page.
    pub(super) fn find_page(&mut self, id: Uuid) {
        self.unlisted.insert(id);
    }

    /// Whether no listing showed a page, to this run or to earlier ones.
    pub(super) fn is_unlisted(&self, page: Uuid) -> bool {
        self.unlisted.contains(&page)
    }

    /// Notes that search shows a data source.
    pub(super) fn list_data_source(&mut self, id: Uuid) {
        self.listed_data_sources.insert(id);
    }

    /// Whether search shows a data source.
    pub(super) fn is_listed_data_source(&self, id: Uuid) -> bool {
        self.listed_data_sources.contains(&id)
    }

    /// Notes that the query of a wiki shows a data source.
    pub(super) fn meet_in_wiki(&mut self, id: Uuid) {
        self.wiki_data_sources.insert(id);
    }

    /// Takes the data sources that only the query of a wiki showed.
    pub(super) fn take_only_in_wikis(&mut self) -> Vec<Uuid> {
        let met = mem::take(&mut self.wiki_data_sources);
        met.into_iter().filter(|id| !self.listed_data_sources.contains(id)).collect()
    }

    /// Notes that no listing showed a data source.
    pub(super) fn find_data_source(&mut self, id: Uuid) {
        self.found_data_sources.insert(id);
    }

    /// Whether no listing showed a data source, to this run or to earlier ones.
    pub(super) fn is_found_data_source(&self, id: Uuid) -> bool {
        self.found_data_sources.contains(&id)
    }

    pub(super) fn has_page(&self, id: Uuid) -> bool {
        self.pages.contains_key(&id)
    }

    /// Whether a listing showed a page.
    pub(super) fn is_listed_page(&self, id: Uuid) -> bool {
        self.has_page(id) && !self.asked.contains(&id)
    }

    pub(super) fn has_data_source(&self, id: Uuid) -> bool {
        self.data_sources.contains_key(&id)
    }

    /// Data sources that rows name and that no listing has shown.
    pub(super) fn unknown_parents(&self) -> Vec<Uuid> {
        self.parents.iter().copied().filter(|id| !self.has_data_source(*id)).collect()
    }

    /// Whether an id is asked for the first time.
    pub(super) fn ask(&mut self, id: Uuid) -> bool {
        self.asked.insert(id)
    }

    /// All pages.
    pub(super) fn pages(&self) -> impl Iterator<Item = (Uuid, DateTime<Utc>)> {
        self.pages.iter().map(|(id, time)| (*id, *time))
    }

    /// Whether nothing was found at all.
    pub(super) fn is_empty(&self) -> bool {
        self.pages.is_empty() && self.data_sources.is_empty()
    }

    pub(super) fn page_count(&self) -> usize {
        self.pages.len()
    }

    /// The time of the page edited last.
    pub(super) fn newest_page(&self) -> Option<DateTime<Utc>> {
        self.newest_page
    }

    /// The time of the data source edited last.
    pub(super) fn newest_data_source(&self) -> Option<DateTime<Utc>> {
        self.newest_data_source
    }
}

fn see(known: &mut HashMap<Uuid, DateTime<Utc>>, id: Uuid, time: DateTime<Utc>) -> Sighting {
    match known.insert(id, time) {
        None => Sighting::New,
        Some(before) if before < time => Sighting::Newer,
        Some(before) => {
            known.insert(id, before);
            Sighting::Known
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_sighting_counts_only_when_it_is_newer() {
        let mut inventory = Inventory::default();
        let (id, old): (Uuid, DateTime<Utc>) = (Uuid::max(), "2026-01-01T00:00:00Z".parse().unwrap());
        let new = old + chrono::TimeDelta::minutes(1);
        assert_eq!(inventory.see_page(id, old), Sighting::New);
        assert_eq!(inventory.see_page(id, old), Sighting::Known);
        assert_eq!(inventory.see_page(id, new), Sighting::Newer);
        assert_eq!(inventory.see_page(id, old), Sighting::Known);
        assert_eq!(inventory.pages().collect::<Vec<_>>(), [(id, new)]);
        assert_eq!(inventory.newest_page(), Some(new));
    }
}
