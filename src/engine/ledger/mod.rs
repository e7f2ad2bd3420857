//! What a stream has delivered: for every object the version that went out.
//!
//! A sync is a comparison of what is there with what was delivered, and this is where the two are compared. The ledger is
//! pure: it knows neither HTTP, nor a clock, nor other streams. It keeps the first invariant of states: an entry has a
//! version only after [`Ledger::deliver`] or [`Ledger::adopt`], so whoever calls these after the records of that version
//! were queued gets states that claim no more than what was sent.

mod codec;

pub(super) use codec::LedgerError;
use std::collections::HashMap;

use uuid::Uuid;

use crate::workspace::Minute;

/// The kinds of ids that a ledger knows.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// A page, rows of data sources among them.
    Page,
    /// A data source.
    DataSource,
    /// A database whose data sources are still to be asked for; it never has a version.
    Database,
}

/// The version of an object: when it was last edited, and a checksum over what was seen of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Version {
    /// When it was last edited; none where Notion says no time.
    pub edited: Option<Minute>,
    /// The checksum; zero in streams that need none.
    pub checksum: u32,
}

/// How far a version that was seen can be trusted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trust {
    /// The answer about the object itself, or of the query of its table: whatever it says is so.
    Certain,
    /// A copy of the search index: it may be older than what was delivered.
    Copy,
}

/// What a comparison of a version that was seen with the one that was delivered says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Due {
    /// It was never delivered.
    New,
    /// It was edited since.
    Edited,
    /// It was edited in a minute that was not over when an earlier run read it.
    Unsettled,
    /// It changed without an edit, as a formula does.
    Silent,
    /// What is there was delivered.
    No,
    /// What was seen is older than what was delivered.
    Stale,
}

impl Due {
    /// Whether the object is to be sent.
    pub fn is_due(self) -> bool {
        match self {
            Self::New | Self::Edited | Self::Unsettled | Self::Silent => true,
            Self::No | Self::Stale => false,
        }
    }
}

/// One object: 12 bytes, for there may be hundreds of thousands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Entry {
    edited: Option<Minute>,
    checksum: u32,
    /// When the object was last asked for by its id because no listing showed it.
    looked_up: Option<Minute>,
    flags: u8,
}

/// The object is a data source.
const DATA_SOURCE: u8 = 1;
/// The object is a database.
const DATABASE: u8 = 2;
/// The entry has a version.
const DELIVERED: u8 = 4;
/// The minute of the version was not over when it was read.
const UNSETTLED: u8 = 8;
/// No listing shows the object.
const UNLISTED: u8 = 16;
/// The object is an archived row, which the default query leaves out.
const ARCHIVED: u8 = 32;
/// There was something in the object: blocks of a page, comments.
const HAS_CONTENT: u8 = 64;
/// The version was delivered in this run; never stored.
const FRESH: u8 = 128;

impl Entry {
    fn of(kind: Kind) -> Self {
        let flags = match kind {
            Kind::Page => 0,
            Kind::DataSource => DATA_SOURCE,
            Kind::Database => DATABASE,
        };
        Self { flags, ..Self::default() }
    }

    fn kind(&self) -> Kind {
        match self.flags & (DATA_SOURCE | DATABASE) {
            0 => Kind::Page,
            DATA_SOURCE => Kind::DataSource,
            _ => Kind::Database,
        }
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn set(&mut self, flag: u8, is_set: bool) {
        if is_set {
            self.flags |= flag;
        } else {
            self.flags &= !flag;
        }
    }
}

/// What is known of a reading that is being delivered.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Delivery {
    /// What was read.
    pub version: Version,
    /// Whether its minute was still running when the first request of the reading was sent.
    pub is_unsettled: bool,
    /// Whether there was anything in it.
    pub has_content: bool,
}

/// What a stream has delivered, and which ids it knows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ledger {
    entries: HashMap<Uuid, Entry>,
}

impl Ledger {
    /// Compares a version that was seen with the one that was delivered.
    pub fn judge(&self, id: Uuid, seen: Version, trust: Trust) -> Due {
        let Some(entry) = self.entries.get(&id).filter(|entry| entry.has(DELIVERED)) else { return Due::New };
        let same_time = || {
            if entry.has(UNSETTLED) && !entry.has(FRESH) {
                Due::Unsettled
            } else if entry.checksum != seen.checksum {
                Due::Silent
            } else {
                Due::No
            }
        };
        match (seen.edited, entry.edited) {
            (Some(seen), Some(delivered)) if seen > delivered => Due::Edited,
            (Some(seen), Some(delivered)) if seen < delivered => match trust {
                Trust::Certain => Due::Edited,
                Trust::Copy => Due::Stale,
            },
            (Some(_), None) => Due::Edited,
            (Some(_), Some(_)) | (None, _) => same_time(),
        }
    }

    /// Notes that every record of a version was queued.
    pub fn deliver(&mut self, kind: Kind, id: Uuid, delivery: Delivery) {
        let entry = self.entries.entry(id).or_insert_with(|| Entry::of(kind));
        let Delivery { version, is_unsettled, has_content } = delivery;
        (entry.edited, entry.checksum) = (version.edited, version.checksum);
        entry.set(DELIVERED, true);
        entry.set(UNSETTLED, is_unsettled);
        entry.set(HAS_CONTENT, has_content);
        entry.set(FRESH, true);
    }

