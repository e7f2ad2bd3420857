//! What a listing has shown, so that nobody takes what comes again for something new.

use std::{collections::HashSet, hash::BuildHasher};

use uuid::Uuid;

use super::ResultPage;

/// The ids of all results, and of those that the last page brought for the first time.
#[derive(Debug, Default)]
pub(super) struct SeenIds {
    all: HashSet<Uuid>,
    new: HashSet<Uuid>,
}

impl SeenIds {
    /// How many different results there were.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Takes in what a page brings; returns whether that is something.
    pub(super) fn add(&mut self, page: &ResultPage) -> bool {
        self.new.clear();
        for result in page.results().flatten() {
            // Entries of a property have no id of their own.
            let id = result
                .id("id")
                .unwrap_or_else(|| Uuid::from_u64_pair(0, self.all.hasher().hash_one(result.to_json())));
            if self.all.insert(id) {
                self.new.insert(id);
            }
        }
        !self.new.is_empty()
    }

    /// Takes in an id; returns whether it is new.
    pub(super) fn insert(&mut self, id: Uuid) -> bool {
        self.all.insert(id)
    }

    /// Whether the last page brought this id for the first time, and it was not asked for before.
    pub(super) fn take_new(&mut self, id: Uuid) -> bool {
        self.new.remove(&id)
    }
}
