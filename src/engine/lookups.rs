//! Objects that are asked for by their ids, and those that turn out to be gone.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::workspace::ObjectKind;

/// How many objects that no listing shows are asked for in one run.
pub(super) const MOST_LOOKUPS: usize = 500;

/// Above this number the trash is searched first: it explains a hundred with one request.
pub(super) const SEARCH_TRASH_ABOVE: usize = 100;

/// With fewer known pages nothing is held back: somebody may well have deleted most of them.
const FEWEST_KNOWN: usize = 20;

/// An object that is gone.
#[derive(Clone, Debug)]
pub(super) struct Gone {
    pub(super) kind: ObjectKind,
    pub(super) id: Uuid,
    /// The object as Notion still shows it in the trash; none where it does not find it any more.
    pub(super) object: Option<String>,
    /// When that was known, by Notion's clock.
    pub(super) at: DateTime<Utc>,
}

/// What was asked for by id in this run.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    asked: HashSet<Uuid>,
    open: HashSet<Uuid>,
    /// Objects that are gone and of which no record says so yet, each once.
    gone: HashMap<Uuid, Gone>,
    /// Pages that a listing did not show and that were asked for, and those of them that were not found.
    asked_unshown: usize,
    not_found: usize,
    is_trash_searched: bool,
}

impl Lookups {
    /// Whether an id is asked for the first time in this run; from then on it was.
    pub(super) fn claim(&mut self, id: Uuid) -> bool {
        self.asked.insert(id)
    }

    /// Notes that an object is being asked for.
    pub(super) fn open(&mut self, id: Uuid) {
        self.open.insert(id);
    }

    /// Notes that an object was asked for.
    pub(super) fn close(&mut self, id: Uuid) {
        self.open.remove(&id);
    }

    /// Whether an object is being asked for.
    pub(super) fn is_open(&self, id: Uuid) -> bool {
        self.open.contains(&id)
    }

    /// Forgets that an id was asked for.
    pub(super) fn unclaim(&mut self, id: Uuid) {
        self.asked.remove(&id);
    }

    /// Whether an id was asked for.
    pub(super) fn was_asked(&self, id: Uuid) -> bool {
        self.asked.contains(&id)
    }

    /// Notes that a known page that no listing shows is asked for.
    pub(super) fn count_unshown(&mut self) {
        self.asked_unshown += 1;
    }

    /// Notes that an object is gone.
    pub(super) fn add_gone(&mut self, gone: Gone) {
        self.not_found += usize::from(gone.object.is_none() && gone.kind == ObjectKind::Page);
        self.gone.entry(gone.id).or_insert(gone);
    }

    /// Notes that an object that was taken for gone is there.
    pub(super) fn is_back(&mut self, id: Uuid) {
        self.gone.remove(&id);
    }

    /// Whether an object is gone and not told.
    pub(super) fn has_gone_object(&self, id: Uuid) -> bool {
        self.gone.contains_key(&id)
    }

    /// Whether the trash is searched for the first time in this run.
    pub(super) fn claim_trash(&mut self) -> bool {
        !std::mem::replace(&mut self.is_trash_searched, true)
    }

    /// Takes what is gone and not told.
    pub(super) fn take_gone(&mut self) -> Vec<Gone> {
        let mut gone: Vec<Gone> = self.gone.drain().map(|(_id, gone)| gone).collect();
        gone.sort_unstable_by_key(|gone| gone.id);
        gone
    }

    /// Whether anything is gone and not told.
    pub(super) fn has_gone(&self) -> bool {
        !self.gone.is_empty()
    }

    /// How many pages are probably not found any more, of those asked for and `unasked` others.
    fn estimate(&self, unasked: usize) -> usize {
        if self.asked_unshown == 0 {
            return 0;
        }
        self.not_found + self.not_found.saturating_mul(unasked).div_ceil(self.asked_unshown)
    }

    /// Whether the deletions are to be held back: so many of the known pages are not found that the connection was
    /// probably removed from a page. `unasked` ones were neither shown nor asked for; `held` is how many it were when they were held back before.
    pub(super) fn is_suspicious(&self, known: usize, unasked: usize, held: u64) -> Option<usize> {
        let missing = self.estimate(unasked);
        let is_most = known >= FEWEST_KNOWN && missing * 2 > known;
        let is_still_held = held > 0 && (missing as u64) * 2 > held;
        (is_most || is_still_held).then_some(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookups(asked: usize, not_found: usize) -> Lookups {
        Lookups { asked_unshown: asked, not_found, ..Lookups::default() }
    }

    #[test]
    fn deletions_are_held_back_when_more_than_half_of_at_least_twenty_pages_are_not_found() {
        assert_eq!(lookups(11, 11).is_suspicious(20, 0, 0), Some(11));
        assert_eq!(lookups(10, 10).is_suspicious(20, 0, 0), None);
        assert_eq!(lookups(19, 19).is_suspicious(19, 0, 0), None);
        // Of many, only some were asked for.
        assert_eq!(lookups(500, 400).is_suspicious(10_000, 7_500, 0), Some(6_400));
        assert_eq!(lookups(500, 100).is_suspicious(10_000, 7_500, 0), None);
    }

    #[test]
    fn new_pages_do_not_wear_the_guard_off() {
        assert_eq!(lookups(11, 11).is_suspicious(200, 0, 11), Some(11));
        assert_eq!(lookups(11, 5).is_suspicious(200, 0, 11), None);
    }
}