    /// Counts a version as delivered by whoever wrote the state before, who left a cursor only.
    ///
    /// Whether a page had content is not known, so it is taken to have had some.
    pub fn adopt(&mut self, kind: Kind, id: Uuid, version: Version) {
        self.deliver(kind, id, Delivery { version, is_unsettled: false, has_content: true });
    }

    /// Remembers an id that was met and not read yet.
    pub fn know(&mut self, kind: Kind, id: Uuid) {
        self.entries.entry(id).or_insert_with(|| Entry::of(kind));
    }

    /// Forgets an id.
    pub fn forget(&mut self, id: Uuid) {
        self.entries.remove(&id);
    }

    /// Takes the version of an entry away and keeps its time: should the object come back, it is due.
    pub fn withdraw(&mut self, id: Uuid) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.set(DELIVERED, false);
        }
    }

    /// Has a version delivered once more at the same time.
    pub fn unsettle(&mut self, id: Uuid) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.set(UNSETTLED, true);
        }
    }

    /// Withdraws every version: everything is due again. Ids that no listing shows stay known.
    pub fn withdraw_all(&mut self) {
        self.entries.retain(|_id, entry| entry.has(UNLISTED));
        self.entries.values_mut().for_each(|entry| entry.set(DELIVERED, false));
    }

    /// Notes how an object was found: shown by a listing or not, archived or not.
    pub fn note_found(&mut self, id: Uuid, is_unlisted: bool, is_archived: bool) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.set(UNLISTED, is_unlisted);
            entry.set(ARCHIVED, is_archived);
        }
    }

    /// Notes that an object was asked for by its id.
    pub fn note_lookup(&mut self, id: Uuid, at: Option<Minute>) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.looked_up = at;
        }
    }

    /// When an object was last asked for by its id; none sorts before all others.
    pub fn looked_up(&self, id: Uuid) -> Option<Minute> {
        self.entries.get(&id)?.looked_up
    }

    /// The time of an entry, whether or not its version is known.
    pub fn edited(&self, id: Uuid) -> Option<Minute> {
        self.entries.get(&id)?.edited
    }

    /// What was delivered of an object.
    pub fn delivered(&self, id: Uuid) -> Option<Delivery> {
        let entry = self.entries.get(&id).filter(|entry| entry.has(DELIVERED))?;
        Some(Delivery {
            version: Version { edited: entry.edited, checksum: entry.checksum },
            is_unsettled: entry.has(UNSETTLED),
            has_content: entry.has(HAS_CONTENT),
        })
    }

    /// Whether the version of an object was delivered in this run.
    pub fn is_fresh(&self, id: Uuid) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.has(FRESH))
    }

    /// Whether an id is known.
    pub fn knows(&self, id: Uuid) -> bool {
        self.entries.contains_key(&id)
    }

    /// Whether no listing showed an object when it was last found.
    pub fn is_unlisted(&self, id: Uuid) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.has(UNLISTED))
    }

    /// Whether an object was an archived row when it was last found.
    pub fn is_archived(&self, id: Uuid) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.has(ARCHIVED))
    }

    /// The known ids of a kind.
    pub fn ids(&self, kind: Kind) -> impl Iterator<Item = Uuid> {
        self.entries.iter().filter(move |(_id, entry)| entry.kind() == kind).map(|(id, _entry)| *id)
    }

    /// How many objects of a kind have a version.
    pub fn delivered_count(&self, kind: Kind) -> usize {
        let is_delivered = |entry: &&Entry| entry.kind() == kind && entry.has(DELIVERED);
        self.entries.values().filter(is_delivered).count()
    }

    /// The earliest time of a version; the comments stream keeps there when it asked.
    pub fn oldest(&self) -> Option<Minute> {
        self.entries.values().filter(|entry| entry.has(DELIVERED)).filter_map(|entry| entry.edited).min()
    }

    /// How many ids are known.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Says what is in it, for a person.
    pub fn describe(&self) -> Description {
        let count = |flag| self.entries.values().filter(|entry| entry.has(flag)).count();
        let delivered = || self.entries.values().filter(|entry| entry.has(DELIVERED));
        Description {
            pages: self.delivered_count(Kind::Page),
            data_sources: self.delivered_count(Kind::DataSource),
            without_version: self.entries.len() - delivered().count(),
            unsettled: delivered().filter(|entry| entry.has(UNSETTLED)).count(),
            unlisted: count(UNLISTED),
            archived: count(ARCHIVED),
            with_content: count(HAS_CONTENT),
            oldest: self.oldest(),
            newest: delivered().filter_map(|entry| entry.edited).max(),
        }
    }
}

/// What is in a ledger, for a person.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Description {
    /// Pages with a version.
    pub pages: usize,
    /// Data sources with a version.
    pub data_sources: usize,
    /// Ids without a version: due, or read by other streams only.
    pub without_version: usize,
    /// Versions whose minute was not over, so they are read once more.
    pub unsettled: usize,
    /// Objects that no listing shows.
    pub unlisted: usize,
    /// Archived rows.
    pub archived: usize,
    /// Objects in which there was something.
    pub with_content: usize,
    /// The earliest time of a version.
    pub oldest: Option<Minute>,
    /// The latest time of a version.
    pub newest: Option<Minute>,
}

#[cfg(test)]
mod tests;
