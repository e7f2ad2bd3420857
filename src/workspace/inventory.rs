//! What was seen of the workspace in this run: one entry an object.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Found, Minute, ObjectKind, Origin};

/// What was seen of an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seen {
    /// Its kind.
    pub kind: ObjectKind,
    /// When it was last edited.
    pub edited: Option<Minute>,
    /// When it was created.
    pub created: Option<Minute>,
    /// The checksum over what was seen.
    pub checksum: u32,
    /// Whether only search named it, whose copies may be old; its table or its id would tell what is so.
    pub is_copy: bool,
    /// Whether it was seen archived.
    pub is_archived: bool,
    /// Whether no listing showed it, only its own id.
    pub is_unlisted: bool,
}

/// What an observation brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct News {
    /// Whether the object was not known in this run.
    pub is_first: bool,
    /// Whether the object was not known, or not as it is.
    pub is_any: bool,
}

/// Everything that was seen in this run. Its only invariant: an entry says the most certain and, of search's copies, the
/// latest that was seen.
#[derive(Debug, Default)]
pub struct Inventory {
    objects: HashMap<Uuid, Seen>,
    page_count: usize,
}

impl Inventory {
    /// Takes in an object.
    pub fn observe(&mut self, found: &Found<'_>, checksum: u32) -> News {
        let is_row = found.data_source().is_some();
        // A plain page's record comes from search; a row's comes from its table.
        let is_copy = found.origin == Origin::Search && is_row;
        let mut seen = Seen {
            kind: found.kind,
            edited: found.edited(),
            created: found.created(),
            checksum,
            is_copy,
            is_archived: found.is_archived(),
            is_unlisted: found.origin == Origin::Id,
        };
        let Some(before) = self.objects.get_mut(&found.id) else {
            self.page_count += usize::from(found.kind == ObjectKind::Page);
            self.objects.insert(found.id, seen);
            return News { is_first: true, is_any: true };
        };
        seen.is_unlisted &= before.is_unlisted;
        let is_older_copy = found.origin == Origin::Search && seen.edited < before.edited;
        let is_less_certain = is_copy && !before.is_copy && seen.edited <= before.edited;
        if is_older_copy || is_less_certain {
            before.is_unlisted = seen.is_unlisted;
            return News { is_first: false, is_any: false };
        }
        let is_any = (before.edited, before.checksum) != (seen.edited, seen.checksum);
        *before = seen;
        News { is_first: false, is_any }
    }

    /// What was seen of an object.
    pub fn seen(&self, id: Uuid) -> Option<Seen> {
        self.objects.get(&id).copied()
    }

    /// Whether anything showed an object.
    pub fn has(&self, id: Uuid) -> bool {
        self.objects.contains_key(&id)
    }

    /// Removes an object that turned out to be gone.
    pub fn remove(&mut self, id: Uuid) {
        if self.objects.remove(&id).is_some_and(|seen| seen.kind == ObjectKind::Page) {
            self.page_count -= 1;
        }
    }

    /// All objects of a kind.
    pub fn of_kind(&self, kind: ObjectKind) -> impl Iterator<Item = (Uuid, Seen)> {
        self.objects.iter().filter(move |(_id, seen)| seen.kind == kind).map(|(id, seen)| (*id, *seen))
    }

    /// How many pages were seen.
    pub fn page_count(&self) -> usize {
        self.page_count
    }

    /// Whether nothing was seen at all.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RawObject;

    fn observe(inventory: &mut Inventory, origin: Origin, minute: u32, is_row: bool) -> News {
        let id = Uuid::max();
        let parent = if is_row { format!(r#"{{"data_source_id":"{id}"}}"#) } else { "{}".to_owned() };
        let text = format!(
            r#"{{"object":"page","id":"{id}","last_edited_time":"2026-01-01T00:{minute:02}:00.000Z","parent":{parent}}}"#
        );
        let object = RawObject::parse(&text).unwrap();
        let found = Found::new(object, ObjectKind::Page, origin, chrono::DateTime::UNIX_EPOCH).unwrap();
        let checksum = found.checksum();
        inventory.observe(&found, checksum)
    }

    #[test]
    fn of_two_copies_of_search_the_later_one_counts() {
        let mut inventory = Inventory::default();
        assert!(observe(&mut inventory, Origin::Search, 5, false).is_first);
        assert!(!observe(&mut inventory, Origin::Search, 5, false).is_any);
        assert!(!observe(&mut inventory, Origin::Search, 4, false).is_any);
        assert!(observe(&mut inventory, Origin::Search, 6, false).is_any);
        // The page itself is certain, even of an earlier time.
        assert!(observe(&mut inventory, Origin::Id, 4, false).is_any);
        assert!(!inventory.seen(Uuid::max()).unwrap().is_unlisted);
    }

    #[test]
    fn a_rows_table_tells_more_than_search_unless_search_knows_a_later_edit() {
        let mut inventory = Inventory::default();
        let query = Origin::Query { data_source: Uuid::max() };
        observe(&mut inventory, Origin::Search, 5, true);
        assert!(inventory.seen(Uuid::max()).unwrap().is_copy);
        observe(&mut inventory, query, 4, true);
        assert!(!inventory.seen(Uuid::max()).unwrap().is_copy);
        assert!(!observe(&mut inventory, Origin::Search, 4, true).is_any);
        assert!(observe(&mut inventory, Origin::Search, 6, true).is_any);
        assert!(inventory.seen(Uuid::max()).unwrap().is_copy);
    }
}
